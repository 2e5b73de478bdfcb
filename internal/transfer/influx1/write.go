package influx1

import (
	"cmp"
	"context"
	"math"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/transfer"
)

// writing is what of an import goes into the store.
type writing struct {
	*importer

	devices []*device
	page    []wattline.Reading
	total   int64
}

// step is short enough for the archive to take all devices' readings of a step as
// new ones, one device after the other.
const step = int64(time.Hour / time.Millisecond)

// write writes the readings of all devices, hour by hour.
func (i *importer) write(ctx context.Context) error {
	w := writing{importer: i}
	first, last := int64(math.MaxInt64), int64(math.MinInt64)
	for _, d := range i.devices {
		if d.readings == 0 || d.report.Reason != "" {
			continue
		}
		w.devices = append(w.devices, d)
		w.total += d.report.Readings
		first, last = min(first, d.first), max(last, d.until)
		d.meter = d.newMeter()
	}
	slices.SortFunc(w.devices, func(a, b *device) int { return cmp.Compare(a.report.Device, b.report.Device) })
	for at := first; at < last; at += step {
		for _, d := range w.devices {
			if err := w.stretch(ctx, d, max(at, d.first), min(at+step, d.until)); err != nil {
				return err
			}
		}
	}
	return w.flush(ctx)
}

// stretch writes a device's readings of [from, to), in milliseconds.
func (w *writing) stretch(ctx context.Context, d *device, from, to int64) error {
	if from >= to {
		return nil
	}
	for row, err := range w.scratch.rows(ctx, d.number, from, to) {
		if err != nil {
			return err
		}
		reading, ok := d.meter.next(row)
		if !ok {
			continue
		}
		reading.EnergyWh += d.base
		if w.page = append(w.page, reading); len(w.page) < store.MaxLimit {
			continue
		}
		if err := w.flush(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (w *writing) flush(ctx context.Context) error {
	if len(w.page) == 0 {
		return nil
	}
	refusals, err := transfer.Refusals(w.page, w.Store.Write(ctx, w.page))
	if err != nil {
		return err
	}
	w.report.Written += int64(len(w.page) - len(refusals))
	w.report.Refused += int64(len(refusals))
	w.report.Refusals = append(w.report.Refusals, refusals[:min(len(refusals), transfer.MaxListed-len(w.report.Refusals))]...)
	w.page = w.page[:0]
	if w.Progress != nil {
		w.Progress(w.report.Written+w.report.Refused, w.total)
	}
	return nil
}
