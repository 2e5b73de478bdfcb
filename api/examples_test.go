package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// examplesFile has an answer of each operation and status, as the description shows it.
const examplesFile = "../openapi/examples.json"

var writeExamples = flag.Bool("examples", false, "write "+examplesFile+" anew out of what the tests were answered")

// examples are answers by operation and status.
type examples struct {
	mu sync.Mutex
	of map[string]map[string]json.RawMessage
}

var answered = examples{of: map[string]map[string]json.RawMessage{}}

// keep takes an answer as the example of its kind, if it is the first of it that is
// short enough to be read.
func (e *examples) keep(operation string, a answer) {
	const longest = 3000
	kind := a.header.Get("Content-Type")
	if !strings.HasPrefix(kind, "application/json") && !strings.HasPrefix(kind, "application/problem+json") ||
		len(a.body) > longest || !json.Valid(a.body) {
		return
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of[operation] == nil {
		e.of[operation] = map[string]json.RawMessage{}
	}
	if status := strconv.Itoa(a.status); e.of[operation][status] == nil {
		e.of[operation][status] = bytes.Clone(a.body)
	}
}

// settle writes the examples, or tells which of them are not in the file.
func (e *examples) settle(t *testing.T) {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	if *writeExamples {
		text, err := json.MarshalIndent(e.of, "", "  ")
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(examplesFile, append(text, '\n'), 0o600); err != nil {
			t.Fatal(err)
		}
		return
	}
	text, err := os.ReadFile(examplesFile)
	if err != nil {
		t.Fatal(err)
	}
	var kept map[string]map[string]json.RawMessage
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	for _, operation := range slices.Sorted(maps.Keys(e.of)) {
		for _, status := range slices.Sorted(maps.Keys(e.of[operation])) {
			if kept[operation][status] == nil {
				t.Errorf("%s %s has no example: run make examples openapi", operation, status)
			}
		}
	}
}
