package influx

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

const (
	// passEvery is how often all days are gone through, for the sake of those that
	// another process un-sealed.
	passEvery = 6 * time.Hour
	// tellEvery is how often the late readings of this process are told to the
	// Keeper that seals.
	tellEvery = 10 * time.Second
	// A question is put for so many devices at once, and two such at a time: while
	// the server makes one answer, another is added up.
	keeperDevices  = 150
	keeperParallel = 2
)

// Summaries answers from the quarter-hours where they are sealed. See store.Store.
func (s *Store) Summaries(ctx context.Context, q store.SummaryQuery) ([]store.Series, error) {
	return s.answering.Summaries(ctx, q)
}

// keeper is one of the two of a store: one seals, and remembers the marks of what
// it is about to seal; the other one answers questions meanwhile.
func (s *Store) keeper(kept *records) *quarters.Keeper {
	return quarters.New(quarters.Options{
		Kept: kept, Raw: rawReadings{s}, Chunk: keeperDevices, Parallel: keeperParallel,
		Now: s.clock.now, Log: s.options.Log, Metrics: s.options.Metrics,
	})
}

// Upkeep seals quarter-hours until the context ends. See store.Store. Several
// processes may do so at once.
func (s *Store) Upkeep(ctx context.Context) error {
	s.tellNotes(ctx)
	s.late.take() // from now on; the first pass finds what is older
	defer s.late.close()
	var group errgroup.Group
	group.Go(func() error { return s.sealing.Upkeep(ctx) })
	group.Go(func() error {
		every := time.NewTicker(passEvery)
		defer every.Stop()
		for pause.For(ctx, tellEvery) == nil {
			s.tellLate(ctx)
			select {
			case <-every.C:
				s.sealing.Lose()
			default:
			}
		}
		return nil
	})
	return group.Wait()
}

// tellLate tells the Keeper which records late readings have un-sealed.
func (s *Store) tellLate(ctx context.Context) {
	days := s.late.take()
	if len(days) == 0 {
		return
	}
	readings := make([]wattline.Reading, 0, len(days))
	for one := range days {
		readings = append(readings, wattline.Reading{Device: one.device, Time: wattline.At(one.day.Start())})
	}
	done, err := s.sealing.Writing(ctx, readings)
	if err != nil {
		s.late.add(days)
		return
	}
	done()
}

// tellNotes logs what an operator should know of the buckets.
func (s *Store) tellNotes(ctx context.Context) {
	notes, err := s.Survey(ctx)
	if err != nil {
		return // whoever writes says so, again and again
	}
	for _, note := range notes {
		s.options.Log.Warn("look at the buckets of InfluxDB", "note", note)
	}
}

// Rebuild makes quarter-hours anew. See store.Store. Any process may do it.
func (s *Store) Rebuild(ctx context.Context, q store.RebuildQuery) (store.Rebuilt, error) {
	return s.sealing.Rebuild(ctx, q)
}

// Adopt keeps quarter-hours whose readings are gone. See transfer.Adopter and
// quarters.Keeper. Any process may do it.
func (s *Store) Adopt(ctx context.Context, series []store.Series) error {
	return s.sealing.Adopt(ctx, series)
}

// Devices names those of which anything is kept, sorted. See store.Store.
func (s *Store) Devices(ctx context.Context) ([]string, error) { return rawReadings{s}.Devices(ctx) }

// Devices names those with readings or records.
func (r rawReadings) Devices(ctx context.Context) ([]string, error) {
	devices, err := r.tagged(ctx, r.options.Bucket, measurement)
	if err != nil {
		return nil, err
	}
	recorded, err := r.tagged(ctx, r.options.Quarters, recordMeasurement)
	if err != nil {
		return nil, err
	}
	devices = append(devices, recorded...)
	slices.Sort(devices)
	return slices.Compact(devices), nil
}

// tagged names the devices of a measurement. A bucket that is missing has none.
func (s *Store) tagged(ctx context.Context, bucket, measurement string) (devices []string, err error) {
	flux := fmt.Sprintf("import \"influxdata/influxdb/schema\"\nschema.tagValues(bucket: %s, tag: \"device\", predicate: (r) => r._measurement == %s, start: %s, stop: %s)",
		quote(bucket), quote(measurement), instant(sinceTime()), instant(farFuture()))
	err = s.query(ctx, flux, func(record *query.FluxRecord) error {
		if device, ok := record.Value().(string); ok && wattline.CheckID(device) == nil {
			devices = append(devices, device)
		}
		return nil
	})
	if isMissing(err) {
		err = nil
	}
	return devices, err
}
