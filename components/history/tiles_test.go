package history_test

import (
	"context"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store/storetest"
)

// scattered draws readings of a device, whole and with gaps, after some of which its
// counter has begun anew.
func scattered(t *rapid.T, device string) (readings []wattline.Reading) {
	at, energy := morning, wattline.Milli(5_000_000)
	longest := rapid.SampledFrom([]int64{60_000, 7_200_000, 20 * 86_400_000}).Draw(t, "longest pause")
	for range rapid.IntRange(1, 60).Draw(t, "readings of "+device) {
		pause := time.Duration(rapid.Int64Range(1, longest).Draw(t, "pause")) * time.Millisecond
		at = at.Add(pause)
		energy += wattline.Milli(rapid.Int64Range(0, 5000).Draw(t, "used"))
		covers := wattline.Milli(0)
		if len(readings) > 0 && pause < 3*time.Hour && rapid.IntRange(0, 4).Draw(t, "observed") > 0 {
			covers = wattline.Milli(pause.Milliseconds())
		} else if rapid.IntRange(0, 3).Draw(t, "begins anew") == 3 {
			energy = wattline.Milli(rapid.Int64Range(0, int64(energy)).Draw(t, "energy anew"))
		}
		readings = append(readings, wattline.Reading{
			Device: device, Time: wattline.At(at), EnergyWh: energy, MeterWh: energy, CoversS: covers,
			PowerW:   wattline.Milli(rapid.Int64Range(-3, 9).Draw(t, "power") * 100),
			VoltageV: wattline.Milli(rapid.Int64Range(229_000, 231_000).Draw(t, "voltage")),
			CurrentA: wattline.Milli(rapid.Int64Range(0, 500).Draw(t, "current")),
			Relay:    wattline.RelayOf(rapid.Bool().Draw(t, "on")),
		})
	}
	return readings
}

// around draws a range about some readings, and a little more.
func around(t *rapid.T, readings []wattline.Reading) (from, to wattline.Time) {
	first, last := readings[0].Time, readings[len(readings)-1].Time
	from = wattline.At(first.Add(time.Duration(rapid.Int64Range(-3_600_000, 7_200_000).Draw(t, "from")) * time.Millisecond))
	to = wattline.At(last.Add(time.Duration(rapid.Int64Range(-3_600_000, 7_200_000).Draw(t, "to")) * time.Millisecond))
	if !from.Before(to.Time) {
		to = wattline.At(from.Add(time.Hour))
	}
	return from, to
}

func TestTheSumOfThePartsIsTheWholeToTheLastDigitInEveryZone(t *testing.T) {
	zones := history.EveryZone(t)
	rapid.Check(t, func(t *rapid.T) {
		s := storetest.NewMemory()
		readings := scattered(t, "desk-1")
		if err := s.Write(context.Background(), readings); err != nil {
			t.Fatal(err)
		}
		from, to := around(t, readings)
		for to.Sub(from.Time) > 300*24*time.Hour { // of which quarter-hours can be asked
			to = wattline.At(from.Add(to.Sub(from.Time) / 2))
		}
		query := wattline.ConsumptionQuery{
			Groups: []wattline.Group{{Name: "g", Devices: []string{"desk-1"}}}, From: from, To: to,
			Timezone: rapid.SampledFrom(zones).Draw(t, "zone"),
		}
		h := newHistory(s)
		whole := wholeOf(t, h, query)
		for _, window := range history.Windows() {
			query.Window = window
			var energy, observed wattline.Milli
			for _, row := range all(t, h, query, rapid.SampledFrom([]int{1000, 5000, 311}).Draw(t, "limit")) {
				energy += energyOf(row)
				if row.Coverage > 1000 || row.Coverage < 0 || energyOf(row) < 0 {
					t.Fatalf("%+v", row)
				}
			}
			for _, row := range allAggregates(t, h, aggregateOf(query, "power", "integral")) {
				observed += milliOf(t, row.Value)
			}
			if energy != whole.energy || observed != whole.observed {
				t.Fatalf("the %ss add up to %v, observed %v; the range has %v and %v", window, energy, observed, whole.energy, whole.observed)
			}
		}
	})
}

// used is the energy of a range, and the part of it that was observed.
type used struct{ energy, observed wattline.Milli }

func wholeOf(t *rapid.T, h *history.History, query wattline.ConsumptionQuery) (whole used) {
	for _, row := range allAggregates(t, h, aggregateOf(query, "energy", "spread")) {
		whole.energy += milliOf(t, row.Value)
	}
	for _, row := range allAggregates(t, h, aggregateOf(query, "power", "integral")) {
		whole.observed += milliOf(t, row.Value)
	}
	return whole
}

func aggregateOf(q wattline.ConsumptionQuery, field wattline.Field, op wattline.Op) wattline.AggregateQuery {
	return wattline.AggregateQuery{
		Field: field, Op: op, Groups: q.Groups, From: q.From, To: q.To, Window: q.Window, Timezone: q.Timezone, Limit: 5000,
	}
}

func milliOf(t *rapid.T, value *float64) wattline.Milli {
	if value == nil {
		return 0
	}
	m, err := wattline.MilliOf(*value)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// allAggregates reads page after page.
func allAggregates(t *rapid.T, h *history.History, query wattline.AggregateQuery) (rows []wattline.Aggregate) {
	for {
		page, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Rows...)
		if query.Cursor = page.Next; query.Cursor == "" {
			return rows
		}
	}
}

func energyOf(row wattline.Consumption) wattline.Milli {
	if row.EnergyWh == nil {
		return 0
	}
	return *row.EnergyWh
}

// all reads page after page.
func all(t *rapid.T, h *history.History, query wattline.ConsumptionQuery, limit int) (rows []wattline.Consumption) {
	query.Limit = limit
	for {
		page, err := ask[wattline.ConsumptionPage](t, h, "consumption", query)
		if err != nil {
			t.Fatal(err)
		}
		rows = append(rows, page.Rows...)
		if page.Next == "" {
			return rows
		}
		query.Cursor = page.Next
	}
}
