package influx1

import (
	"context"
	"iter"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// survey goes through a device's rows and what the store has meanwhile, and finds
// out how far the import goes and where its counter begins.
func (i *importer) survey(ctx context.Context, d *device) error {
	var err error
	if d.outline, err = i.scratch.outline(ctx, d.number); err != nil || d.readings == 0 {
		return err
	}
	d.until = d.last + 1
	s, err := i.compare(ctx, d)
	if err != nil {
		return err
	}
	d.report.EnergyWh = s.total
	if i.Store == nil {
		return nil
	}
	if s.before, err = i.before(ctx, d); err != nil {
		return err
	}
	if s.after, err = i.after(ctx, d); err != nil {
		return err
	}
	base, refusal := s.base()
	if refusal != nil {
		d.report.Reason, d.until = refusal.Error(), d.first
	}
	d.base, d.report.BeginsWh, d.report.Met = base, base, s.after != nil
	return nil
}

// compare walks the readings of the import beside those that the store has already.
// A reading of the store that is not the import's is somebody else's: from there
// on the store knows better, and the import ends.
func (i *importer) compare(ctx context.Context, d *device) (s seam, err error) {
	stored, stop := iter.Pull2(i.stored(ctx, d))
	defer stop()
	there, err, more := stored()
	m := d.newMeter()
	for row, errRow := range i.scratch.rows(ctx, d.number, d.first, d.last+1) {
		if errRow != nil || err != nil {
			return s, firstOf(errRow, err)
		}
		if more && there.Time.UnixMilli() < row.at {
			d.until = there.Time.UnixMilli()
			break
		}
		reading, ok := m.next(row)
		if !ok {
			continue
		}
		if more && there.Time.UnixMilli() == row.at {
			if !s.again {
				s.again, s.stored, s.own = true, there.EnergyWh, reading.EnergyWh
			}
			there, err, more = stored()
		}
		s.total = reading.EnergyWh
		d.count(reading)
	}
	d.report.Left = d.readings - d.report.Readings
	return s, err
}

func firstOf(a, b error) error {
	if a != nil {
		return a
	}
	return b
}

// stored walks what the store has of the device in the time of the import.
func (i *importer) stored(ctx context.Context, d *device) iter.Seq2[wattline.Reading, error] {
	return func(yield func(wattline.Reading, error) bool) {
		if i.Store == nil {
			return
		}
		query := store.Query{
			Devices: []string{d.report.Device}, From: milli(d.first), To: milli(d.last + 1), Limit: store.MaxLimit,
		}
		for {
			page, err := i.Store.Readings(ctx, query)
			if err != nil {
				yield(wattline.Reading{}, err)
				return
			}
			for _, reading := range page {
				query.After = store.Position{Device: reading.Device, Time: reading.Time.Time}
				if !yield(reading, nil) {
					return
				}
			}
			if len(page) < query.Limit {
				return
			}
		}
	}
}

// before is where the counter stands at the last reading before the import.
func (i *importer) before(ctx context.Context, d *device) (*wattline.Milli, error) {
	all, err := i.Store.Summaries(ctx, store.SummaryQuery{
		Devices: []string{d.report.Device}, From: milli(d.first), To: milli(d.first + 1), Every: store.QuarterHour,
	})
	if err != nil || all[0].Before == nil {
		return nil, err
	}
	return &all[0].Before.EnergyWh, nil
}

// after is where it stands at the first reading after it.
func (i *importer) after(ctx context.Context, d *device) (*wattline.Milli, error) {
	page, err := i.Store.Readings(ctx, store.Query{
		Devices: []string{d.report.Device}, From: milli(d.until), To: time.Now().Add(store.FutureTolerance), Limit: 1,
	})
	if err != nil || len(page) == 0 {
		return nil, err
	}
	return &page[0].EnergyWh, nil
}

func milli(ms int64) time.Time { return time.UnixMilli(ms).UTC() }
