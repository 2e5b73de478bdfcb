package journal_test

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/testserver"
)

// scribble overwrites the head of every page of a table's leaves, as far as the
// file goes, but for the first pages, which hold the schema and table last.
func scribble(t *testing.T, path string, fromPage, toPage int64) {
	t.Helper()
	const pageBytes = 4096
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for page := fromPage; page < toPage; page++ {
		if _, err := f.WriteAt(bytes.Repeat([]byte{0xee}, 64), page*pageBytes); err != nil {
			t.Fatal(err)
		}
	}
}

func TestDamageWhileOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	j := open(t, journal.Options{Path: path, CommitInterval: time.Millisecond})
	appendMany(t, j, 1, 5000)
	closed(t, j) // all of it is in the file now

	told := make(chan span, 10)
	var log testserver.Text
	j = opened(t, journal.Options{
		Path: path, CommitInterval: time.Millisecond, Log: log.Logger(slog.LevelInfo),
		OnDrop: func(from, to uint64) { told <- span{from, to} },
	})
	stream := j.Stream()
	last, _ := j.Last("desk-2")
	mustStore(t, j, "archive", 200)
	scribble(t, path, 20, 40)

	testserver.Eventually(t, 10*time.Second, func() error {
		if _, err := j.Page(t.Context(), replay(j, 2000)); err != nil {
			return err
		}
		if j.Status().SetAside == "" {
			return errors.New("nothing was set aside")
		}
		return nil
	})
	if got := <-told; got != (span{201, 5000}) {
		t.Errorf("told of %v", got)
	}
	if page := mustPage(t, j, 201, 10); page.First != 5001 || page.Last != 5000 || len(page.Readings) != 0 {
		t.Errorf("after the damage: %+v", page)
	}
	if kept := mustAppend(t, j, readingOf(1, time.Now())); kept.Seq != 5001 || kept.Stream != stream {
		t.Errorf("the numbers go on with %s %d", kept.Stream, kept.Seq)
	}
	if got, ok := j.Last("desk-2"); !ok || got != last {
		t.Errorf("last reading is %v, was %v", got, last)
	}
	status := j.Status()
	if status.Dropped != 4800 || status.Hooks[0].Stored != 200 {
		t.Errorf("status %+v", status)
	}
	if _, err := os.Stat(status.SetAside); err != nil || !strings.Contains(log.String(), status.SetAside) {
		t.Errorf("set aside as %q (%v), log %s", status.SetAside, err, &log)
	}

	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	j = opened(t, journal.Options{Path: path})
	if j.Stream() != stream || j.LastSeq() != 5001 || len(everything(t, j)) != 1 {
		t.Errorf("after a restart: stream %s, last %d", j.Stream(), j.LastSeq())
	}
}

func TestDamageBeforeOpen(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	j := open(t, journal.Options{Path: path, CommitInterval: time.Millisecond})
	appendMany(t, j, 1, 5000)
	stream := j.Stream()
	last, _ := j.Last("desk-2")
	closed(t, j)
	scribble(t, path, 20, 40)

	j = opened(t, journal.Options{Path: path})
	if j.Stream() == stream || j.LastSeq() != 0 || j.Status().SetAside == "" {
		t.Errorf("status %+v", j.Status())
	}
	t.Run("saves the newest readings, without their numbers", func(t *testing.T) {
		last.Stream, last.Seq = "", 0
		if got, ok := j.Last("desk-2"); !ok || got != last {
			t.Errorf("got %v, want %v", got, last)
		}
	})
	t.Run("numbers from 1 again", func(t *testing.T) {
		if kept := mustAppend(t, j, readingOf(1, time.Now())); kept.Seq != 1 || kept.Stream != j.Stream() {
			t.Errorf("got %s %d", kept.Stream, kept.Seq)
		}
	})
}

func TestUnreadableRow(t *testing.T) {
	j := opened(t, journal.Options{CommitInterval: time.Millisecond})
	appendMany(t, j, 1, 10)
	for _, statement := range []string{
		"UPDATE reading SET device = 'no name' WHERE seq IN (1, 2, 5)",
		"UPDATE reading SET quality = 1000000 WHERE seq >= 9",
	} {
		if _, err := j.Writer().ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("is left out of a page", func(t *testing.T) {
		page := mustPage(t, j, 1, 0)
		var seqs []uint64
		for _, r := range page.Readings {
			seqs = append(seqs, r.Seq)
		}
		if page.First != 3 || len(seqs) != 5 || seqs[2] != 6 {
			t.Errorf("first %d, numbers %v", page.First, seqs)
		}
	})
	t.Run("does not hide what follows it", func(t *testing.T) {
		if page := mustPage(t, j, 1, 2); page.First != 3 || len(page.Readings) != 0 {
			t.Errorf("got %+v", page)
		}
	})
	t.Run("at the end does not make a hook ask for ever", func(t *testing.T) {
		if page := mustPage(t, j, 9, 0); page.First != 11 || len(page.Readings) != 0 {
			t.Errorf("got %+v", page)
		}
	})
}
