package influx

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
	"github.com/wattline/wattline/internal/store"
)

// pageDevices bounds how many devices one query for a page names.
const pageDevices = 64

// A page is read in slices of time, the next one longer where one gave little: the
// server reads all of a range, whatever the limit.
const (
	firstSlice  = 6 * time.Hour
	sliceGrowth = 4
)

// Readings returns a page of raw readings. See store.Store.
func (s *Store) Readings(ctx context.Context, q store.Query) ([]wattline.Reading, error) {
	if err := q.Validate(); err != nil {
		return nil, err
	}
	page := []wattline.Reading{}
	rest, begun := slices.BinarySearch(q.Devices, q.After.Device)
	if begun {
		from := q.From
		if !q.After.Time.Before(from) {
			from = q.After.Time.Add(precision)
		}
		var err error
		if page, err = s.fill(ctx, page, q.Devices[rest], store.Query{From: from, To: q.To, Limit: q.Limit}); err != nil {
			return nil, err
		}
		rest++
	}
	for rest < len(q.Devices) && len(page) < q.Limit {
		devices := q.Devices[rest:min(rest+pageDevices, len(q.Devices))]
		begins, err := s.firsts(ctx, devices, q.From, q.To)
		for _, device := range devices {
			from, some := begins[device]
			if err == nil && some && len(page) < q.Limit {
				page, err = s.fill(ctx, page, device, store.Query{From: from, To: q.To, Limit: q.Limit})
			}
		}
		if err != nil {
			return nil, err
		}
		rest += len(devices)
	}
	return page, ctx.Err()
}

// fill adds a device's readings to a page until that is full.
func (s *Store) fill(ctx context.Context, page []wattline.Reading, device string, q store.Query) ([]wattline.Reading, error) {
	slice := firstSlice
	for from := q.From; from.Before(q.To) && len(page) < q.Limit; {
		to := from.Add(slice)
		if to.After(q.To) {
			to = q.To
		}
		wanted := q.Limit - len(page)
		more, err := s.page(ctx, []string{device}, store.Query{From: from, To: to, Limit: wanted})
		if err != nil {
			return nil, err
		}
		page = append(page, more...)
		from = to
		if len(more) <= wanted/2 {
			slice *= sliceGrowth
		}
	}
	return page, nil
}

// firsts is when the first reading of each of some devices is, where there is one.
func (s *Store) firsts(ctx context.Context, devices []string, from, to time.Time) (map[string]time.Time, error) {
	found := make(map[string]time.Time, len(devices))
	if !from.Before(to) {
		return found, ctx.Err()
	}
	flux := s.raw(devices, from, to).fields(fields()[0]) + " |> first()" + kept
	return found, s.query(ctx, flux, func(record *query.FluxRecord) error {
		device, _ := record.ValueByKey("device").(string)
		found[device] = record.Time()
		return nil
	})
}

// page returns up to the limit of each of some devices, in the order of the
// contract.
func (s *Store) page(ctx context.Context, devices []string, q store.Query) ([]wattline.Reading, error) {
	if !q.From.Before(q.To) {
		return []wattline.Reading{}, ctx.Err()
	}
	within := s.raw(devices, q.From, q.To).fields(fields()...)
	limit := fmt.Sprintf(" |> limit(n: %d)", q.Limit)
	readings, torn, err := s.pivoted(ctx, within+limit+pivot)
	for try := 1; torn != nil && err == nil && try < tornTries; try++ {
		if err = pause.For(ctx, tornPause); err == nil {
			readings, torn, err = s.pivoted(ctx, within+limit+pivot)
		}
	}
	if torn != nil && err == nil {
		// Somebody else wrote points that will never be whole. They must not count
		// for the limit, which costs the server more.
		if err = s.checkTypes(ctx, *torn); err == nil {
			readings, _, err = s.pivoted(ctx, within+pivot+whole()+limit)
		}
	}
	slices.SortFunc(readings, func(a, b wattline.Reading) int {
		return cmp.Or(cmp.Compare(a.Device, b.Device), a.Time.Compare(b.Time.Time))
	})
	return readings, err
}

// pivot makes one row of a point's fields.
const pivot = ` |> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value")`

// tornPoint is a point that came without one of its fields.
type tornPoint struct {
	device, field string
	at            time.Time
}

// pivoted runs a query for whole readings, and names a point that was torn.
func (s *Store) pivoted(ctx context.Context, flux string) (readings []wattline.Reading, torn *tornPoint, err error) {
	readings = []wattline.Reading{}
	err = s.query(ctx, flux, func(record *query.FluxRecord) error {
		if field := missing(record); field != "" {
			device, _ := record.ValueByKey("device").(string)
			torn = &tornPoint{device, field, record.Time()}
			return nil
		}
		reading, err := readingOf(record)
		readings = append(readings, reading)
		return err
	})
	return readings, torn, err
}

// missing is a field that a point lacks, or empty.
func missing(record *query.FluxRecord) string {
	for _, field := range fields() {
		if record.ValueByKey(field) == nil {
			return field
		}
	}
	return ""
}

// checkTypes looks at a torn point alone. Where a field has two types in a
// bucket, a query over both shows only one of them, without a word; a query for a
// single instant is not over both.
func (s *Store) checkTypes(ctx context.Context, torn tornPoint) error {
	alone := s.raw([]string{torn.device}, torn.at, torn.at.Add(precision)).fields(torn.field)
	hidden := false
	err := s.query(ctx, alone, func(*query.FluxRecord) error {
		hidden = true
		return nil
	})
	if err == nil && hidden {
		err = fmt.Errorf("%v: %w: field %s of measurement %s has two types and cannot be read: somebody else writes to this bucket; delete those points",
			s, store.ErrMisconfigured, torn.field, measurement)
	}
	return err
}

func readingOf(record *query.FluxRecord) (r wattline.Reading, err error) {
	values := record.Values()
	device, _ := values["device"].(string)
	r = wattline.Reading{Device: device, Time: wattline.At(record.Time())}
	for _, quantity := range quantities(&r) {
		if *quantity.value, err = milli(values[quantity.field]); err != nil {
			return r, fmt.Errorf("%s of %s at %v: %w", quantity.field, r.Device, r.Time, err)
		}
	}
	on, isBool := values[fieldRelay].(bool)
	rssi, isInt := values[fieldRSSI].(int64)
	quality, isCount := values[fieldQuality].(int64)
	if !isBool || !isInt || !isCount {
		return r, fmt.Errorf("reading of %s at %v is not complete", r.Device, r.Time)
	}
	r.Relay, r.RSSIdBm, r.Quality = wattline.RelayOf(on), int(rssi), wattline.Quality(quality)
	return r, nil
}

func milli(value any) (wattline.Milli, error) {
	number, ok := value.(float64)
	if !ok {
		return 0, fmt.Errorf("the value is %T, not a number", value)
	}
	return wattline.MilliOf(number)
}

// query runs a Flux query and hands on each record. The answer streams.
func (s *Store) query(ctx context.Context, flux string, each func(*query.FluxRecord) error) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel() // closing an answer would read all that is left of it
	result, err := s.client.QueryAPI(s.options.Org).Query(ctx, flux)
	s.count("query", err)
	if err != nil {
		return s.classify(err)
	}
	for result.Next() {
		if err := each(result.Record()); err != nil {
			return err
		}
	}
	if err := result.Err(); err != nil {
		return s.classify(err)
	}
	return nil
}
