package archive_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/testserver"
)

func TestADamagedArchiveOpensAndSaysWhatItLost(t *testing.T) {
	whole := span("a", 0, 4000)
	for name, test := range map[string]struct {
		damage func(*testing.T, string)
		says   string
		// lost is how many readings may be missing; damaged tells whether
		// something must have been set aside.
		lost  int
		aside bool
	}{
		"a block's index is cut short": {
			damage: func(t *testing.T, dir string) { cut(t, oneOf(t, dir, "01*/index"), 10) },
			says:   "set aside", lost: 4000, aside: true,
		},
		"a block's description is gone": {
			damage: func(t *testing.T, dir string) { remove(t, oneOf(t, dir, "01*/meta.json")) },
			says:   "set aside", lost: 4000, aside: true,
		},
		"a block's description is garbage": {
			damage: func(t *testing.T, dir string) { overwrite(t, oneOf(t, dir, "01*/meta.json"), "garbage") },
			says:   "set aside", lost: 4000, aside: true,
		},
		"a block's chunks are gone": {
			damage: func(t *testing.T, dir string) { cut(t, oneOf(t, dir, "01*/chunks/000001"), 3) },
			says:   "set aside", lost: 4000, aside: true,
		},
		"the end of the log is torn": {
			damage: func(t *testing.T, dir string) { tear(t, last(t, dir, "wal/0*")) },
			says:   "mended a torn log", lost: 1000, aside: true,
		},
		"the late log is torn": {
			damage: func(t *testing.T, dir string) { tear(t, last(t, dir, "wbl/0*")) },
			says:   "mended a torn log", lost: 500, aside: true,
		},
		"both logs are torn": {
			damage: func(t *testing.T, dir string) {
				tear(t, last(t, dir, "wal/0*"))
				tear(t, last(t, dir, "wbl/0*"))
			},
			says: "mended a torn log", lost: 1500, aside: true,
		},
		"the log is garbage": {
			damage: func(t *testing.T, dir string) {
				overwrite(t, oneOf(t, dir, "wal/0*"), strings.Repeat("garbage", 9000))
			},
			says: "mended a torn log", lost: 4000, aside: true,
		},
		"the checkpoint is garbage": {
			damage: func(t *testing.T, dir string) {
				folder := filepath.Join(dir, "wal", "checkpoint."+filepath.Base(oneOf(t, dir, "wal/0*")))
				if err := os.MkdirAll(folder, 0o700); err != nil {
					t.Fatal(err)
				}
				overwrite(t, filepath.Join(folder, "00000000"), strings.Repeat("garbage", 9000))
			},
			says: "set aside", lost: 4000, aside: true,
		},
		"the chunks of the head are garbage": {
			damage: func(t *testing.T, dir string) {
				overwrite(t, oneOf(t, dir, "chunks_head/0*"), strings.Repeat("garbage", 9000))
			},
		},
		"nothing is damaged": {damage: func(*testing.T, string) {}},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			a := open(t, archive.WithSmallSegments(archive.Options{Dir: dir}))
			// Three hours in order, of which some become a block, then late ones.
			write(t, a, whole[500:2500])
			write(t, a, whole[2500:3000])
			if err := a.Merge(t.Context()); err != nil {
				t.Fatal(err)
			}
			write(t, a, span("b", 3000, 3100))
			write(t, a, whole[3000:])
			write(t, a, whole[:500])
			closeIt(t, a)
			test.damage(t, dir)

			log := &testserver.Text{}
			a = open(t, archive.Options{Dir: dir, Log: log.Logger(slog.LevelWarn)})
			defer func() { closeIt(t, a) }()
			if text := log.String(); !strings.Contains(text, test.says) || test.says == "" && text != "" {
				t.Errorf("the log says only:\n%s", text)
			}
			if aside, _ := filepath.Glob(filepath.Join(dir, "damaged", "*")); (len(aside) > 0) != test.aside {
				t.Errorf("set aside: %v", aside)
			}
			got := read(t, a, "a")
			for _, reading := range got {
				n := int(reading.Time.Sub(start) / (5 * time.Second))
				if n < 0 || n >= len(whole) || reading != whole[n] {
					t.Fatalf("made up: %+v", reading)
				}
			}
			if lost := len(whole) - len(got); lost > test.lost {
				t.Errorf("lost %d readings", lost)
			}
			// What was lost can be written again, and stays. Others that come
			// before it do not take its place.
			for _, device := range []string{"c", "d", "b"} {
				write(t, a, span(device, 3000, 3100))
			}
			write(t, a, whole)
			for range 2 {
				want(t, a, "a", whole)
				for _, device := range []string{"b", "c", "d"} {
					want(t, a, device, span(device, 3000, 3100))
				}
				closeIt(t, a)
				a = open(t, archive.Options{Dir: dir})
			}
		})
	}
}

func oneOf(t *testing.T, dir, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil || len(found) == 0 {
		t.Fatalf("nothing is like %s: %v", pattern, err)
	}
	return found[0]
}

// last is the newest segment of a log that has more than a page in it.
func last(t *testing.T, dir, pattern string) string {
	t.Helper()
	oneOf(t, dir, pattern)
	found, _ := filepath.Glob(filepath.Join(dir, pattern))
	slices.Sort(found)
	for _, path := range slices.Backward(found) {
		if size(t, path) > 0 {
			return path
		}
	}
	t.Fatalf("nothing is in %s", pattern)
	return ""
}

// tear cuts a segment off in the middle of a record.
func tear(t *testing.T, path string) { cut(t, path, size(t, path)*2/5) }

func size(t *testing.T, path string) int64 {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Size()
}

// cut shortens a file to so many bytes.
func cut(t *testing.T, path string, to int64) {
	t.Helper()
	if err := os.Truncate(path, to); err != nil {
		t.Fatal(err)
	}
}

func overwrite(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
}
