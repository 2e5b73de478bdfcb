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

// watched is a store that has watched every device without a break.
type watched struct{ *storetest.Memory }

func (watched) Summaries(_ context.Context, query store.SummaryQuery) ([]store.Series, error) {
	all := make([]store.Series, len(query.Devices))
	for i, device := range query.Devices {
		length := wattline.Milli(query.To.Sub(query.From).Milliseconds())
		first := wattline.Point{Time: wattline.At(query.From), CoversS: 0}
		last := wattline.Point{Time: wattline.At(query.To.Add(-time.Millisecond)), EnergyWh: 500_000_000, CoversS: 10_000}
		all[i] = store.Series{Device: device, Spans: []store.Span{{Start: query.From, Summary: wattline.Summary{
			Count: 2, CoveredS: length, First: first, Last: last, MinW: 57_000, MaxW: 57_000,
		}}}}
	}
	return all, nil
}

func TestTheCoverageOfManyDevicesAndYearsIsRight(t *testing.T) {
	for _, devices := range []int{1, 300, 10_000} {
		t.Run(fmt.Sprint(devices), func(t *testing.T) {
			group := wattline.Group{Name: "all"}
			for i := range devices {
				group.Devices = append(group.Devices, fmt.Sprintf("plug-%d", i))
			}
			page, err := ask[wattline.ConsumptionPage](t, newHistory(watched{storetest.NewMemory()}), "consumption", wattline.ConsumptionQuery{
				Groups: []wattline.Group{group}, From: wattline.At(time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)),
				To: wattline.At(time.Date(2025, 1, 1, 0, 0, 0, 0, time.UTC)), Window: wattline.WindowYear, Timezone: "UTC",
			})
			if err != nil || len(page.Rows) != 1 || page.Rows[0].Coverage != 1000 {
				t.Fatalf("%+v, %v", page, err)
			}
			if got, want := *page.Rows[0].EnergyWh, 500_000_000*wattline.Milli(devices); got != want {
				t.Errorf("energy is %v, want %v", got, want)
			}
		})
	}
}
