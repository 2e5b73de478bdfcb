package quarters_test

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
	"github.com/wattline/wattline/internal/store/storetest"
)

// records is a place for records in memory.
type records struct {
	mu      sync.Mutex
	kept    map[string]map[quarters.Day]quarters.Packed
	since   map[string]quarters.Day
	failure error
	reads   int // records handed out
}

func newRecords() *records {
	return &records{kept: map[string]map[quarters.Day]quarters.Packed{}, since: map[string]quarters.Day{}}
}

// fail makes every call return an error, until it is nil again.
func (r *records) fail(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failure = err
}

func (r *records) Records(ctx context.Context, query quarters.Query, visit func(*quarters.Packed) error) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmp.Or(ctx.Err(), r.failure); err != nil {
		return err
	}
	for _, device := range query.Devices {
		for _, day := range slices.Sorted(maps.Keys(r.kept[device])) {
			if day < query.From || day > query.To {
				continue
			}
			r.reads++
			one := r.kept[device][day]
			asked := quarters.Packed{Device: device, Day: day, Sealed: one.Sealed}
			switch query.Level {
			case quarters.Days:
				asked.DayLevel = one.DayLevel
			case quarters.Hours:
				asked.HourLevel = one.HourLevel
			case quarters.Quarters:
				asked.QuarterLevel = one.QuarterLevel
			case quarters.SealedOnly:
			}
			if err := visit(&asked); err != nil {
				return err
			}
		}
	}
	return nil
}

func (r *records) Put(ctx context.Context, all []quarters.Packed) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmp.Or(ctx.Err(), r.failure); err != nil {
		return err
	}
	for _, one := range all {
		if r.kept[one.Device] == nil {
			r.kept[one.Device] = map[quarters.Day]quarters.Packed{}
		}
		if one.QuarterLevel == nil {
			sealed := one.Sealed
			one = r.kept[one.Device][one.Day]
			one.Sealed = sealed
		}
		r.kept[one.Device][one.Day] = one
	}
	return nil
}

func (r *records) Since(ctx context.Context, devices []string) (map[string]quarters.Day, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since := map[string]quarters.Day{}
	for _, device := range devices {
		if day, ok := r.since[device]; ok {
			since[device] = day
		}
	}
	return since, cmp.Or(ctx.Err(), r.failure)
}

func (r *records) SetSince(ctx context.Context, since map[string]quarters.Day) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := cmp.Or(ctx.Err(), r.failure); err != nil {
		return err
	}
	maps.Copy(r.since, since)
	return nil
}

// forget loses everything.
func (r *records) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.kept)
	clear(r.since)
}

// change changes every record in place.
func (r *records) change(how func(*quarters.Packed)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for device, days := range r.kept {
		for day, one := range days {
			how(&one)
			r.kept[device][day] = one
		}
	}
}

// sealed counts sealed quarter-hours.
func (r *records) sealed() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	n := 0
	for _, days := range r.kept {
		for _, one := range days {
			n += one.Sealed.Len()
		}
	}
	return n
}

// raw answers from the readings of a store in memory.
type raw struct {
	*storetest.Memory
	mu     sync.Mutex
	asked  int
	during func(quarters.RawQuery) // called while an answer is on its way
}

func (r *raw) Summaries(ctx context.Context, query quarters.RawQuery) ([]store.Series, error) {
	r.mu.Lock()
	r.asked++
	during := r.during
	r.mu.Unlock()
	all := make([]store.Series, len(query.Devices))
	for i, device := range query.Devices {
		all[i].Device = device
		if query.From.Before(query.To) {
			one := query.SummaryQuery
			one.Devices = []string{device}
			series, err := r.Memory.Summaries(ctx, one)
			if err != nil {
				return nil, err
			}
			all[i].Spans = series[0].Spans
		}
		if before := r.within(ctx, device, query.Earliest, query.From); before != nil {
			all[i].Before = pointOf(before[len(before)-1])
		}
		if after := r.within(ctx, device, query.To, query.Latest); after != nil {
			all[i].After = pointOf(after[0])
		}
	}
	if during != nil {
		during(query)
	}
	return all, nil
}

// questions is how often it was asked.
func (r *raw) questions() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.asked
}

func pointOf(reading wattline.Reading) *wattline.Point {
	point := wattline.Summarize(reading).First
	return &point
}

// within is a device's readings in a stretch; nil if there are none.
func (r *raw) within(ctx context.Context, device string, from, to time.Time) []wattline.Reading {
	if from.IsZero() || !from.Before(to) {
		return nil
	}
	page, err := r.Readings(ctx, store.Query{Devices: []string{device}, From: from, To: to, Limit: store.MaxLimit})
	if err != nil {
		panic(err)
	}
	if len(page) == 0 {
		return nil
	}
	return page
}

// kept is a store on a Keeper: what the archive and InfluxDB are, in memory.
type kept struct {
	*quarters.Keeper
	raw     *raw
	records *records
}

func newKept(now func() time.Time) *kept {
	k := &kept{raw: &raw{Memory: storetest.NewMemory()}, records: newRecords()}
	k.Keeper = quarters.New(quarters.Options{Kept: k.records, Raw: k.raw, Now: now, Chunk: 2})
	return k
}

func (k *kept) write(ctx context.Context, readings []wattline.Reading) error {
	done, err := k.Writing(ctx, readings)
	if err != nil {
		return err
	}
	defer done()
	return k.raw.Write(ctx, readings)
}
