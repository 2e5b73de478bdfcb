package persist

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/files"
	"github.com/wattline/wattline/internal/strictjson"
)

const (
	// maxLine is beyond what a dead letter takes.
	maxLine = 64 << 10
	// rewritten ends the name of a file that is to take another's place.
	rewritten = ".new"
)

// keptLetter is a DeadLetter as it may be on disk: one that was sent again and
// refused again counts how often.
type keptLetter struct {
	Time    wattline.Time    `json:"time"`
	Reason  string           `json:"reason"`
	Tries   int              `json:"tries,omitempty"`
	Reading wattline.Reading `json:"reading"`
}

// letterLine is a line of a dead-letter file, or a piece of one that is too long.
type letterLine struct {
	// at is where it begins, counted through the older file and then the newer.
	at  int64
	raw []byte // with its end; valid until the next line
	// ended is false for a piece that others follow.
	ended  bool
	letter keptLetter
	id     string // empty for what cannot be read
}

// letterID stands for a reading's identity: letters of the same are the same.
func letterID(r wattline.Reading) string {
	sum := sha256.Sum256([]byte(r.Device + " " + strconv.FormatInt(r.Time.UnixMilli(), 10)))
	return hex.EncodeToString(sum[:8])
}

// letterLines gives the lines of a file from its beginning, or wherever it has
// been moved to, which is the place at.
func letterLines(from io.Reader, at int64) iter.Seq2[letterLine, error] {
	return func(yield func(letterLine, error) bool) {
		lines := bufio.NewReaderSize(from, maxLine)
		for whole := true; ; {
			raw, err := lines.ReadSlice('\n')
			if len(raw) > 0 {
				line := letterLine{at: at, raw: raw, ended: !errors.Is(err, bufio.ErrBufferFull)}
				if whole && line.ended {
					line.letter, line.id = readLetter(raw)
				}
				whole = line.ended
				at += int64(len(raw))
				if !yield(line, nil) {
					return
				}
			}
			switch {
			case errors.Is(err, io.EOF):
				return
			case err != nil && !errors.Is(err, bufio.ErrBufferFull):
				yield(letterLine{}, err)
				return
			}
		}
	}
}

func readLetter(raw []byte) (letter keptLetter, id string) {
	if strictjson.DecodeLoose(bytes.TrimSpace(raw), &letter) != nil {
		return keptLetter{}, ""
	}
	letter.Tries = max(letter.Tries, 1)
	return letter, letterID(letter.Reading)
}

// text is the letter's line.
func (l keptLetter) text() ([]byte, error) {
	text, err := json.Marshal(l)
	return append(text, '\n'), err
}

// place is where a page begins: at a letter, which must still be there.
type place struct {
	at int64
	id string
}

func (p place) String() string { return strconv.FormatInt(p.at, 10) + "-" + p.id }

var errPlace = errors.New("is not the next of an answer")

// parsePlace reads what String wrote; empty is the beginning.
func parsePlace(text string) (p place, err error) {
	if text == "" {
		return place{}, nil
	}
	at, id, ok := strings.Cut(text, "-")
	p.id = id
	if p.at, err = strconv.ParseInt(at, 10, 64); err != nil || !ok || p.at < 0 || wattline.CheckID(id) != nil {
		return place{}, errPlace
	}
	return p, nil
}

// endLine makes sure that what is added to a file begins a line of its own: a
// process that was killed, or a disk that was full, may have left half of one.
func endLine(path string) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil || last[0] == '\n' {
		return err
	}
	_, err = file.Write([]byte{'\n'})
	return err
}

// replaceFile puts what write writes in a file's place, all of it or nothing.
// Nothing is changed if write says so.
func replaceFile(path string, write func(io.Writer) (changed bool, err error)) (err error) {
	temporary := path + rewritten
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	buffered := bufio.NewWriterSize(file, maxLine)
	changed, err := write(buffered)
	err = errors.Join(err, buffered.Flush())
	if err == nil && changed {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil || !changed {
		return errors.Join(err, os.Remove(temporary))
	}
	if err := os.Rename(temporary, path); err != nil {
		return fmt.Errorf("put the new file in place: %w", err)
	}
	return files.SyncFolder(filepath.Dir(path))
}
