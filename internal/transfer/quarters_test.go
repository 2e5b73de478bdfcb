package transfer_test

import (
	"context"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/transfer"
)

// adopting keeps quarter-hours beside its readings. Devices are moved beside one another.
type adopting struct {
	*storetest.Memory

	guard   *sync.Mutex
	adopted map[string][]store.Span
}

func (a adopting) Adopt(_ context.Context, series []store.Series) error {
	a.guard.Lock()
	defer a.guard.Unlock()
	for _, s := range series {
		a.adopted[s.Device] = append(a.adopted[s.Device], s.Spans...)
	}
	return nil
}

func (a adopting) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	all, err := a.Memory.Summaries(ctx, query)
	a.guard.Lock()
	defer a.guard.Unlock()
	for i := range all {
		for _, span := range a.adopted[all[i].Device] {
			if span.Start.Before(query.From) || !span.Start.Before(query.To) {
				continue
			}
			all[i].Spans = slices.DeleteFunc(all[i].Spans, func(s store.Span) bool { return s.Start.Equal(span.Start) })
			all[i].Spans = append(all[i].Spans, span)
		}
		slices.SortFunc(all[i].Spans, func(x, y store.Span) int { return x.Start.Compare(y.Start) })
	}
	return all, err
}

func TestQuarterHoursWithoutReadingsAreMoved(t *testing.T) {
	whole := storetest.NewMemory()
	for i := range 2000 {
		keep(t, whole, reading("a", monday().Add(time.Duration(i)*2*time.Minute), i))
	}
	keep(t, whole, reading("young", monday().Add(60*time.Hour), 1), reading("gone", monday().Add(time.Hour), 1))
	// The readings end within a quarter-hour of the second day.
	source := storetest.Retired{Memory: whole, Before: monday().Add(30*time.Hour + 7*time.Minute)}
	question := store.SummaryQuery{
		Devices: []string{"a", "gone", "young"}, From: monday(), To: monday().AddDate(0, 0, 4), Every: store.QuarterHour, Values: true,
	}
	want, err := whole.Summaries(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}

	t.Run("as they are, those with some readings left too", func(t *testing.T) {
		target := adopting{storetest.NewMemory(), new(sync.Mutex), map[string][]store.Span{}}
		report := run(t, transfer.Task{Source: source, Target: target})
		if readings, quarters := report.Totals(); !report.OK() || report.Done != 1998 || readings >= report.Done || quarters != 30*4+2 {
			t.Errorf("%d readings and %d quarter-hours: %+v", readings, quarters, report)
		}
		got, err := target.Summaries(t.Context(), question)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-source +target):\n%s", diff)
		}
		quarters := map[string]int64{}
		for _, d := range report.Devices {
			quarters[d.Device] = d.Quarters
		}
		if diff := cmp.Diff(map[string]int64{"a": 30*4 + 1, "gone": 1, "young": 0}, quarters); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("or listed, where the target cannot take them", func(t *testing.T) {
		report := run(t, transfer.Task{Source: source, Target: storetest.NewMemory(), Devices: []string{"a"}})
		want := []transfer.Mismatch{
			{Device: "a", Day: "2026-03-23", Source: 96, Missing: 96, Quarters: true},
			{Device: "a", Day: "2026-03-24", Source: 25, Target: 1, Missing: 24, Different: 1, Quarters: true},
		}
		if diff := cmp.Diff(want, report.Mismatches); diff != "" || report.OK() {
			t.Error(diff)
		}
	})
}
