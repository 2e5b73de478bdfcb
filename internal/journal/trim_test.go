package journal_test

import (
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/sqlite"
	"github.com/wattline/wattline/internal/testserver"
)

func mustStore(t fatal, j *journal.Journal, hook string, seq uint64) {
	t.Helper()
	if err := j.Stored(bg(), hook, seq); err != nil {
		t.Fatal(err)
	}
}

// first is the least number held, when trimming has had its time.
func first(j *journal.Journal) uint64 {
	time.Sleep(3 * time.Second)
	return j.Status().First
}

func TestTrimming(t *testing.T) {
	bubble(t, "drops nothing while no hook is known", func(t *testing.T) {
		j := opened(t, journal.Options{})
		appendMany(t, j, 1, 100)
		if got := first(j); got != 1 {
			t.Errorf("begins at %d", got)
		}
	})
	bubble(t, "waits for a configured hook that was never heard of", func(t *testing.T) {
		j := opened(t, journal.Options{WaitFor: []string{"influx"}})
		appendMany(t, j, 1, 100)
		mustStore(t, j, "archive", 100)
		if got := first(j); got != 1 {
			t.Errorf("begins at %d", got)
		}
		mustStore(t, j, "influx", 40)
		if got := first(j); got != 41 {
			t.Errorf("begins at %d", got)
		}
	})
	bubble(t, "waits for every hook that was heard of, over a restart too", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.db")
		j := open(t, journal.Options{Path: path})
		appendMany(t, j, 1, 5000)
		mustStore(t, j, "slow", 0)
		mustStore(t, j, "fast", 5000)
		if got := first(j); got != 1 {
			t.Errorf("begins at %d", got)
		}
		closed(t, j)
		j = opened(t, journal.Options{Path: path})
		if got := first(j); got != 1 {
			t.Errorf("begins at %d after a restart", got)
		}
		mustStore(t, j, "slow", 4000)
		if got := first(j); got != 4001 {
			t.Errorf("begins at %d", got)
		}
		mustStore(t, j, "slow", 17)
		if got := j.Status().Hooks[1]; got.Stored != 4000 || got.Behind != 1000 {
			t.Errorf("a lower number changed what is known: %+v", got)
		}
	})
	bubble(t, "no longer waits for a forgotten hook, until it gets further", func(t *testing.T) {
		j := opened(t, journal.Options{WaitFor: []string{"archive"}})
		appendMany(t, j, 1, 100)
		mustStore(t, j, "archive", 90)
		mustStore(t, j, "gone", 10)
		if err := j.Forget(t.Context(), "gone"); err != nil {
			t.Fatal(err)
		}
		if got := first(j); got != 91 {
			t.Errorf("begins at %d", got)
		}
		mustStore(t, j, "gone", 10) // what the broker retained
		mustStore(t, j, "archive", 95)
		if got := first(j); got != 96 {
			t.Errorf("begins at %d", got)
		}
		mustStore(t, j, "gone", 96) // it is back
		mustStore(t, j, "archive", 100)
		if got := first(j); got != 97 {
			t.Errorf("begins at %d", got)
		}
		for hook, want := range map[string]wattline.Code{"archive": wattline.CodeConflict, "nobody": wattline.CodeNotFound} {
			if err := j.Forget(t.Context(), hook); codeOf(err) != want {
				t.Errorf("forgetting %s: %v", hook, err)
			}
		}
	})
	bubble(t, "refuses a number that was never given, and too many hooks", func(t *testing.T) {
		j := opened(t, journal.Options{})
		appendMany(t, j, 1, 10)
		if err := j.Stored(t.Context(), "archive", 11); codeOf(err) != wattline.CodeInvalid {
			t.Errorf("got %v", err)
		}
		if err := j.Stored(t.Context(), "a hook", 1); codeOf(err) != wattline.CodeInvalid {
			t.Errorf("got %v", err)
		}
		var err error
		for n := range 100 {
			if err = j.Stored(t.Context(), fmt.Sprintf("hook-%d", n), 1); err != nil {
				break
			}
		}
		if codeOf(err) != wattline.CodeBusy {
			t.Errorf("a hundred hooks: %v", err)
		}
	})
}

type span struct{ from, to uint64 }

// spans is what OnDrop was told.
type spans struct {
	mu   sync.Mutex
	told []span
}

func (s *spans) tell(from, to uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.told = append(s.told, span{from, to})
}

func (s *spans) all() []span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.told)
}

func TestBounds(t *testing.T) {
	bubble(t, "by bytes drop the oldest, tell it, and log it once", func(t *testing.T) {
		var log testserver.Text
		var told spans
		const maxBytes = 256 << 10
		j := opened(t, journal.Options{
			MaxBytes: maxBytes, WaitFor: []string{"archive"}, Log: log.Logger(slog.LevelInfo),
			OnDrop: told.tell,
		})
		appendMany(t, j, 1, 3000)
		mustStore(t, j, "archive", 100)
		if got := first(j); got != 101 {
			t.Fatalf("begins at %d before the bound is reached", got)
		}
		for range 6 {
			appendMany(t, j, 1, 1500)
			time.Sleep(2 * time.Second)
		}
		status := j.Status()
		if status.Bytes > maxBytes || status.Bytes < maxBytes/2 {
			t.Errorf("%d bytes in use", status.Bytes)
		}
		next := uint64(101)
		for _, s := range told.all() {
			if s.from != next || s.to < s.from {
				t.Errorf("told of %v, expected from %d", s, next)
			}
			next = s.to + 1
		}
		if status.First != next || status.Dropped != next-101 || status.DroppedFrom != 101 ||
			status.DroppedTo != next-1 || !status.Dropping {
			t.Errorf("told up to %d, status %+v", next, status)
		}
		if all := everything(t, j); uint64(len(all)) != status.Readings || status.Last != 12000 {
			t.Errorf("%d readings, status %+v", len(all), status)
		}
		if n := strings.Count(log.String(), "drops readings that"); n != 1 {
			t.Errorf("logged %d times: %s", n, &log)
		}

		mustStore(t, j, "archive", 12000)
		time.Sleep(2 * time.Second)
		if status := j.Status(); status.Dropping || status.Readings != 0 || !strings.Contains(log.String(), "no longer") {
			t.Errorf("after the hook has caught up: %+v", status)
		}
	})
	bubble(t, "by age drop what is too old and nothing else", func(t *testing.T) {
		var told spans
		j := opened(t, journal.Options{
			MaxAge: time.Minute, OnDrop: told.tell,
		})
		appendMany(t, j, 1, 1500)
		time.Sleep(30 * time.Second)
		appendMany(t, j, 1, 10)
		if got := first(j); got != 1 {
			t.Fatalf("begins at %d after half a minute", got)
		}
		time.Sleep(31 * time.Second)
		if got := first(j); got != 1501 || len(told.all()) != 2 || told.all()[1].to != 1500 {
			t.Errorf("begins at %d after a minute, told %v", got, told.all())
		}
		time.Sleep(time.Minute)
		if status := j.Status(); status.Readings != 0 || status.First != 1511 || status.Last != 1510 {
			t.Errorf("after two minutes: %+v", status)
		}
	})
	bubble(t, "by age do not take what was reckoned for days gone by from the reading after it", func(t *testing.T) {
		time.Sleep(48 * time.Hour) // so that there is a past
		var told spans
		j := opened(t, journal.Options{MaxAge: time.Minute, OnDrop: told.tell})
		mustAppend(t, j, readingOf(1, time.Now()))
		time.Sleep(50 * time.Second)
		var together []wattline.Reading
		for back := 40; back >= 0; back-- {
			r := readingOf(1, time.Now().Add(time.Duration(-back)*time.Hour))
			if back > 0 {
				r.Quality = wattline.QualityEstimated
			}
			together = append(together, r)
		}
		if _, err := j.AppendAll(t.Context(), together, nil); err != nil {
			t.Fatal(err)
		}
		time.Sleep(5 * time.Second)
		if got := first(j); got != 1 || j.Status().Oldest.Before(time.Now().Add(-time.Minute)) {
			t.Errorf("begins at %d, status %+v", got, j.Status())
		}
		time.Sleep(10 * time.Second)
		if got := first(j); got != 2 || len(told.all()) != 1 {
			t.Errorf("begins at %d, told %v", got, told.all())
		}
		time.Sleep(time.Minute)
		if status := j.Status(); status.Readings != 0 || status.Dropped != 42 {
			t.Errorf("status %+v", status)
		}
	})
	bubble(t, "by age go by the time that passes, not by a clock that leaps", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.db")
		j := open(t, journal.Options{Path: path, MaxAge: time.Hour})
		appendMany(t, j, 1, 10)
		closed(t, j)
		time.Sleep(31 * 24 * time.Hour) // to what is running, the same
		j = opened(t, journal.Options{Path: path, MaxAge: time.Hour})
		time.Sleep(59 * time.Minute)
		mustAppend(t, j, readingOf(11, time.Now()))
		if got := first(j); got != 1 {
			t.Errorf("begins at %d", got)
		}
		time.Sleep(2 * time.Minute)
		if got := first(j); got != 11 {
			t.Errorf("begins at %d after its hour", got)
		}
	})
	bubble(t, "reuse the space of what was dropped", func(t *testing.T) {
		j := opened(t, journal.Options{})
		var largest int64
		for range 8 {
			appendMany(t, j, 1, 1500)
			mustStore(t, j, "archive", j.LastSeq())
			time.Sleep(2 * time.Second)
			largest = max(largest, j.Status().Bytes)
		}
		if largest > 64<<10 {
			t.Errorf("%d bytes in use after everything was stored", largest)
		}
		var pages int64
		if err := j.Writer().QueryRowContext(t.Context(), "PRAGMA page_count").Scan(&pages); err != nil || pages > 100 {
			t.Errorf("%d pages in the file (%v)", pages, err)
		}
	})
}

func TestStatus(t *testing.T) {
	bubble(t, "tells how far each hook is behind, in readings and in seconds", func(t *testing.T) {
		j := opened(t, journal.Options{WaitFor: []string{"influx"}})
		for n := range 10 {
			mustAppend(t, j, readingOf(n, time.Now()))
			time.Sleep(10 * time.Second)
		}
		mustStore(t, j, "archive", 8)
		status := j.Status()
		want := []wattline.JournalHook{{Hook: "archive", Stored: 8, Behind: 2}, {Hook: "influx", Behind: 10, Configured: true}}
		for i, hook := range status.Hooks {
			seconds := []float64{20, 100}[i]
			if got := hook.BehindS.Float(); got < seconds-1 || got > seconds+1 {
				t.Errorf("%s is %v s behind, want %v", hook.Hook, got, seconds)
			}
			hook.BehindS = 0
			if hook != want[i] {
				t.Errorf("got %+v, want %+v", hook, want[i])
			}
		}
		if oldest := time.Since(status.Oldest.Time); oldest < 99*time.Second || oldest > 101*time.Second {
			t.Errorf("the oldest is %v old", oldest)
		}
	})
}

func TestFullDisk(t *testing.T) {
	bubble(t, "fails the appends, keeps the numbers, and recovers when there is room", func(t *testing.T) {
		var log testserver.Text
		j := opened(t, journal.Options{Log: log.Logger(slog.LevelInfo)})
		appendMany(t, j, 1, 100)
		pragma(t, j, "max_page_count = 20")
		var err error
		kept := uint64(100)
		for n := 0; err == nil && n < 10_000; n++ {
			var reading wattline.Reading
			if reading, err = j.Append(t.Context(), readingOf(n, time.Now())); err == nil {
				kept = reading.Seq
			}
		}
		if !sqlite.IsFull(err) || errors.Is(err, journal.ErrClosed) {
			t.Fatalf("got %v", err)
		}
		if status := j.Status(); status.Error == "" || status.Last != kept {
			t.Errorf("status %+v, kept %d", status, kept)
		}
		if n := len(everything(t, j)); uint64(n) != kept {
			t.Errorf("%d readings can be read, want %d", n, kept)
		}
		if _, err := j.Append(t.Context(), readingOf(1, time.Now())); err == nil {
			t.Error("an append went well with the disk full")
		}
		pragma(t, j, "max_page_count = 100000")
		if reading := mustAppend(t, j, readingOf(1, time.Now())); reading.Seq != kept+1 {
			t.Errorf("the numbers go on with %d after %d", reading.Seq, kept)
		}
		for _, line := range []string{"cannot write", "writes again"} {
			if strings.Count(log.String(), line) != 1 {
				t.Errorf("%q is not in the log once: %s", line, &log)
			}
		}
	})
}

func pragma(t *testing.T, j *journal.Journal, text string) {
	t.Helper()
	if _, err := j.Writer().ExecContext(t.Context(), "PRAGMA "+text); err != nil {
		t.Fatal(err)
	}
}
