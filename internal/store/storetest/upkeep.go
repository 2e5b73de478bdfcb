package storetest

import (
	"context"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// upkeep runs a store's Upkeep until the function that it returns is called.
func upkeep(ctx context.Context, t fatalizer, tested store.Store) (stop func()) {
	ctx, cancel := context.WithCancel(ctx)
	ended := make(chan error)
	go func() { ended <- tested.Upkeep(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Fatalf("upkeep: %v", err)
		}
	}
}

func (s *suite) summarizesMeanwhile(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		devices, readings := s.histories(t)
		stop := func() {}
		defer func() { stop() }()
		for _, batch := range Batches(t, readings) {
			s.write(ctx, t, batch)
			switch rapid.SampledFrom([]string{"nothing", "rebuild", "rebuild", "upkeep"}).Draw(t, "meanwhile") {
			case "rebuild":
				from, to := interval(t, readings)
				s.rebuild(ctx, t, store.RebuildQuery{Devices: devices, From: from, To: to})
			case "upkeep":
				stop()
				stop = upkeep(ctx, t, s.tested)
			}
			s.compareSummaries(ctx, t, SummaryQuestion(t, devices, readings))
		}
		for range 3 {
			s.compareSummaries(ctx, t, SummaryQuestion(t, devices, readings))
		}
	})
}

// rebuild compares how many days had readings.
func (s *suite) rebuild(ctx context.Context, t fatalizer, query store.RebuildQuery) store.Rebuilt {
	t.Helper()
	got, err := s.tested.Rebuild(ctx, query)
	if err != nil {
		t.Fatalf("rebuild %+v: %v", query, err)
	}
	want, err := s.model.Rebuild(ctx, query)
	if err != nil {
		t.Fatalf("rebuild %+v of the model: %v", query, err)
	}
	if got.Days != want.Days || got.Made+got.Changed > got.Days {
		t.Fatalf("rebuild %+v: %+v, want %d days", query, got, want.Days)
	}
	return got
}

func (s *suite) rebuilds(t *testing.T) {
	devices := []string{"rebuilt-a", "rebuilt-b"}
	for n := range 6 {
		at := base().Add(time.Duration(n) * 11 * time.Hour)
		s.write(t.Context(), t, []wattline.Reading{plain(devices[n%2], at), plain(devices[n%2], at.Add(poll))})
	}
	query := store.RebuildQuery{Devices: devices, From: base().AddDate(0, 0, -3), To: base().AddDate(0, 0, 5)}
	s.rebuild(t.Context(), t, query)
	if again := s.rebuild(t.Context(), t, query); again.Made+again.Changed != 0 {
		t.Errorf("what was right was changed: %+v", again)
	}
	late := plain(devices[0], base().Add(time.Minute))
	s.write(t.Context(), t, []wattline.Reading{late})
	if after := s.rebuild(t.Context(), t, query); after.Made+after.Changed > 1 {
		t.Errorf("after one late reading more than a day changed: %+v", after)
	}
	s.compareSummaries(t.Context(), t, store.SummaryQuery{
		Devices: devices, From: query.From, To: query.To, Every: 24 * time.Hour, Values: true,
	})
	query.To = query.From
	_, got := s.tested.Rebuild(t.Context(), query)
	_, want := s.model.Rebuild(t.Context(), query)
	sameInvalid(t, want, got)
}

func (s *suite) namesDevices(t *testing.T) {
	s.write(t.Context(), t, []wattline.Reading{plain("named-b", base()), plain("named-a", base()), plain("named-a", base().AddDate(-1, 0, 0))})
	got, err := s.tested.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.IsSorted(got) || !slices.Contains(got, "named-a") || !slices.Contains(got, "named-b") || slices.Contains(got, "never-seen") {
		t.Errorf("devices %v", got)
	}
	if len(slices.Compact(got)) != len(got) {
		t.Errorf("a device is named twice: %v", got)
	}
}

// Outlives holds a store to what it promises of quarter-hours: when the readings
// before an instant are gone, questions at quarter-hours are answered as before, and
// readings that come later still take nothing away. open opens an empty store; forget
// makes it keep its quarter-hours up to date and then drop at least the readings before
// an instant, some of those after it at most; what it returns takes readings of that
// time again.
func Outlives(t *testing.T, open func(*testing.T) store.Store, forget func(before time.Time) store.Store) {
	t.Helper()
	model, tested := NewMemory(), open(t)
	devices := []string{"outlived-a", "outlived-b", "outlived-c"}
	for d, device := range devices {
		readings := rapid.Custom(func(t *rapid.T) []wattline.Reading { return History(t, device) }).Example(d)
		readings = append(readings, plain(device, base().AddDate(0, 0, 100)))
		for _, s := range []store.Store{model, tested} {
			if err := s.Write(t.Context(), readings); err != nil {
				t.Fatal(err)
			}
		}
	}
	tested = forget(base().AddDate(0, 0, 90))
	defer func() {
		if err := tested.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	}()
	page, err := tested.Readings(t.Context(), store.Query{Devices: devices, From: base().AddDate(0, 0, -1), To: base().AddDate(0, 0, 90), Limit: store.MaxLimit})
	if err != nil || len(page) > 0 {
		t.Fatalf("%d readings are still there: %v", len(page), err)
	}
	if named, err := tested.Devices(t.Context()); err != nil || !slices.Equal(named, devices) {
		t.Errorf("devices %v: %v", named, err)
	}
	answers := func(t *rapid.T) {
		query := SummaryQuestion(t, devices, nil)
		query.From, query.To = query.From.Truncate(store.QuarterHour), query.To.Truncate(store.QuarterHour).Add(store.QuarterHour)
		want, err := model.Summaries(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := tested.Summaries(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("summaries %+v (-before +after):\n%s", query, diff)
		}
		_, err = tested.Rebuild(t.Context(), store.RebuildQuery{Devices: devices, From: query.From, To: query.To})
		if err != nil {
			t.Fatal(err)
		}
	}
	rapid.Check(t, answers)
	visit(t, devices, model, tested)
	rapid.Check(t, answers)
}

// visit writes one reading to each quarter-hour whose readings are gone: the last of
// them once more, or one that comes after it.
func visit(t *testing.T, devices []string, model, tested store.Store) {
	t.Helper()
	gone, err := model.Readings(t.Context(), store.Query{Devices: devices, From: base().AddDate(0, 0, -1), To: base().AddDate(0, 0, 90), Limit: store.MaxLimit})
	if err != nil || len(gone) == 0 {
		t.Fatal(len(gone), err)
	}
	quarterOf := func(r wattline.Reading) time.Time { return r.Time.Truncate(store.QuarterHour) }
	for i, late := range gone {
		if i+1 < len(gone) && gone[i+1].Device == late.Device && quarterOf(gone[i+1]).Equal(quarterOf(late)) {
			continue
		}
		stores := []store.Store{tested}
		if later := late; i%2 == 0 {
			later.Time = wattline.At(late.Time.Add(time.Millisecond))
			if quarterOf(later).Equal(quarterOf(late)) {
				late, stores = later, append(stores, model)
			}
		}
		for _, s := range stores {
			if err := s.Write(t.Context(), []wattline.Reading{late}); err != nil {
				t.Fatal(err)
			}
		}
	}
}
