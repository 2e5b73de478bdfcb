package archive

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// retryEvery is how often it is tried to open the TSDB anew.
const retryEvery = time.Second

var errNotOpen = errors.New("the archive could not be opened anew")

// Write keeps the readings and syncs them. See store.Store.
func (a *Archive) Write(ctx context.Context, readings []wattline.Reading) error {
	if len(readings) == 0 {
		return nil
	}
	if err := a.takeTurn(ctx); err != nil {
		return err
	}
	defer a.leaveTurn()
	if err := a.ready(ctx); err != nil {
		a.metrics.failed.Inc()
		return err
	}
	b := &batch{readings: readings}
	if err := a.keep(ctx, b); err != nil {
		a.metrics.failed.Inc()
		return err
	}
	a.count(b)
	return b.refusal()
}

// keep puts what is new of a batch on disk.
func (a *Archive) keep(ctx context.Context, b *batch) error {
	written := func() {}
	defer func() { written() }()
	err := a.use(func(db *tsdb.DB) error {
		a.sort(b)
		if err := dropKnown(ctx, db, a.matchers, b); err != nil {
			return err
		}
		done, err := a.keeper.Writing(ctx, b.remaining())
		if err != nil {
			return err
		}
		written = done
		return a.commit(ctx, db, b)
	})
	if err != nil {
		return err
	}
	return a.sync()
}

// batch is a write in the making; its lists hold indices of readings.
type batch struct {
	readings []wattline.Reading
	devices  []*device // of the readings
	fresh    []int     // newer than all that is kept of their devices
	late     []int     // perhaps kept already
	repeated int
	refused  []store.RefusedReading
}

// remaining are the readings to be written.
func (b *batch) remaining() []wattline.Reading {
	if len(b.fresh)+len(b.late) == len(b.readings) {
		return b.readings
	}
	var readings []wattline.Reading
	for _, i := range slices.Concat(b.fresh, b.late) {
		readings = append(readings, b.readings[i])
	}
	return readings
}

func (b *batch) refuse(index int, reason string) {
	b.refused = append(b.refused, store.RefusedReading{Index: index, Reason: reason})
}

func (b *batch) refusal() error {
	if len(b.refused) == 0 {
		return nil
	}
	slices.SortFunc(b.refused, func(x, y store.RefusedReading) int { return x.Index - y.Index })
	return &store.RefusedError{Readings: b.refused}
}

// sort tells fresh readings from late and impossible ones. Readings in the order
// of time, as they come nearly always, are all fresh.
func (a *Archive) sort(b *batch) {
	now := a.now()
	b.devices = make([]*device, len(b.readings))
	for i := range b.readings {
		reading := &b.readings[i]
		if reason := store.Refusal(*reading, now, a.options.Retention); reason != "" {
			b.refuse(i, reason)
			continue
		}
		known, ok := a.devices[reading.Device]
		if !ok {
			known = newDevice(reading.Device, a.newest)
			a.devices[reading.Device] = known
		}
		b.devices[i] = known
		if at := milli(reading.Time); at > known.newest {
			known.newest = at
			b.fresh = append(b.fresh, i)
		} else {
			b.late = append(b.late, i)
		}
	}
}

// commit hands the batch's readings to the TSDB, all fields of one or none.
func (a *Archive) commit(ctx context.Context, db *tsdb.DB, b *batch) error {
	todo := slices.Concat(b.fresh, b.late)
	for len(todo) > 0 {
		app := db.Appender(ctx)
		torn, err := a.append(app, b, todo)
		if err != nil {
			return errors.Join(unavailable(err), a.logged(app.Rollback()))
		}
		if torn < 0 {
			return a.logged(app.Commit())
		}
		// Some fields of this one were taken and another was not: begin again
		// without it.
		if err := a.logged(app.Rollback()); err != nil {
			return err
		}
		todo = slices.DeleteFunc(todo, func(i int) bool { return isRefused(b, i) })
	}
	return nil
}

// logged takes what came of a write to the log. A record that got there in part, as
// where the disk is full, hides all that is written behind it from the next start,
// so the log is mended before anything is.
func (a *Archive) logged(err error) error {
	if err == nil {
		return nil
	}
	a.broken = true
	return unavailable(err)
}

// append returns the index of a reading that was refused after some of its
// fields had been taken, or -1. The fields that summaries read come last: of a
// reading that a crash cut short, a summary has nothing either.
func (a *Archive) append(app storage.Appender, b *batch, todo []int) (int, error) {
	for _, i := range todo {
		known := b.devices[i]
		values, at := sampleOf(&b.readings[i]), milli(b.readings[i].Time)
		for f := fieldCount - 1; f >= 0; f-- {
			ref, err := app.Append(known.refs[f], known.labels[f], at, values[f])
			if err == nil {
				known.refs[f] = ref
				continue
			}
			reason := refusedBy(err)
			if reason == "" {
				return -1, fmt.Errorf("append a reading of %s: %w", b.readings[i].Device, err)
			}
			b.refuse(i, reason)
			if f < fieldCount-1 {
				return i, nil
			}
			break
		}
	}
	return -1, nil
}

func isRefused(b *batch, index int) bool {
	return slices.ContainsFunc(b.refused, func(r store.RefusedReading) bool { return r.Index == index })
}

// refusedBy is why the TSDB will never take a sample, or empty.
func refusedBy(err error) string {
	switch {
	case errors.Is(err, storage.ErrTooOldSample), errors.Is(err, storage.ErrOutOfBounds), errors.Is(err, storage.ErrOutOfOrderSample):
		return "time lies too far before the newest reading that is kept"
	case errors.Is(err, storage.ErrDuplicateSampleForTimestamp):
		return "another reading of its device and time is kept in part"
	}
	return ""
}

// sync puts what was committed on disk. Where that fails, what the TSDB has in
// memory may not be what the disk has, so it is opened anew before it is used
// again.
func (a *Archive) sync() error {
	if err := a.logs.sync(); err != nil {
		a.broken = true
		a.log.Error("the archive cannot be written", "dir", a.options.Dir, "error", err)
		return unavailable(err)
	}
	return nil
}

// ready is nil when something can be written. Without room nothing is opened anew
// either, for that takes some.
func (a *Archive) ready(ctx context.Context) error {
	if err := a.checkRoom(); err != nil {
		return err
	}
	return a.heal(ctx)
}

// heal opens the TSDB anew after a failure, not more often than retryEvery.
func (a *Archive) heal(ctx context.Context) error {
	a.open.RLock()
	whole, closed := a.db != nil && !a.broken, a.closed
	a.open.RUnlock()
	switch {
	case closed:
		return errClosed
	case whole:
		return nil
	case a.now().Before(a.retryAt):
		return unavailable(errNotOpen)
	}
	a.retryAt = a.now().Add(retryEvery)
	if err := a.reopen(ctx); err != nil {
		return unavailable(err)
	}
	a.log.Warn("opened the archive anew", "dir", a.options.Dir)
	return nil
}

func unavailable(err error) error { return &store.UnavailableError{RetryAfter: retryEvery, Err: err} }

func (a *Archive) takeTurn(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	select {
	case a.turn <- struct{}{}:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (a *Archive) leaveTurn() { <-a.turn }

// count adds a written batch to the metrics, and asks for a merge when many
// readings came late.
func (a *Archive) count(b *batch) {
	written := len(b.readings) - b.repeated - len(b.refused)
	a.metrics.written.Add(float64(written))
	a.metrics.repeated.Add(float64(b.repeated))
	a.metrics.late.Add(float64(len(b.late)))
	a.metrics.refused.Add(float64(len(b.refused)))
	if a.late += len(b.late); a.late < mergeAfter {
		return
	}
	a.late = 0
	select {
	case a.merging <- struct{}{}:
	default: // it is at it
	}
}
