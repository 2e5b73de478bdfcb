package bench_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// table collects the rows of all benchmarks and prints them in the end.
type table struct {
	mu   sync.Mutex
	rows []string
	at   map[string]bool
}

var (
	results = table{at: map[string]bool{}}
	binary  string // the wattline under test
	tableTo = flag.String("table", "", "write the table to this file")
	helper  = flag.String("helper", "", "run as a helper process of a benchmark: gin, append, lines, listen")
)

// row adds a line: what was measured, the figure, its floor, their ratio, and
// the most that it should be.
func (t *table) row(what, figure, floor, ratio, limit string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	line := fmt.Sprintf("| %s | %s | %s | %s | %s |", what, figure, floor, ratio, limit)
	if t.at[what] {
		return // a benchmark that the tool ran twice
	}
	t.at[what] = true
	t.rows = append(t.rows, line)
}

func (t *table) String() string {
	head := "| what | figure | floor in the same run | ratio | wanted |\n|---|---|---|---|---|\n"
	return head + strings.Join(t.rows, "\n") + "\n"
}

func TestMain(m *testing.M) {
	flag.Parse()
	if *helper != "" {
		help(*helper)
		return
	}
	if flag.Lookup("test.bench").Value.String() == "" {
		os.Exit(m.Run()) // nothing will be measured
	}
	os.Exit(measure(m))
}

// help runs one of the helper processes.
func help(kind string) {
	var err error
	switch kind {
	case "gin":
		serveGin()
	case "append":
		err = appendBare()
	case "lines":
		err = postBare()
	case "listen":
		err = listen()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func measure(m *testing.M) int {
	folder, err := os.MkdirTemp("", "wattline-bench-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(folder)
	binary = filepath.Join(folder, "wattline")
	build := exec.CommandContext(context.Background(), "go", "build", "-trimpath", "-o", binary, "../cmd/wattline")
	build.Stderr = os.Stderr
	if err := build.Run(); err != nil {
		fmt.Fprintln(os.Stderr, "bench: go build:", err)
		return 1
	}
	code := m.Run()
	if len(results.rows) == 0 {
		return code
	}
	fmt.Printf("\n%s\n", results.String())
	if *tableTo != "" {
		text := fmt.Sprintf("Measured on %d cores, %s/%s, %s.\n\n%s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version(), results.String())
		if err := os.WriteFile(*tableTo, []byte(text), 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
	}
	return code
}
