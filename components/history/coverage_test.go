package history_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// watched is a store that has watched every device but for so long.
type watched struct {
	*storetest.Memory
	missing func(device string) time.Duration
}

func (w watched) Summaries(_ context.Context, query store.SummaryQuery) ([]store.Series, error) {
	all := make([]store.Series, len(query.Devices))
	for i, device := range query.Devices {
		covered := query.To.Sub(query.From) - w.missing(device)
		first := wattline.Point{Time: wattline.At(query.From), CoversS: 0}
		last := wattline.Point{Time: wattline.At(query.To.Add(-time.Millisecond)), EnergyWh: 500_000_000, CoversS: 10_000}
		all[i] = store.Series{Device: device, Spans: []store.Span{{Start: query.From, Summary: wattline.Summary{
			Count: 2, CoveredS: wattline.Milli(covered.Milliseconds()), First: first, Last: last, MinW: 57_000, MaxW: 57_000,
		}}}}
	}
	return all, nil
}

func TestTheCoverageOfManyDevicesAndYearsIsRight(t *testing.T) {
	const year = 366 * 24 * time.Hour
	nothing := func(string) time.Duration { return 0 }
	only := func(long time.Duration) func(string) time.Duration {
		return func(device string) time.Duration {
			if device == "plug-0" {
				return long
			}
			return 0
		}
	}
	tests := map[string]struct {
		devices int
		missing func(device string) time.Duration
		want    wattline.Milli
	}{
		"a device that was watched all the time":               {1, nothing, 1000},
		"300 of them":                                          {300, nothing, 1000},
		"10,000 of them":                                       {10_000, nothing, 1000},
		"four hours of a year are missing":                     {1, only(4 * time.Hour), 999},
		"a poll of one of 10,000 devices is missing":           {10_000, only(10 * time.Second), 999},
		"half of it is missing":                                {1, only(year / 2), 500},
		"a poll is all there is of a year":                     {1, only(year - 10*time.Second), 1},
		"nothing is there of a year":                           {1, only(year), 0},
		"one of two was watched twice, and the other not":      {2, twiceAndNever(year), 500},
		"one of two was watched twice, and the other but once": {2, only(-year), 1000},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			group := wattline.Group{Name: "all"}
			for i := range test.devices {
				group.Devices = append(group.Devices, fmt.Sprintf("plug-%d", i))
			}
			h := newHistory(watched{storetest.NewMemory(), test.missing})
			page, err := ask[wattline.ConsumptionPage](t, h, "consumption", wattline.ConsumptionQuery{
				Groups: []wattline.Group{group}, From: wattline.At(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)),
				To: wattline.At(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), Window: wattline.WindowYear, Timezone: "UTC",
			})
			if err != nil || len(page.Rows) != 1 || page.Rows[0].Coverage != test.want {
				t.Fatalf("%+v, %v, want a coverage of %v", page, err, test.want)
			}
			row := page.Rows[0]
			if want := 500_000_000 * wattline.Milli(test.devices); test.want == 1000 && *row.EnergyWh != want {
				t.Errorf("energy is %v, want %v", *row.EnergyWh, want)
			}
		})
	}
}

// twiceAndNever is a device that two collectors read all the time, and one that none did.
func twiceAndNever(long time.Duration) func(device string) time.Duration {
	return func(device string) time.Duration {
		if device == "plug-0" {
			return -long
		}
		return long
	}
}
