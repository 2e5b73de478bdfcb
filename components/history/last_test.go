package history_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// summedUp is a store whose readings are past their retention.
type summedUp struct{ *storetest.Memory }

func (summedUp) Readings(context.Context, store.Query) ([]wattline.Reading, error) { return nil, nil }

func TestTheLastReadingOfEachDevice(t *testing.T) {
	kept := storetest.NewMemory()
	steady(t, kept, "a", 60_000, morning.AddDate(-3, 0, 0), morning.AddDate(-3, 0, 0).Add(time.Hour))
	steady(t, kept, "b", 60_000, morning, morning.Add(time.Hour))
	asked := wattline.LastQuery{Devices: []string{"c", "b", "a"}}
	page, err := ask[wattline.LastPage](t, newHistory(kept), wattline.VerbLast, asked)
	if err != nil || len(page.Last) != 2 {
		t.Fatalf("%+v, %v", page, err)
	}
	t.Run("is found however old it is", func(t *testing.T) {
		for i, device := range []string{"a", "b"} {
			last := page.Last[i]
			if last.Device != device || last.Reading == nil || last.Reading.Device != device ||
				last.Point.EnergyWh != 1_060_000 || last.Reading.EnergyWh != 1_060_000 || !last.Reading.Time.Equal(last.Point.Time.Time) {
				t.Errorf("%+v, reading %+v", last, last.Reading)
			}
		}
	})
	t.Run("is its energy alone after the retention", func(t *testing.T) {
		sums, err := ask[wattline.LastPage](t, newHistory(summedUp{kept}), wattline.VerbLast, asked)
		if err != nil || len(sums.Last) != 2 || sums.Last[0].Reading != nil || sums.Last[0].Point != page.Last[0].Point {
			t.Errorf("%+v, %v", sums, err)
		}
	})
	t.Run("is not said to be none while the store is away", func(t *testing.T) {
		if _, err := ask[wattline.LastPage](t, newHistory(broken{err: errors.New("away")}), wattline.VerbLast, asked); err == nil {
			t.Error("no error")
		}
	})
	for name, query := range map[string]wattline.LastQuery{
		"no device": {}, "a name that is none": {Devices: []string{"A!"}}, "too many": {Devices: make([]string, wattline.MaxPage+1)},
	} {
		t.Run("is refused for "+name, func(t *testing.T) {
			if _, err := ask[wattline.LastPage](t, newHistory(kept), wattline.VerbLast, query); err == nil || wattline.AsError(err).Code != wattline.CodeInvalid {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestACounterThatBeganAnewTakesNothingBack(t *testing.T) {
	kept := storetest.NewMemory()
	readings := []wattline.Reading{
		{Device: "a", Time: wattline.At(morning.Add(-time.Hour)), EnergyWh: 500_000_000, Relay: wattline.RelayOn},
		// 12 kWh on the plug that goes on, and 5 Wh used in the hour.
		{Device: "a", Time: wattline.At(morning.Add(20 * time.Minute)), EnergyWh: 12_000_000, Relay: wattline.RelayOn},
		{Device: "a", Time: wattline.At(morning.Add(30 * time.Minute)), EnergyWh: 12_005_000, CoversS: 600_000, Relay: wattline.RelayOn},
		// And once more within the hour.
		{Device: "a", Time: wattline.At(morning.Add(80 * time.Minute)), EnergyWh: 400_000_000, Relay: wattline.RelayOn},
		{Device: "a", Time: wattline.At(morning.Add(90 * time.Minute)), EnergyWh: 7_000_000, Relay: wattline.RelayOn},
		{Device: "a", Time: wattline.At(morning.Add(100 * time.Minute)), EnergyWh: 7_002_000, CoversS: 600_000, Relay: wattline.RelayOn},
	}
	if err := kept.Write(context.Background(), readings); err != nil {
		t.Fatal(err)
	}
	page, err := ask[wattline.ConsumptionPage](t, newHistory(kept), "consumption", hours(morning, 2, wattline.Group{Name: "all", Devices: []string{"a"}}))
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"08:00 all energy=5 mean=30 min=0 max=0 coverage=0.166 estimated",
		"09:00 all energy=387997 mean=12 min=0 max=0 coverage=0.166 estimated",
	}
	if diff := cmp.Diff(want, show(page.Rows)); diff != "" {
		t.Error(diff)
	}
	t.Run("nor of the energy beside it in a longer window", func(t *testing.T) {
		query := hours(morning, 2, wattline.Group{Name: "all", Devices: []string{"a"}})
		query.Window = wattline.WindowDay
		page, err := ask[wattline.ConsumptionPage](t, newHistory(kept), "consumption", query)
		if err != nil {
			t.Fatal(err)
		}
		want := []string{"08:00 all energy=388002 mean=21 min=0 max=0 coverage=0.166 estimated"}
		if diff := cmp.Diff(want, show(page.Rows)); diff != "" {
			t.Error(diff)
		}
	})
}
