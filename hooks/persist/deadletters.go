package persist

import (
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/files"
)

// maxPageBytes bounds the letters of a page as they are on disk; a message over
// MQTT may have four times as much.
const maxPageBytes = 1 << 20

// deadLetters are the letters on disk. The writer adds to them while an operator
// looks through them and has them sent again.
type deadLetters struct {
	letterBox
	// onDrop is told how many letters had to go for want of room.
	onDrop func(letters int)

	// mu is held while the files are changed or a look at both is begun.
	mu           sync.Mutex
	older, newer letterCount
}

// letterCount is what is in a file.
type letterCount struct{ letters, unreadable int }

func (c *letterCount) add(line letterLine) {
	switch {
	case !line.ended:
	case line.id == "":
		c.unreadable++
	default:
		c.letters++
	}
}

// letterFile is one of the two files.
type letterFile struct {
	path  string
	count *letterCount
}

// files are both, the older first.
func (d *deadLetters) files() [2]letterFile {
	return [2]letterFile{{d.path + ".1", &d.older}, {d.path, &d.newer}}
}

// count looks through the files once, when the hook is made.
func (d *deadLetters) count() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	parts, err := d.look()
	if err != nil {
		return err
	}
	defer closeParts(parts)
	for _, p := range parts {
		_ = os.Remove(p.path + rewritten) // of a process that was killed
		for line, err := range letterLines(p.file, 0) {
			if err != nil {
				return fmt.Errorf("dead-letter file: %w", err)
			}
			p.count.add(line)
		}
	}
	return nil
}

// kept is how many letters and unreadable lines there are.
func (d *deadLetters) kept() letterCount {
	d.mu.Lock()
	defer d.mu.Unlock()
	return letterCount{d.older.letters + d.newer.letters, d.older.unreadable + d.newer.unreadable}
}

// put adds letters. When it returns they survive a power cut.
func (d *deadLetters) put(letters []DeadLetter) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := endLine(d.path); err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	before, _ := os.Stat(d.path)
	err := d.letterBox.put(letters)
	if after, _ := os.Stat(d.path); before != nil && !os.SameFile(before, after) {
		if d.older.letters > 0 {
			d.onDrop(d.older.letters)
		}
		d.older, d.newer = d.newer, letterCount{}
	}
	if err != nil {
		return err
	}
	d.newer.letters += len(letters)
	return files.SyncFolder(filepath.Dir(d.path))
}

// part is a file of the letters as it was at one moment.
type part struct {
	letterFile
	file        *os.File
	start, size int64
}

// look opens the files that are there. mu is held.
func (d *deadLetters) look() (parts []part, err error) {
	start := int64(0)
	for _, f := range d.files() {
		file, err := os.Open(f.path)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err == nil {
			parts = append(parts, part{letterFile: f, file: file, start: start})
			var info os.FileInfo
			if info, err = file.Stat(); err == nil {
				parts[len(parts)-1].size = info.Size()
				start += info.Size()
			}
		}
		if err != nil {
			closeParts(parts)
			return nil, fmt.Errorf("dead-letter file: %w", err)
		}
	}
	return parts, nil
}

func closeParts(parts []part) {
	for _, p := range parts {
		p.file.Close()
	}
}

// linesFrom gives the lines of all parts from a place on.
func linesFrom(parts []part, from int64) iter.Seq2[letterLine, error] {
	return func(yield func(letterLine, error) bool) {
		for _, p := range parts {
			skip := max(0, from-p.start)
			if skip >= p.size {
				continue
			}
			for line, err := range letterLines(io.NewSectionReader(p.file, skip, p.size-skip), p.start+skip) {
				if !yield(line, err) || err != nil {
					return
				}
			}
		}
	}
}

// walk gives the letters from a place on, until visit has enough. It is a
// conflict if the letter that was there has gone.
func (d *deadLetters) walk(from place, visit func(letterLine) (more bool)) error {
	d.mu.Lock()
	parts, err := d.look()
	d.mu.Unlock()
	if err != nil {
		return err
	}
	defer closeParts(parts)
	found := from.id == ""
	for line, err := range linesFrom(parts, from.at) {
		if err != nil {
			return fmt.Errorf("dead-letter file: %w", err)
		}
		if !found && line.id != from.id {
			break
		}
		found = true
		if line.id != "" && !visit(line) {
			return nil
		}
	}
	if !found {
		return wattline.Errorf(wattline.CodeConflict, "the dead letters have changed meanwhile: begin again")
	}
	return nil
}

// page is some of the letters.
func (d *deadLetters) page(query wattline.DeadLettersQuery) (wattline.DeadLetterPage, error) {
	from, err := parsePlace(query.After)
	if err != nil {
		return wattline.DeadLetterPage{}, wattline.Invalid(wattline.FieldError{Field: "after", Reason: err.Error()})
	}
	if query.Limit == 0 {
		query.Limit = wattline.MaxPage
	}
	kept := d.kept()
	page := wattline.DeadLetterPage{Letters: []wattline.DeadLetter{}, Total: kept.letters, Unreadable: kept.unreadable}
	size := 0
	err = d.walk(from, func(line letterLine) bool {
		size += len(line.raw)
		if len(page.Letters) == query.Limit || size > maxPageBytes && len(page.Letters) > 0 {
			page.Next = place{line.at, line.id}.String()
			return false
		}
		page.Letters = append(page.Letters, shown(line))
		return true
	})
	return page, err
}

// shown is a letter for an operator.
func shown(line letterLine) wattline.DeadLetter {
	means := explain(line.letter.Reason)
	return wattline.DeadLetter{
		ID: line.id, Time: line.letter.Time, Tries: line.letter.Tries, Reason: line.letter.Reason,
		Explanation: means.explanation, Remedy: means.remedy, Reading: line.letter.Reading,
	}
}
