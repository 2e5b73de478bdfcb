// Package docs_test holds the documentation to the code where nothing else does.
package docs_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// rows are the cells of the table below a heading.
func rows(t *testing.T, page, heading string) [][]string {
	t.Helper()
	_, section, found := strings.Cut(page, "\n## "+heading+"\n")
	if !found {
		t.Fatalf("no %q", heading)
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var all [][]string
	for line := range strings.Lines(section) {
		if strings.HasPrefix(line, "|") {
			cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
			for i := range cells {
				cells[i] = strings.Trim(cells[i], " `")
			}
			all = append(all, cells)
		}
	}
	const header = 2
	return all[header:]
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestEveryFindingThatIsSetAsideIsExplained(t *testing.T) {
	page, lint := read(t, "security-findings.md"), read(t, "../.golangci.yml")
	firsts := func(heading string) (names []string) {
		for _, row := range rows(t, page, heading) {
			if names = append(names, row[0]); len(row[len(row)-1]) < 20 {
				t.Errorf("%s: no reason", row[0])
			}
		}
		slices.Sort(names)
		return names
	}
	submatches := func(pattern, text string) (found []string) {
		for _, match := range regexp.MustCompile(pattern).FindAllStringSubmatch(text, -1) {
			found = append(found, match[1])
		}
		slices.Sort(found)
		return found
	}
	t.Run("of rules", func(t *testing.T) {
		if diff := cmp.Diff(submatches(`(?m)^\s+- (G\d+)\b`, lint), firsts("gosec: rules that are off")); diff != "" {
			t.Errorf(".golangci.yml (-) and the page (+):\n%s", diff)
		}
	})
	t.Run("of folders", func(t *testing.T) {
		if diff := cmp.Diff(submatches(`- path: (\S+)\n\s+linters: \[[^\]]*\bgosec\b`, lint), firsts("gosec: folders that are left out")); diff != "" {
			t.Errorf(".golangci.yml (-) and the page (+):\n%s", diff)
		}
	})
	t.Run("of single places", func(t *testing.T) {
		explained := map[string]int{}
		for _, row := range rows(t, page, "gosec: single places") {
			places, err := strconv.Atoi(row[2])
			if err != nil {
				t.Fatalf("%v: %v", row, err)
			}
			explained[row[1]] += places
		}
		if diff := cmp.Diff(setAside(t, ".."), explained); diff != "" {
			t.Errorf("places with nolint:gosec in the code (-) and on the page (+):\n%s", diff)
		}
	})
}

// setAside counts the places of each file in which gosec is told to be silent.
func setAside(t *testing.T, root string) map[string]int {
	t.Helper()
	told := regexp.MustCompile(`//nolint:[a-z,]*\bgosec\b|#nosec`)
	places := map[string]int{}
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name := entry.Name(); entry.IsDir() && path != root && (strings.HasPrefix(name, ".") || name == "node_modules") {
			return filepath.SkipDir
		}
		if entry.IsDir() || !strings.HasSuffix(path, ".go") || path == filepath.Join(root, "docs", "findings_test.go") {
			return nil
		}
		if n := len(told.FindAllString(read(t, path), -1)); n > 0 {
			relative, err := filepath.Rel(root, path)
			if err != nil {
				return err
			}
			places[filepath.ToSlash(relative)] = n
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return places
}
