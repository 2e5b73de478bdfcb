package history_test

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// ready is a store that has every summary at hand, and pages of readings without
// end: what is measured over it is the history's own.
type ready struct{ *storetest.Memory }

func (ready) Summaries(_ context.Context, q store.SummaryQuery) ([]store.Series, error) {
	all := make([]store.Series, len(q.Devices))
	for i, device := range q.Devices {
		all[i] = store.Series{Device: device, Before: point(q.From.Add(-10 * time.Second)), After: point(q.To.Add(10 * time.Second))}
		for at := q.From; at.Before(q.To); at = q.SpanStart(at.Add(q.Every)) {
			first, last := point(at), point(at.Add(q.Every-10*time.Second))
			all[i].Spans = append(all[i].Spans, store.Span{Start: at, Summary: wattline.Summary{
				Count: int64(q.Every / (10 * time.Second)), CoveredS: wattline.Milli(q.Every.Milliseconds()),
				First: *first, Last: *last, MinW: 1000, MaxW: 61_753,
			}})
		}
	}
	return all, nil
}

// point is of a load of 60 W.
func point(at time.Time) *wattline.Point {
	return &wattline.Point{Time: wattline.At(at), EnergyWh: wattline.Milli(at.Sub(morning).Milliseconds() / 60), CoversS: 10_000}
}

// BenchmarkAMonthByHourAndRoom is of 300 plugs in 30 rooms, all pages of 1,000
// rows, from the query's JSON to the answer's.
func BenchmarkAMonthByHourAndRoom(b *testing.B) {
	query := wattline.ConsumptionQuery{
		From: wattline.At(morning), To: wattline.At(morning.AddDate(0, 0, 30)), Window: wattline.WindowHour, Timezone: "Europe/Madrid", Limit: wattline.MaxPage,
	}
	for room := range 30 {
		group := wattline.Group{Name: fmt.Sprintf("hq/f1/r%02d", room)}
		for plug := range 10 {
			group.Devices = append(group.Devices, fmt.Sprintf("plug-%02d-%d", room, plug))
		}
		query.Groups = append(query.Groups, group)
	}
	verb := newHistory(ready{}).Verbs()[wattline.VerbConsumption]
	for b.Loop() {
		query.Cursor = ""
		for {
			body, err := json.Marshal(query)
			if err != nil {
				b.Fatal(err)
			}
			answer, err := verb(b.Context(), body)
			if err != nil {
				b.Fatal(err)
			}
			if _, err := json.Marshal(answer); err != nil {
				b.Fatal(err)
			}
			page, ok := answer.(wattline.ConsumptionPage)
			if query.Cursor = page.Next; !ok || page.Next == "" {
				break
			}
		}
	}
}

// BenchmarkPercentile is of a million readings in memory.
func BenchmarkPercentile(b *testing.B) {
	s := storetest.NewMemory()
	const readings = 200_000
	steady(b, s, "desk-1", 60_000, morning, morning.Add(readings*10*time.Second))
	h := newHistory(s)
	p := wattline.Milli(95_000)
	query := aggregateOf(hours(morning, 24*30, wattline.Group{Name: "g", Devices: []string{"desk-1"}}), "power", "percentile")
	query.P, query.Window = &p, wattline.WindowDay
	for b.Loop() {
		if _, err := ask[wattline.AggregatePage](b, h, "aggregate", query); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/readings, "ns/reading")
}
