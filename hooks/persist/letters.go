package persist

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/wattline/wattline"
)

// DeadLetter is a line of a dead-letter file: a reading that the store will
// never take, when that was found, and why.
type DeadLetter struct {
	Time    wattline.Time    `json:"time"`
	Reason  string           `json:"reason"`
	Reading wattline.Reading `json:"reading"`
}

// letterBox is the dead-letter file, NDJSON. When it is full it becomes
// path + ".1", in place of the one before.
type letterBox struct {
	path     string
	maxBytes int64
}

// put adds letters and syncs them to disk.
func (b letterBox) put(letters []DeadLetter) (err error) {
	var text []byte
	for _, letter := range letters {
		line, err := json.Marshal(letter)
		if err != nil {
			return fmt.Errorf("dead letter: %w", err)
		}
		text = append(append(text, line...), '\n')
	}
	if err := b.turnOver(int64(len(text))); err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	file, err := os.OpenFile(b.path, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(text); err != nil {
		return fmt.Errorf("dead-letter file: %w", err)
	}
	return file.Sync()
}

func (b letterBox) turnOver(more int64) error {
	info, err := os.Stat(b.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil || info.Size()+more <= b.maxBytes/2 {
		return err
	}
	return os.Rename(b.path, b.path+".1")
}
