package persist_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/testserver"
)

// backlog is an office of a few plugs with a real journal.
type backlog struct {
	*office
	t       *testing.T
	journal *journal.Journal
	col     *collector
	metrics *telemetry.Registry
	log     testserver.Text
	taken   int
}

const (
	backlogPlugs  = 10
	backlogPoll   = 5 * time.Second
	backlogMemory = 1000
	// readingTime is what the store takes for a reading.
	readingTime = time.Millisecond
)

func beginBacklog(t *testing.T) *backlog {
	b := &backlog{t: t, metrics: telemetry.New()}
	folder := memoryFolder(t)
	t.Cleanup(func() { _ = os.RemoveAll(folder) })
	j, err := journal.Open(t.Context(), journal.Options{
		Path: filepath.Join(folder, "journal.sqlite"), WaitFor: []string{"archive"}, CommitInterval: time.Second, Metrics: b.metrics,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })
	b.journal = j
	b.office = begin(t, func(o *persist.Options) {
		o.Dir, o.MaxPending, o.Metrics, o.Log = filepath.Join(folder, "hooks"), backlogMemory, b.metrics, b.log.Logger(slog.LevelInfo)
	})
	b.store.set(b.works)
	b.col = b.bus.add(&collector{instance: "c1", stream: j.Stream(), answer: func(q wattline.ReplayQuery) (wattline.ReplayPage, error) {
		return j.Page(context.Background(), q)
	}})
	return b
}

// works is a store that takes its time.
func (b *backlog) works(batch []wattline.Reading) error {
	time.Sleep(time.Duration(len(batch)) * readingTime)
	return nil
}

// poll has every plug read once: into the journal, then to the hook, which must
// not be kept waiting; and tells the journal what is stored.
func (b *backlog) poll() {
	b.t.Helper()
	time.Sleep(backlogPoll)
	for n := range backlogPlugs {
		b.taken++
		kept, err := b.journal.Append(context.Background(), wattline.Reading{
			Device: fmt.Sprint("desk-", n), Time: wattline.At(time.Now()), PowerW: wattline.Milli(b.taken), Relay: wattline.RelayOn,
		})
		if err != nil {
			b.t.Fatal(err)
		}
		before := time.Now()
		b.bus.give(b.col, kept)
		if waited := time.Since(before); waited > 0 {
			b.t.Fatalf("the live path waited for %v", waited)
		}
	}
	b.bus.tell(b.col)
	if err := b.journal.Stored(context.Background(), "archive", b.bus.stored("archive", b.col.stream)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *backlog) metric(name string) float64 {
	b.t.Helper()
	recorder := httptest.NewRecorder()
	b.metrics.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(b.t.Context(), http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(recorder.Body.String()) {
		if rest, ok := strings.CutPrefix(line, name+" "); ok {
			var value float64
			if _, err := fmt.Sscan(rest, &value); err != nil {
				b.t.Fatal(line, err)
			}
			return value
		}
	}
	b.t.Fatalf("no metric %s", name)
	return 0
}

// TestTheStoreIsAwayForAnHour in fake time: nobody waits for it, memory keeps its
// bound, what is told of the backlog is true, and afterwards it drains as fast as
// the store takes it, beside the live readings.
func TestTheStoreIsAwayForAnHour(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := beginBacklog(t)
		for range 20 {
			b.poll()
		}
		b.store.set(func([]wattline.Reading) error { return &store.UnavailableError{Err: errors.New("away")} })
		away, before := time.Now(), b.store.count()
		for time.Since(away) < time.Hour {
			b.poll()
		}
		b.isTold(t, b.taken-before, time.Since(away))

		b.store.set(b.works)
		b.store.forgetBatches()
		since, drained := time.Now(), time.Duration(0)
		for time.Since(since) < 3*time.Minute {
			b.poll()
			if drained == 0 && b.hook.Status().Streams[0].Behind < backlogPlugs*2 {
				drained = time.Since(since)
			}
		}
		backlogTime := time.Duration(b.taken-before) * readingTime
		if drained == 0 || drained > 2*backlogTime+time.Minute {
			t.Errorf("drained after %v; the store needs %v for it, and is tried every half minute", drained, backlogTime)
		}
		time.Sleep(10 * time.Second)
		b.poll()
		time.Sleep(10 * time.Second)
		b.isAllStoredOnce(t, before)
	})
}

// isTold checks what is said of a backlog of so many readings and so much time.
func (b *backlog) isTold(t *testing.T, readings int, length time.Duration) {
	t.Helper()
	const slack = 30 // what is in one poll, and a tick's time
	near := func(what string, got, want float64) {
		t.Helper()
		if got < want-slack || got > want+slack {
			t.Errorf("%s: %v, want %v", what, got, want)
		}
	}
	status, held := b.hook.Status(), b.journal.Status()
	stream := status.Streams[0]
	near("hook's readings", float64(stream.Behind), float64(readings))
	near("hook's seconds", stream.BehindS.Float(), length.Seconds())
	near("journal's readings", float64(held.Hooks[0].Behind), float64(readings))
	near("journal's seconds", held.Hooks[0].BehindS.Float(), length.Seconds())
	label := fmt.Sprintf(`{hook="archive",stream=%q}`, b.col.stream)
	near("persist_lag_readings", b.metric("wattline_persist_lag_readings"+label), float64(readings))
	near("persist_lag_seconds", b.metric("wattline_persist_lag_seconds"+label), length.Seconds())
	near("hook_behind_readings", b.metric(`wattline_journal_hook_behind_readings{hook="archive"}`), float64(readings))
	near("hook_behind_seconds", b.metric(`wattline_journal_hook_behind_seconds{hook="archive"}`), length.Seconds())

	overflowed := float64(readings - backlogMemory)
	near("overflowed", float64(status.Overflowed), overflowed)
	near("overflow_total", b.metric(`wattline_persist_overflow_total{hook="archive"}`), overflowed)
	if status.Pending > backlogMemory || status.MaxPending != backlogMemory || status.Lost != 0 || held.Dropped != 0 {
		t.Errorf("status %+v, journal %+v", status, held)
	}
	if n := strings.Count(b.log.String(), "memory for readings"); n != 1 {
		t.Errorf("full memory was logged %d times", n)
	}
}

// isAllStoredOnce checks the end: every reading is stored, written once since the
// store was back, and nothing is said to be behind.
func (b *backlog) isAllStoredOnce(t *testing.T, before int) {
	t.Helper()
	b.complete(t, b.col)
	written := 0
	for _, n := range b.store.batches() {
		written += n
	}
	if b.store.count() != b.taken || written != b.taken-before {
		t.Errorf("%d readings were taken, %d are stored; %d were written since, want %d", b.taken, b.store.count(), written, b.taken-before)
	}
	if held := b.journal.Status(); held.Readings > 2*backlogPlugs {
		t.Errorf("the journal holds %d readings", held.Readings)
	}
	if n := b.metric(fmt.Sprintf(`wattline_persist_lag_readings{hook="archive",stream=%q}`, b.col.stream)); n > 2*backlogPlugs {
		t.Errorf("behind by %v", n)
	}
	if !strings.Contains(b.log.String(), "memory has room") {
		t.Errorf("log: %s", &b.log)
	}
}
