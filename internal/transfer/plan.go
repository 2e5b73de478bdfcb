package transfer

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

const (
	day = 24 * time.Hour
	// oneSpan is longer than what a store may hold.
	oneSpan = 36_500 * day
	// askAtOnce is how many devices one question of the plan names: a store may have
	// to go through all of their readings for the answer.
	askAtOnce = 4
)

// holding is what the source has of a device in the task's time.
type holding struct {
	device string
	// first and last are its ends, and raw the first reading that is still kept as
	// such: before it there are quarter-hours alone.
	first, last, raw time.Time
	readings         int64
}

// plan is what there is to do.
type plan struct {
	holdings []holding // sorted by device
	until    time.Time
	total    int64
}

func makePlan(ctx context.Context, source store.Store, task Task) (plan, error) {
	devices, err := devicesOf(ctx, source, task.Devices)
	if err != nil {
		return plan{}, err
	}
	var p plan
	for some := range slices.Chunk(devices, askAtOnce) {
		held, err := holdingsOf(ctx, source, task, some)
		if err != nil {
			return plan{}, fmt.Errorf("ask the source what it has: %w", err)
		}
		p.holdings = append(p.holdings, held...)
	}
	if len(p.holdings) == 0 {
		return plan{}, ErrNothing
	}
	for _, h := range p.holdings {
		p.total += h.readings
		p.until = latest(p.until, h.last.Add(time.Millisecond))
	}
	return p, nil
}

// devicesOf are the task's devices, which the source must know.
func devicesOf(ctx context.Context, source store.Store, devices []string) ([]string, error) {
	known, err := source.Devices(ctx)
	if err != nil {
		return nil, fmt.Errorf("ask the source for its devices: %w", err)
	}
	if len(devices) == 0 {
		return known, nil
	}
	wanted := slices.Compact(slices.Sorted(slices.Values(devices)))
	for _, device := range wanted {
		if _, ok := slices.BinarySearch(known, device); !ok {
			return nil, fmt.Errorf("the source has nothing of a device %q", device)
		}
	}
	return wanted, nil
}

func holdingsOf(ctx context.Context, source store.Store, task Task, devices []string) ([]holding, error) {
	from, to := task.span()
	all, err := source.Summaries(ctx, store.SummaryQuery{Devices: devices, From: from, To: to, Every: oneSpan})
	if err != nil {
		return nil, err
	}
	var held []holding
	for _, series := range all {
		var whole wattline.Summary
		for _, span := range series.Spans {
			whole = whole.Merge(span.Summary)
		}
		if whole.Count > 0 {
			held = append(held, holding{
				device: series.Device, first: whole.First.Time.Time, last: whole.Last.Time.Time, readings: whole.Count,
			})
		}
	}
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(task.AtOnce)
	for i := range held {
		group.Go(func() (err error) {
			held[i].raw, err = firstRaw(ctx, source, held[i])
			return err
		})
	}
	return held, group.Wait()
}

// firstRaw is when the first reading was taken that is still kept; after all
// quarter-hours if none is.
func firstRaw(ctx context.Context, source store.Store, h holding) (time.Time, error) {
	page, err := source.Readings(ctx, store.Query{
		Devices: []string{h.device}, From: h.first, To: h.last.Add(time.Millisecond), Limit: 1,
	})
	if err != nil || len(page) == 0 {
		return h.last.Truncate(store.QuarterHour).Add(store.QuarterHour), err
	}
	return page[0].Time.Time, nil
}

// span is the task's time with its open ends closed.
func (t Task) span() (from, to time.Time) {
	from, to = t.Since, t.Until
	if from.IsZero() {
		from = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	if to.IsZero() {
		to = time.Date(2199, 1, 1, 0, 0, 0, 0, time.UTC)
	}
	return from, to
}

// ErrNothing is the error of a task with nothing to do, which would be done in no time
// and say that all is well.
var ErrNothing = errors.New("the source has no readings, of these devices and in this time")

var errRange = errors.New("--since must come before --until, both within the years 2000 to 2199")

// check refuses a range that no store would answer for.
func (t Task) check() error {
	from, to := t.span()
	if !from.Before(to) || from.Year() < 2000 || to.Year() > 2199 {
		return errRange
	}
	return nil
}

// days are those from the source's first to its last one.
func (p plan) days() iter.Seq[time.Time] {
	return func(yield func(time.Time) bool) {
		first := p.until
		for _, h := range p.holdings {
			first = earliest(first, h.first)
		}
		for at := first.Truncate(day); !at.After(p.lastDay()); at = at.Add(day) {
			if !yield(at) {
				return
			}
		}
	}
}

func (p plan) lastDay() time.Time { return p.until.Add(-time.Millisecond).Truncate(day) }

// on are the devices that may have something on a day, sorted.
func (p plan) on(start time.Time) []holding {
	var found []holding
	for _, h := range p.holdings {
		if h.first.Before(start.Add(day)) && !h.last.Before(start) {
			found = append(found, h)
		}
	}
	return found
}
