package transfer

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/wattline/wattline/internal/files"
)

// note is how far a task has come. On disk it is replaced whole, so that it is
// always one that was saved.
type note struct {
	path string

	Task string `json:"task"`
	// Done is the last day that was moved.
	Done   time.Time `json:"done"`
	Report *Report   `json:"report"`
}

// openNote reads the note of a task, or begins one: where there is none, or it is
// another task's, or cannot be read, which costs nothing but time.
func openNote(path, task string) (*note, error) {
	begun := &note{path: path, Task: task, Report: newReport()}
	if path == "" {
		return begun, nil
	}
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return begun, os.MkdirAll(filepath.Dir(path), 0o700)
	}
	if err != nil {
		return nil, fmt.Errorf("read how far the copy came: %w", err)
	}
	kept := &note{path: path}
	if err := json.Unmarshal(data, kept); err == nil && kept.Task == task && kept.Report != nil {
		return kept, nil
	}
	return begun, nil
}

func (n *note) save() error {
	if n.path == "" {
		return nil
	}
	data, err := json.Marshal(n)
	if err != nil {
		return err
	}
	if err := files.Replace(n.path, data); err != nil {
		return fmt.Errorf("note how far the copy came: %w", err)
	}
	return nil
}

func (n *note) remove() error {
	if n.path == "" {
		return nil
	}
	if err := os.Remove(n.path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}
