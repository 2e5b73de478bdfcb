package archive

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// checkEvery is after how many readings it is looked whether anybody still
// waits for them.
const checkEvery = 4096

// shortPage is how many readings there is room for at first.
const shortPage = 1024

// Readings returns a page of raw readings. See store.Store.
func (a *Archive) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	if err := query.Validate(); err != nil {
		return nil, err
	}
	page := query.Room[:0]
	if cap(page) == 0 {
		page = make([]wattline.Reading, 0, min(query.Limit, shortPage))
	}
	err := a.use(func(db *tsdb.DB) error {
		for _, device := range query.Devices {
			from := ceilMilli(query.From)
			switch {
			case device < query.After.Device:
				continue
			case device == query.After.Device:
				from = max(from, query.After.Time.UnixMilli()+1)
			}
			err := a.walk(ctx, db, stretch{device, span{from, ceilMilli(query.To)}, fieldCount}, func(r *reader) bool {
				if len(page) == shortPage && cap(page) < query.Limit {
					page = slices.Grow(page, query.Limit-shortPage) // it will most likely be full
				}
				page = append(page, r.sample().reading(device, r.at))
				return len(page) < query.Limit
			})
			if err != nil || len(page) == query.Limit {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return page, nil
}

// span is the instants from one on and before another, in milliseconds.
type span struct{ from, to int64 }

// stretch is some fields of a device's readings in a span.
type stretch struct {
	device string
	span
	fields field
}

// walk calls visit for each reading of a stretch, in the order of time, until it
// returns false.
func (a *Archive) walk(ctx context.Context, db *tsdb.DB, of stretch, visit func(*reader) bool) error {
	if of.from >= of.to {
		return nil
	}
	querier, err := db.Querier(of.from, of.to-1)
	if err != nil {
		return err
	}
	defer func() { _ = querier.Close() }()
	r := reader{querier: querier, matchers: a.matchers}
	if err := r.open(ctx, of.device, of.fields); err != nil {
		return err
	}
	n := 1
	for ; r.next() && visit(&r); n++ {
		if n%checkEvery == 0 && ctx.Err() != nil {
			break
		}
	}
	a.walked(db, n)
	if r.failed != nil {
		return fmt.Errorf("read %s: %w", of.device, r.failed)
	}
	return ctx.Err()
}

// What is read is mapped in pages, and each brings its surroundings along. So a walk
// costs as much memory as the many readings, however short it is: its fields lie in as
// many places of a block.
const (
	walkCosts = 5_000
	// releaseEvery is how many readings are walked before what was mapped for them is
	// released: some 6 MB.
	releaseEvery = 100_000
)

// walked keeps long questions from having all the files that they read in memory.
func (a *Archive) walked(db *tsdb.DB, readings int) {
	if a.read.Add(int64(walkCosts+readings)) >= releaseEvery {
		a.release(db)
	}
}

func (a *Archive) release(db *tsdb.DB) {
	a.read.Store(0)
	if err := releasePages(db); err != nil {
		a.log.Debug("cannot release what was read of the archive", "error", err)
	}
}

// reader walks the readings of one device after another: the instants at which
// all the fields asked for have a sample. It serves one goroutine.
type reader struct {
	querier  storage.Querier
	matchers matchers

	at     int64 // the reading it stands at
	fields field
	series [fieldCount]chunkenc.Iterator
	stands [fieldCount]int64 // where each series stands
	ended  bool
	failed error
}

// open goes before the first reading of a device.
func (r *reader) open(ctx context.Context, device string, fields field) error {
	r.fields, r.ended, r.failed = fields, false, nil
	set := r.querier.Select(ctx, false, nil, r.matchers.of(device, fields)...)
	var found field
	for set.Next() {
		series := set.At()
		f := fieldNamed(series.Labels().Get(labelName))
		if f >= fields {
			continue
		}
		r.series[f] = series.Iterator(r.series[f])
		r.stands[f] = math.MinInt64
		found++
	}
	if err := set.Err(); err != nil {
		return fmt.Errorf("read %s: %w", device, err)
	}
	r.ended = found < fields
	return nil
}

// next goes to the next reading; false at the end or on a failure.
func (r *reader) next() bool {
	return !r.ended && r.step(0) && r.align()
}

// seek goes to the first reading at or after an instant, never back.
func (r *reader) seek(at int64) bool {
	return !r.ended && r.reach(0, at) && r.align()
}

// align brings all series to the first instant that they have in common, from
// where the first one stands on.
func (r *reader) align() bool {
	for f := field(1); f < r.fields; f++ {
		// Nearly always one step is enough, and cheaper than a search.
		if r.stands[f] < r.stands[0] && !r.step(f) || !r.reach(f, r.stands[0]) {
			return false
		}
		if r.stands[f] > r.stands[0] {
			if !r.reach(0, r.stands[f]) {
				return false
			}
			f = 0
		}
	}
	r.at = r.stands[0]
	return true
}

// step moves a series to its next sample.
func (r *reader) step(f field) bool { return r.moved(f, r.series[f].Next()) }

// reach moves a series to its first sample at or after an instant.
func (r *reader) reach(f field, at int64) bool {
	return r.stands[f] >= at || r.moved(f, r.series[f].Seek(at))
}

func (r *reader) moved(f field, to chunkenc.ValueType) bool {
	if to == chunkenc.ValNone {
		r.ended = true
		r.failed = r.series[f].Err()
		return false
	}
	r.stands[f] = r.series[f].AtT()
	return true
}

func (r *reader) value(f field) float64 {
	_, value := r.series[f].At()
	return value
}

func (r *reader) milli(f field) wattline.Milli { return wattline.Milli(r.value(f)) }

func (r *reader) sample() sample {
	var values sample
	for f := range fieldCount {
		values[f] = r.value(f)
	}
	return values
}

func (r *reader) point() wattline.Point {
	return wattline.Point{
		Time:     wattline.AtMilli(r.at),
		EnergyWh: r.milli(fieldEnergy),
		CoversS:  r.milli(fieldCovers),
	}
}

// ceilMilli is the first whole millisecond that is not before an instant.
func ceilMilli(at time.Time) int64 {
	ms := at.UnixMilli()
	if at.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}
