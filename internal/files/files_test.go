package files_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/wattline/wattline/internal/files"
)

func TestAReplacedFileHasTheNewContentAndTheModeItHad(t *testing.T) {
	for name, test := range map[string]struct {
		before string
		mode   fs.FileMode
		want   fs.FileMode
	}{
		"a new file is for its owner alone": {"", 0, 0o600},
		"a file for the group stays one":    {"old", 0o640, 0o640},
		"a longer file is not cut into":     {"an old and longer one", 0o600, 0o600},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "a.json")
			if test.before != "" {
				put(t, path, test.before, test.mode)
			}
			if err := files.Replace(path, []byte("new")); err != nil {
				t.Fatal(err)
			}
			check(t, path, "new", test.want)
		})
	}
}

// What cannot be replaced stays as it is, and nothing is left beside it.
func TestAFileThatCannotBeReplacedStays(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "a")
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, filepath.Join(path, "within"), "old", 0o600)
	if err := files.Replace(path, []byte("new")); err == nil {
		t.Error("a folder was replaced by a file")
	}
	check(t, filepath.Join(path, "within"), "old", 0o600)
	if beside, err := os.ReadDir(folder); err != nil || len(beside) != 1 {
		t.Errorf("beside it are %v, %v", beside, err)
	}
}

// Whoever reads while others replace sees one content or another, whole.
func TestReadersNeverSeeAPartOfAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a")
	contents := [][]byte{bytes.Repeat([]byte("a"), 1<<16), bytes.Repeat([]byte("b"), 1<<15)}
	if err := files.Replace(path, contents[0]); err != nil {
		t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		for i := range 20 {
			if err := files.Replace(path, contents[i%2]); err != nil {
				t.Error(err)
			}
		}
	}()
	for over := false; !over; {
		select {
		case <-done:
			over = true
		default:
		}
		got, err := os.ReadFile(path)
		if err != nil || !bytes.Equal(got, contents[0]) && !bytes.Equal(got, contents[1]) {
			t.Errorf("read are %d bytes, %v", len(got), err)
			over = true
		}
	}
	<-done
}

func put(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), mode); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

func check(t *testing.T, path, content string, mode fs.FileMode) {
	t.Helper()
	got, err := os.ReadFile(path)
	if err != nil || string(got) != content {
		t.Errorf("%s has %q, %v; want %q", path, got, err, content)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != mode {
		t.Errorf("mode %v, %v; want %v", info.Mode(), err, mode)
	}
}
