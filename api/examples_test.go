package api_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"mime"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/wattline/wattline/openapi/openapitest"
)

// examplesFile has an answer of each operation, status and media type, as the description shows it.
const examplesFile = "../openapi/examples.json"

var writeExamples = flag.Bool("examples", false, "write "+examplesFile+" anew out of what the tests were answered")

// examples are answers by operation, status and media type.
type examples struct {
	mu sync.Mutex
	of map[string]map[string]map[string]json.RawMessage
}

var answered = examples{of: map[string]map[string]map[string]json.RawMessage{}}

// keep takes an answer as the example of its kind, if it is the first of it that is
// short enough to be read.
func (e *examples) keep(operation openapitest.Operation, a answer) {
	kind, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	example := exampleOf(kind, a.body)
	if err != nil || example == nil {
		return
	}
	status := strconv.Itoa(a.status)
	if !slices.Contains(operation.Statuses, status) {
		status = "default"
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of[operation.ID] == nil {
		e.of[operation.ID] = map[string]map[string]json.RawMessage{}
	}
	kinds := e.of[operation.ID]
	if kinds[status] == nil {
		kinds[status] = map[string]json.RawMessage{}
	}
	if kinds[status][kind] == nil {
		kinds[status][kind] = example
	}
}

// exampleOf is a body as JSON: of a text, its first lines. It is nil for what cannot be
// shown.
func exampleOf(kind string, body []byte) json.RawMessage {
	const longest = 3000
	isJSON := strings.HasSuffix(kind, "json") && kind != "application/x-ndjson"
	switch {
	case isJSON && (len(body) > longest || !json.Valid(body)), !utf8.Valid(body), len(body) == 0:
		return nil
	case isJSON:
		return bytes.Clone(body)
	case len(body) > longest:
		body = body[:bytes.LastIndexByte(body[:longest], '\n')+1]
	}
	text, err := json.Marshal(string(body))
	if err != nil {
		return nil
	}
	return text
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
	var kept map[string]map[string]map[string]json.RawMessage
	if err := json.Unmarshal(text, &kept); err != nil {
		t.Fatal(err)
	}
	for _, operation := range slices.Sorted(maps.Keys(e.of)) {
		for _, status := range slices.Sorted(maps.Keys(e.of[operation])) {
			for _, kind := range slices.Sorted(maps.Keys(e.of[operation][status])) {
				if kept[operation][status][kind] == nil {
					t.Errorf("%s %s has no example as %s: run make examples openapi", operation, status, kind)
				}
			}
		}
	}
}
