package commandlog_test

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/testserver"
)

// room bounds the file of a log; 1 page is less than it has already.
func room(t *testing.T, l *commandlog.Log, pages int) {
	t.Helper()
	if _, err := l.Writer().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

func TestWhatFindsNoRoomOnTheDiskIsKeptUntilThereIsSome(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.sqlite")
	l, stop := open(t, commandlog.Options{Path: path})
	room(t, l, 1)
	const commands = 100 // more than the pages that are begun have room for
	for i := range commands {
		id := fmt.Sprintf("b%d", i)
		l.Note(batch(id, time.Minute, "desk-1"))
		l.End(id+"-desk-1", result(id+"-desk-1", "desk-1", wattline.OutcomeDone))
	}
	if records, err := l.Find(t.Context(), "b99"); wattline.AsError(err).Code != wattline.CodeBusy {
		t.Errorf("on a full disk there is %+v, %v", records, err)
	}
	if err := l.NoteNow(t.Context(), batch("refused", time.Minute, "desk-1")); err == nil {
		t.Error("noted without room")
	}
	room(t, l, 100_000)
	if got := outcomes(t, l, "refused"); len(got) > 0 {
		t.Errorf("what its asker was refused is noted: %v", got)
	}
	stop()
	l, _ = open(t, commandlog.Options{Path: path})
	for i := range commands {
		if got := outcomes(t, l, fmt.Sprintf("b%d", i)); got["desk-1"] != wattline.OutcomeDone {
			t.Errorf("command %d is %v", i, got)
		}
	}
}

func TestWhatWaitsForRoomIsWrittenWithoutAnybodyAsking(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	room(t, l, 1)
	for i := range 100 {
		l.Note(batch(fmt.Sprintf("b%d", i), time.Minute, "desk-1"))
	}
	if _, err := l.Find(t.Context(), "b0"); err == nil {
		t.Fatal("there is room")
	}
	room(t, l, 100_000)
	testserver.Eventually(t, time.Minute, func() error {
		var noted int
		err := l.Writer().QueryRowContext(t.Context(), "SELECT count(*) FROM commands").Scan(&noted)
		if err == nil && noted != 100 {
			err = fmt.Errorf("%d are noted", noted)
		}
		return err
	})
}
