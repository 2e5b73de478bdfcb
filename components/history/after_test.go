package history_test

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/store/storetest"
)

func TestAnAnswerGoesOnAfterAnyOfItsRows(t *testing.T) {
	s := storetest.NewMemory()
	for _, device := range []string{"desk-1", "desk-2", "desk-3"} {
		steady(t, s, device, 60_000, morning, morning.Add(10*time.Minute))
	}
	h := newHistory(s)
	devices := []string{"desk-1", "desk-2", "desk-3"}
	groups := []wattline.Group{{Name: "", Devices: devices[:1]}, {Name: "b", Devices: devices[1:]}, {Name: "a", Devices: devices}}
	from, to := morning.Add(time.Minute), morning.Add(25*time.Hour)
	t.Run("readings", func(t *testing.T) {
		query := wattline.ReadingsQuery{Devices: devices, From: wattline.At(from), To: wattline.At(to)}
		whole := must(ask[wattline.ReadingsPage](t, h, wattline.VerbReadings, query))(t).Readings
		rapid.Check(t, func(rt *rapid.T) {
			n := rapid.IntRange(0, len(whole)-1).Draw(rt, "row")
			query.After = &wattline.ReadingPlace{Device: whole[n].Device, Time: whole[n].Time}
			rest := must(ask[wattline.ReadingsPage](rt, h, wattline.VerbReadings, query))(t)
			if diff := cmp.Diff(whole[n+1:], rest.Readings); diff != "" || rest.Next != "" {
				rt.Fatal(diff)
			}
		})
	})
	t.Run("consumption", func(t *testing.T) {
		query := wattline.ConsumptionQuery{Groups: groups, From: wattline.At(from), To: wattline.At(to), Window: "hour", Timezone: "UTC"}
		whole := must(ask[wattline.ConsumptionPage](t, h, wattline.VerbConsumption, query))(t).Rows
		for n, row := range whole {
			query.After = &wattline.RowPlace{Group: row.Group, Start: row.Start}
			var rest []wattline.Consumption
			for query.Cursor = ""; ; query.After = nil {
				page := must(ask[wattline.ConsumptionPage](t, h, wattline.VerbConsumption, query))(t)
				rest = append(rest, page.Rows...)
				if query.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if diff := cmp.Diff(whole[n+1:], rest, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("after row %d: %s", n, diff)
			}
		}
	})
	t.Run("aggregates", func(t *testing.T) {
		query := wattline.AggregateQuery{Field: "power", Op: "median", Groups: groups, From: wattline.At(from), To: wattline.At(to), Window: "hour", Timezone: "UTC"}
		whole := must(ask[wattline.AggregatePage](t, h, wattline.VerbAggregate, query))(t).Rows
		for n, row := range whole {
			query.After = &wattline.RowPlace{Group: row.Group, Start: row.Start}
			var rest []wattline.Aggregate
			for query.Cursor = ""; ; query.After = nil {
				page := must(ask[wattline.AggregatePage](t, h, wattline.VerbAggregate, query))(t)
				rest = append(rest, page.Rows...)
				if query.Cursor = page.Next; page.Next == "" {
					break
				}
			}
			if diff := cmp.Diff(whole[n+1:], rest, cmpopts.EquateEmpty()); diff != "" {
				t.Fatalf("after row %d: %s", n, diff)
			}
		}
	})
}

func TestAnAnswerGoesOnAfterAGroupThatIsNotThereAnyMore(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(10*time.Minute))
	group := func(name string) wattline.Group { return wattline.Group{Name: name, Devices: []string{"desk-1"}} }
	query := wattline.ConsumptionQuery{
		Groups: []wattline.Group{group("b"), group("d")}, From: wattline.At(morning), To: wattline.At(morning.Add(2 * time.Hour)),
		Window: "hour", Timezone: "UTC",
	}
	h := newHistory(s)
	whole := must(ask[wattline.ConsumptionPage](t, h, wattline.VerbConsumption, query))(t).Rows
	for gone, had := range map[string]int{"a": 0, "c": 1, "e": 2} {
		query.After = &wattline.RowPlace{Group: gone, Start: query.From}
		rest := must(ask[wattline.ConsumptionPage](t, h, wattline.VerbConsumption, query))(t)
		if diff := cmp.Diff(whole[had], rest.Rows[0]); diff != "" {
			t.Errorf("after %s: %s", gone, diff)
		}
	}
	query.After = &wattline.RowPlace{Group: "e", Start: wattline.At(morning.Add(time.Hour))}
	if rest := must(ask[wattline.ConsumptionPage](t, h, wattline.VerbConsumption, query))(t); len(rest.Rows) != 0 {
		t.Errorf("after the last one: %v", rest.Rows)
	}
}

// must fails the test on an error.
func must[T any](value T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
}

func TestPackedReadingsAreTheSameOnes(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(time.Hour))
	h := newHistory(s)
	query := wattline.ReadingsQuery{Devices: []string{"desk-1"}, From: wattline.At(morning), To: wattline.At(morning.Add(time.Hour)), Limit: 100}
	plain := must(ask[wattline.ReadingsPage](t, h, wattline.VerbReadings, query))(t)
	query.Packed = true
	page := must(ask[wattline.ReadingsPage](t, h, wattline.VerbReadings, query))(t)
	got, err := packed.Decode(nil, page.Packed, query.Limit)
	if err != nil || page.Next != plain.Next || len(page.Readings) != 0 {
		t.Errorf("%v, %d unpacked, next %q", err, len(page.Readings), page.Next)
	}
	if diff := cmp.Diff(plain.Readings, got); diff != "" {
		t.Error(diff)
	}
}
