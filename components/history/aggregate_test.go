package history_test

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store/storetest"
)

// operations are all that mean something.
func operations() (all []wattline.Operation) {
	for _, field := range wattline.Fields() {
		for _, op := range wattline.Ops() {
			if op.Takes(field) {
				all = append(all, wattline.Operation{Field: field, Op: op})
			}
		}
	}
	return all
}

// drawn fills in p and n.
func drawn(t *rapid.T, o wattline.Operation) wattline.Operation {
	switch o.Op {
	case wattline.OpPercentile:
		o.P = new(wattline.Milli(rapid.Int64Range(0, 100_000).Draw(t, "p")))
	case wattline.OpTop, wattline.OpBottom, wattline.OpSample, wattline.OpDistinct:
		o.N = rapid.IntRange(1, 5).Draw(t, "n")
	}
	return o
}

func TestEveryOperationIsWhatTheReadingsSay(t *testing.T) {
	zones := history.EveryZone(t)
	rapid.Check(t, func(t *rapid.T) {
		s := storetest.NewMemory()
		var readings []wattline.Reading
		for _, device := range []string{"desk-1", "desk-2", "desk-3"} {
			readings = append(readings, scattered(t, device)...)
		}
		if err := s.Write(context.Background(), readings); err != nil {
			t.Fatal(err)
		}
		operation := drawn(t, rapid.SampledFrom(operations()).Draw(t, "operation"))
		query := wattline.AggregateQuery{
			Field: operation.Field, Op: operation.Op, P: operation.P, N: operation.N,
			Groups: []wattline.Group{
				{Name: "both", Devices: []string{"desk-2", "desk-1"}},
				{Name: "", Devices: []string{"desk-1", "desk-1"}},
				{Name: "rest", Devices: []string{"desk-3", "desk-4"}},
			},
			Window:   rapid.SampledFrom([]wattline.Window{"", "hour", "day", "month"}).Draw(t, "window"),
			Timezone: rapid.SampledFrom(zones).Draw(t, "zone"), Limit: rapid.IntRange(1, 50).Draw(t, "limit"),
		}
		query.From, query.To = around(t, readings)
		for query.Window != "" && query.To.Sub(query.From.Time) > 300*24*time.Hour {
			query.To = wattline.At(query.From.Add(query.To.Sub(query.From.Time) / 2))
		}
		h := newHistory(s)
		for _, row := range allAggregates(t, h, query) {
			want := naive(operation, within(readings, query.Groups, row))
			if !operationOfCounter(operation) {
				if diff := gocmp.Diff(want.Value, row.Value, gocmp.Comparer(near)); diff != "" {
					t.Fatalf("%+v of %q from %v to %v: %s", operation, row.Group, row.Start, row.End, diff)
				}
			}
			if diff := gocmp.Diff(want.Values, row.Values); diff != "" || want.Count != row.Count {
				t.Fatalf("%+v of %q from %v to %v: %d readings, not %d; %s", operation, row.Group, row.Start, row.End, row.Count, want.Count, diff)
			}
		}
	})
}

// operationOfCounter: what these say comes from the counter, and agrees with
// consumption.
func operationOfCounter(o wattline.Operation) bool {
	return o.Op == wattline.OpIntegral && o.Field == wattline.FieldPower || o.Op == wattline.OpSpread && o.Field == wattline.FieldEnergy
}

func near(a, b float64) bool { return math.Abs(a-b) <= 1e-9*max(1, math.Abs(a), math.Abs(b)) }

// within is the readings of a row, in the order of time.
func within(readings []wattline.Reading, groups []wattline.Group, row wattline.Aggregate) (found []wattline.Reading) {
	group := slices.IndexFunc(groups, func(g wattline.Group) bool { return g.Name == row.Group })
	for _, r := range readings {
		if !r.Time.Before(row.Start.Time) && r.Time.Before(row.End.Time) && slices.Contains(groups[group].Devices, r.Device) {
			found = append(found, r)
		}
	}
	slices.SortFunc(found, byTimeAndDevice)
	return found
}

func byTimeAndDevice(a, b wattline.Reading) int {
	return cmp.Or(a.Time.Compare(b.Time.Time), cmp.Compare(a.Device, b.Device))
}

// naive is an operation done in floating point, as its definition reads.
func naive(o wattline.Operation, readings []wattline.Reading) (row wattline.Aggregate) {
	row.Count = int64(len(readings))
	value := func(r wattline.Reading) float64 { return o.Field.Of(r).Float() }
	listed := func(rs []wattline.Reading) {
		for _, r := range rs[:min(o.N, len(rs))] {
			row.Values = append(row.Values, wattline.AggregateValue{Value: o.Field.Of(r), Time: &r.Time, Device: r.Device})
		}
	}
	sum, covered, on := 0.0, 0.0, 0.0
	times := map[float64]int{}
	for _, r := range readings {
		sum += value(r)
		covered += r.CoversS.Float()
		on += r.CoversS.Float() * wattline.FieldRelay.Of(r).Float()
		times[value(r)]++
	}
	sorted := slices.SortedFunc(slices.Values(readings), func(a, b wattline.Reading) int {
		return cmp.Or(cmp.Compare(value(a), value(b)), byTimeAndDevice(a, b))
	})
	n := len(readings)
	switch o.Op {
	case wattline.OpCount:
		row.Value = new(float64(n))
	case wattline.OpDistinct:
		row.Value = new(float64(len(times)))
		for i, r := range sorted {
			if (i == 0 || value(sorted[i-1]) != value(r)) && len(row.Values) < o.N {
				row.Values = append(row.Values, wattline.AggregateValue{Value: o.Field.Of(r), Count: int64(times[value(r)])})
			}
		}
	case wattline.OpBottom:
		listed(sorted)
	case wattline.OpTop:
		listed(slices.SortedStableFunc(slices.Values(readings), func(a, b wattline.Reading) int { return cmp.Compare(value(b), value(a)) }))
	case wattline.OpSample:
		chosen := slices.SortedFunc(slices.Values(readings), func(a, b wattline.Reading) int { return cmp.Compare(lot(a), lot(b)) })
		chosen = chosen[:min(o.N, n)]
		slices.SortFunc(chosen, byTimeAndDevice)
		listed(chosen)
	}
	if o.Field == wattline.FieldRelay && covered > 0 {
		switch o.Op {
		case wattline.OpMean:
			row.Value = new(on / covered)
		case wattline.OpIntegral:
			row.Value = new(on / 3600)
		}
	}
	if n == 0 || o.Field == wattline.FieldRelay && o.Op == wattline.OpMean {
		return row
	}
	switch o.Op {
	case wattline.OpSum:
		row.Value = new(sum)
	case wattline.OpMean:
		row.Value = new(sum / float64(n))
	case wattline.OpMin:
		row.Value = new(value(sorted[0]))
	case wattline.OpMax:
		row.Value = new(value(sorted[n-1]))
	case wattline.OpSpread:
		row.Value = new(value(sorted[n-1]) - value(sorted[0]))
	case wattline.OpFirst:
		row.Value = new(value(readings[0]))
	case wattline.OpLast:
		last := readings[n-1].Time
		row.Value = new(value(readings[slices.IndexFunc(readings, func(r wattline.Reading) bool { return r.Time.Equal(last.Time) })]))
	case wattline.OpMedian:
		row.Value = new((value(sorted[(n-1)/2]) + value(sorted[n/2])) / 2)
	case wattline.OpMode:
		best := sorted[0]
		for _, r := range sorted {
			if times[value(r)] > times[value(best)] {
				best = r
			}
		}
		row.Value = new(value(best))
	case wattline.OpPercentile:
		for i, r := range sorted {
			if float64(i+1)*100_000 >= float64(*o.P)*float64(n) {
				row.Value = new(value(r))
				break
			}
		}
	case wattline.OpStddev:
		if n > 1 {
			squares := 0.0
			for _, r := range readings {
				squares += (value(r) - sum/float64(n)) * (value(r) - sum/float64(n))
			}
			row.Value = new(math.Sqrt(squares / float64(n-1)))
		}
	}
	return row
}

// lot is a reading's place in the draw, as the documentation says it.
func lot(r wattline.Reading) uint64 {
	hash := uint64(14695981039346656037)
	for _, c := range []byte(r.Device) {
		hash = (hash ^ uint64(c)) * 1099511628211
	}
	for i := range 8 {
		hash = (hash ^ uint64(r.Time.UnixMilli())>>(8*i)&0xff) * 1099511628211
	}
	hash = (hash ^ hash>>30) * 0xbf58476d1ce4e5b9
	hash = (hash ^ hash>>27) * 0x94d049bb133111eb
	return (hash ^ hash>>31) >> 1
}

func TestTheEnergyOfAnAggregateIsThatOfConsumption(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := storetest.NewMemory()
		readings := append(scattered(t, "desk-1"), scattered(t, "desk-2")...)
		if err := s.Write(context.Background(), readings); err != nil {
			t.Fatal(err)
		}
		query := hours(morning, 200, wattline.Group{Name: "a", Devices: []string{"desk-1", "desk-2"}}, wattline.Group{Name: "b", Devices: []string{"desk-2"}})
		h := newHistory(s)
		aggregates := allAggregates(t, h, aggregateOf(query, "energy", "spread"))
		for i, row := range all(t, h, query, 100) {
			if (row.EnergyWh == nil) != (aggregates[i].Value == nil) || energyOf(row) != milliOf(t, aggregates[i].Value) {
				t.Fatalf("%+v and %+v", row, aggregates[i])
			}
		}
	})
}

func TestOfAKnownMorning(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(2*time.Hour-10*time.Second))
	steady(t, s, "desk-2", 30_000, morning, morning.Add(time.Hour-10*time.Second))
	h := newHistory(s)
	whole := hours(morning, 2, wattline.Group{Name: "room", Devices: []string{"desk-1", "desk-2"}})
	whole.Window = ""
	for name, c := range map[string]struct {
		query string
		want  string
	}{
		"readings are counted":                          {"power count", "1080 of 1080"},
		"a mean is over the readings, not over time":    {"power mean", "50 of 1080"},
		"an integral of power is energy":                {"power integral", "149.749 of 1080"},
		"the spread of energy is what was used":         {"energy spread", "149.749 of 1080"},
		"the spread of power is its range":              {"power spread", "30 of 1080"},
		"a sum is over the readings":                    {"power sum", "54000 of 1080"},
		"the mean of a relay is the share of time on":   {"relay mean", "1 of 1080"},
		"the integral of a relay is the hours it is on": {"relay integral", "2.9944444444444445 of 1080"},
		"the first of two at once is of the first name": {"power first", "60 of 1080"},
		"the mode is what was seen most":                {"power mode", "60 of 1080"},
		"a standard deviation is of a sample":           {"voltage stddev", "0 of 1080"},
		"the relay was on last":                         {"relay last", "1 of 1080"},
	} {
		t.Run(name, func(t *testing.T) {
			field, op, _ := strings.Cut(c.query, " ")
			page, err := ask[wattline.AggregatePage](t, h, "aggregate", aggregateOf(whole, wattline.Field(field), wattline.Op(op)))
			if err != nil || len(page.Rows) != 1 || page.Rows[0].Value == nil {
				t.Fatal(page, err)
			}
			if got := fmt.Sprintf("%v of %d", *page.Rows[0].Value, page.Rows[0].Count); got != c.want {
				t.Error(got)
			}
		})
	}
}

func TestNothingIsMadeOfNothing(t *testing.T) {
	h := newHistory(storetest.NewMemory())
	for _, o := range operations() {
		query := aggregateOf(hours(morning, 1, wattline.Group{Name: "g", Devices: []string{"a"}}), o.Field, o.Op)
		switch o.Op {
		case wattline.OpPercentile:
			query.P = new(wattline.Milli(50_000))
		case wattline.OpTop, wattline.OpBottom, wattline.OpSample:
			query.N = 3
		}
		page, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
		if err != nil || len(page.Rows) != 1 {
			t.Fatal(o, page, err)
		}
		row := page.Rows[0]
		counts := o.Op == wattline.OpCount || o.Op == wattline.OpDistinct
		if counts != (row.Value != nil) || counts && *row.Value != 0 || row.Values != nil || row.Count != 0 {
			t.Errorf("%+v: %+v", o, row)
		}
	}
}

func TestWhatTakesTooManyReadingsIsRefusedBeforeItRunsAndSaysWhatWouldDo(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(40*time.Hour))
	steady(t, s, "desk-2", 60_000, morning, morning.Add(40*time.Hour))
	reads := &reading{Memory: s}
	h := history.New(history.Options{Store: reads, Log: quiet(), MaxReadings: 1000})
	query := aggregateOf(hours(morning, 40, wattline.Group{Name: "room", Devices: []string{"desk-1", "desk-2"}}), "power", "median")

	query.Window = "day"
	_, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
	const want = "invalid: op median has to look at every reading: group \"room\" has more than 1000 from 2026-03-02T08:00:00.000Z to " +
		"2026-03-03T00:00:00.000Z: ask for a window of up to 1h15m0s; " +
		"count, integral, max, mean, min, spread, sum, first, last take any number of them"
	if got := fmt.Sprint(err); sortedWords(got) != sortedWords(want) || reads.pages != 0 {
		t.Errorf("%v, after %d pages of readings", got, reads.pages)
	}
	query.Op = "mean"
	if _, err := ask[wattline.AggregatePage](t, h, "aggregate", query); err != nil {
		t.Error(err)
	}
	query.Op, query.Window = "median", "hour"
	page, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
	if err != nil || len(page.Rows) != 1 || page.Next == "" {
		t.Errorf("%d rows, %v", len(page.Rows), err)
	}
}

func sortedWords(text string) string {
	return fmt.Sprint(slices.Sorted(slices.Values(strings.FieldsFunc(text, func(r rune) bool { return r == ' ' || r == ',' }))))
}

func TestASampleIsEven(t *testing.T) {
	s := storetest.NewMemory()
	steady(t, s, "desk-1", 60_000, morning, morning.Add(30*time.Hour))
	h := newHistory(s)
	query := aggregateOf(hours(morning, 30, wattline.Group{Name: "g", Devices: []string{"desk-1"}}), "power", "sample")
	query.Window, query.N = "", 1000
	page, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
	if err != nil {
		t.Fatal(err)
	}
	perHour := make([]int, 30)
	for _, v := range page.Rows[0].Values {
		perHour[int(v.Time.Sub(morning)/time.Hour)]++
	}
	for hour, n := range perHour { // 33 are expected of each
		if n < 12 || n > 60 {
			t.Errorf("hour %d has %d of 1000", hour, n)
		}
	}
}
