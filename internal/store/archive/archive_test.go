package archive_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childFolder); dir != "" {
		os.Exit(child(dir))
	}
	goleak.VerifyTestMain(m)
}

func TestContract(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store { return open(t, archive.Options{Dir: t.TempDir()}) })
}

func TestContractThroughRestartsAndMerges(t *testing.T) {
	t.Parallel()
	storetest.Run(t, func(t *testing.T) store.Store {
		options := archive.WithSmallSegments(archive.Options{Dir: t.TempDir()})
		return &restless{t: t, options: options, archive: open(t, options), closing: make(chan struct{})}
	})
}

// restless is an archive that is closed and opened, or merged, again and again.
type restless struct {
	t       *testing.T
	options archive.Options

	mu      sync.Mutex
	archive *archive.Archive
	closing chan struct{} // closed when the archive is
	calls   int
}

func (r *restless) next() *archive.Archive {
	r.mu.Lock()
	defer r.mu.Unlock()
	switch r.calls++; {
	case r.calls%97 == 0:
		close(r.closing)
		if err := r.archive.Close(); err != nil {
			r.t.Errorf("close: %v", err)
		}
		r.archive, r.closing = open(r.t, r.options), make(chan struct{})
	case r.calls%61 == 0:
		if err := r.archive.Merge(context.Background()); err != nil {
			r.t.Errorf("merge: %v", err)
		}
	}
	return r.archive
}

// Upkeep looks after one archive after the other.
func (r *restless) Upkeep(ctx context.Context) error {
	for ctx.Err() == nil {
		r.mu.Lock()
		current, closing := r.archive, r.closing
		r.mu.Unlock()
		one, stop := context.WithCancel(ctx)
		go func() {
			defer stop()
			select {
			case <-closing:
			case <-one.Done():
			}
		}()
		if err := current.Upkeep(one); err != nil {
			return err
		}
		stop()
	}
	return nil
}

func (r *restless) Devices(ctx context.Context) ([]string, error) { return r.next().Devices(ctx) }

func (r *restless) Rebuild(ctx context.Context, query store.RebuildQuery) (store.Rebuilt, error) {
	return r.next().Rebuild(ctx, query)
}

func (r *restless) Write(ctx context.Context, readings []wattline.Reading) error {
	return r.next().Write(ctx, readings)
}

func (r *restless) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	return r.next().Readings(ctx, query)
}

func (r *restless) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	return r.next().Summaries(ctx, query)
}

func (r *restless) Ping(ctx context.Context) error { return r.next().Ping(ctx) }
func (r *restless) Close() error                   { return r.archive.Close() }

func open(t testing.TB, options archive.Options) *archive.Archive {
	t.Helper()
	a, err := archive.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func closeIt(t testing.TB, a *archive.Archive) {
	t.Helper()
	if err := a.Close(); err != nil {
		t.Errorf("close: %v", err)
	}
}

var start = time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)

// numbered is the nth reading of a device.
func numbered(device string, n int) wattline.Reading {
	return wattline.Reading{
		Device: device, Time: wattline.At(start.Add(time.Duration(n) * 5 * time.Second)),
		PowerW: wattline.Milli(60_000 + n%1000), VoltageV: 230_000, CurrentA: 268, EnergyWh: wattline.Milli(n * 83), MeterWh: wattline.Milli(n * 83 / 1000 * 1000),
		Relay: wattline.RelayOf(n%5 > 0), RSSIdBm: -n % 90, CoversS: 5000, Quality: wattline.Quality(n % 8),
	}
}

func span(device string, from, to int) []wattline.Reading {
	var readings []wattline.Reading
	for n := from; n < to; n++ {
		readings = append(readings, numbered(device, n))
	}
	return readings
}

func write(t testing.TB, a *archive.Archive, readings []wattline.Reading) {
	t.Helper()
	if err := a.Write(t.Context(), readings); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// read is all readings of a device, page by page.
func read(t testing.TB, a *archive.Archive, device string) []wattline.Reading {
	t.Helper()
	query := store.Query{Devices: []string{device}, From: start.AddDate(-5, 0, 0), To: start.AddDate(5, 0, 0), Limit: store.MaxLimit}
	var all []wattline.Reading
	for {
		page, err := a.Readings(t.Context(), query)
		if err != nil {
			t.Fatalf("read: %v", err)
		}
		all = append(all, page...)
		if len(page) < query.Limit {
			return all
		}
		last := page[len(page)-1]
		query.After = store.Position{Device: last.Device, Time: last.Time.Time}
	}
}

func want(t testing.TB, a *archive.Archive, device string, readings []wattline.Reading) {
	t.Helper()
	if diff := cmp.Diff(readings, read(t, a, device)); diff != "" {
		t.Fatalf("%s has (-want +got):\n%.2000s", device, diff)
	}
}

func TestASecondOpenIsRefused(t *testing.T) {
	dir := t.TempDir()
	a := open(t, archive.Options{Dir: dir})
	_, err := archive.Open(t.Context(), archive.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "in use by another process") || !strings.Contains(err.Error(), dir) {
		t.Errorf("error %v", err)
	}
	closeIt(t, a)
	closeIt(t, open(t, archive.Options{Dir: dir}))
}

func TestAClosedArchiveSaysSo(t *testing.T) {
	a := open(t, archive.Options{Dir: t.TempDir()})
	closeIt(t, a)
	closeIt(t, a)
	for name, err := range map[string]error{
		"write": a.Write(t.Context(), span("a", 0, 1)),
		"ping":  a.Ping(t.Context()),
	} {
		if err == nil || !strings.Contains(err.Error(), "is closed") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestReadingsBeyondTheRetentionAreRefused(t *testing.T) {
	now := start.Add(400 * 24 * time.Hour)
	a := open(t, archive.Options{Dir: t.TempDir(), Retention: 365 * 24 * time.Hour, Now: func() time.Time { return now }})
	defer closeIt(t, a)
	recent := numbered("a", 0)
	recent.Time = wattline.At(now.Add(-364 * 24 * time.Hour))
	err := a.Write(t.Context(), []wattline.Reading{numbered("a", 0), recent})
	var refused *store.RefusedError
	if !errors.As(err, &refused) || len(refused.Readings) != 1 || refused.Readings[0].Index != 0 ||
		!strings.Contains(refused.Readings[0].Reason, "before the retention of 8760h") {
		t.Fatalf("error %v", err)
	}
	want(t, a, "a", []wattline.Reading{recent})
}

func TestAReadingAheadOfTimeDoesNotShutOutTheOthers(t *testing.T) {
	now := start
	a := open(t, archive.Options{Dir: t.TempDir(), Retention: 30 * 24 * time.Hour, Now: func() time.Time { return now }})
	defer closeIt(t, a)
	ahead := numbered("ahead", 0)
	ahead.Time = wattline.At(now.Add(store.FutureTolerance - time.Minute))
	write(t, a, []wattline.Reading{ahead})
	oldest := numbered("a", 0)
	oldest.Time = wattline.At(now.Add(-30 * 24 * time.Hour))
	write(t, a, append([]wattline.Reading{oldest}, span("a", 0, 10)...))
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	want(t, a, "a", append([]wattline.Reading{oldest}, span("a", 0, 10)...))
}

func TestAClockThatLeapsFarAheadForOneReadingDoesNotShutOutWhatComesLater(t *testing.T) {
	const day = 24 * time.Hour
	now := start.Add(time.Minute)
	options := archive.Options{Dir: t.TempDir(), Retention: 30 * day, Now: func() time.Time { return now }}
	a := open(t, options)
	write(t, a, span("a", 0, 10))
	now = now.Add(3 * 365 * day)
	leapt := numbered("a", 0)
	leapt.Time = wattline.At(now)
	write(t, a, []wattline.Reading{leapt})
	now = start.Add(time.Hour)
	write(t, a, append(span("a", 10, 20), span("new", 0, 10)...))
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	closeIt(t, a)
	a = open(t, options)
	defer closeIt(t, a)
	now = start.Add(5 * day)
	write(t, a, span("a", 20, 30))
	want(t, a, "a", append(span("a", 0, 30), leapt))
	want(t, a, "new", span("new", 0, 10))
}

func TestManyLateReadingsAreMerged(t *testing.T) {
	a := open(t, archive.Options{Dir: t.TempDir()})
	defer closeIt(t, a)
	late := span("a", 0, 20_000)
	write(t, a, span("b", 30_000, 30_001))
	for n := 0; n < len(late); n += 1000 {
		write(t, a, late[n:n+1000])
	}
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if a.Blocks() == 0 {
		t.Error("no block was written")
	}
	want(t, a, "a", late)
}

func TestALateLogThatCannotBeWrittenIsAnError(t *testing.T) {
	dir := t.TempDir()
	now := start
	a := open(t, archive.WithSmallSegments(archive.Options{Dir: dir, Now: func() time.Time { return now }}))
	write(t, a, span("b", 10_000, 10_001))
	// The next segment of the log cannot be made in a folder that is gone.
	if err := os.RemoveAll(filepath.Join(dir, "wbl")); err != nil {
		t.Fatal(err)
	}
	late := span("a", 0, 3000)
	err := a.Write(t.Context(), late)
	if _, passing := errors.AsType[*store.UnavailableError](err); !passing {
		t.Fatalf("error %v", err)
	}
	now = now.Add(time.Minute)
	write(t, a, late) // opened anew, nothing of it is there
	closeIt(t, a)
	a = open(t, archive.Options{Dir: dir})
	defer closeIt(t, a)
	want(t, a, "a", late)
}

func TestSyncFailuresAreErrors(t *testing.T) {
	failing := false
	now := start
	options := archive.Options{Dir: t.TempDir(), Now: func() time.Time { return now }}
	a := open(t, archive.WithSync(options, func(file *os.File) error {
		if failing {
			return errors.New("the disk is gone")
		}
		return file.Sync()
	}))
	defer closeIt(t, a)
	write(t, a, span("a", 0, 10))
	failing = true
	var passing *store.UnavailableError
	for range 3 {
		if err := a.Write(t.Context(), span("a", 10, 20)); !errors.As(err, &passing) || passing.RetryAfter <= 0 {
			t.Fatalf("error %v", err)
		}
		now = now.Add(time.Minute)
	}
	if err := a.Ping(t.Context()); !errors.As(err, &passing) {
		t.Errorf("ping: %v", err)
	}
	failing = false
	now = now.Add(time.Minute)
	write(t, a, span("a", 10, 20))
	want(t, a, "a", span("a", 0, 20))
	if err := a.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}
