package quarters

import (
	"context"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline/internal/store"
)

const (
	// tendEvery is how often Upkeep looks for what is to be sealed.
	tendEvery = time.Minute
	// farthest is a day after all readings, in the year 2200.
	farthest Day = 84_006
)

// Upkeep seals quarter-hours until the context ends, and returns nil then. Every
// minute it seals what has ended, an hour at a time, and what late readings
// un-sealed. When it starts, and when it has lost track, it goes through all days
// of all devices, the newest first, at a quarter of the time there is. Failures
// are logged and tried again.
func (k *Keeper) Upkeep(ctx context.Context) error {
	var group errgroup.Group
	for _, task := range []func(context.Context) error{k.tend, k.pass} {
		group.Go(func() error {
			k.repeat(ctx, task)
			return nil
		})
	}
	return group.Wait()
}

// repeat does a task every minute.
func (k *Keeper) repeat(ctx context.Context, task func(context.Context) error) {
	ticker := time.NewTicker(tendEvery)
	defer ticker.Stop()
	for ctx.Err() == nil {
		if err := task(ctx); err != nil && ctx.Err() == nil {
			k.log.Warn("cannot bring the quarter-hours up to date; they are tried again, and questions answered from the readings", "error", err)
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
		}
	}
}

// tend seals what has ended since it was called last, and what late readings
// un-sealed.
func (k *Keeper) tend(ctx context.Context) error {
	devices, err := k.options.Raw.Devices(ctx)
	if err != nil {
		return err
	}
	if err := k.findFrontier(ctx, devices); err != nil {
		return err
	}
	limit := k.gate.limit(k.now())
	done := k.progress(limit)
	for day := dayOf(limit - 1); done < limit && day >= dayOf(done); day-- {
		if err := k.sealAll(ctx, devices, day, limit); err != nil {
			return err
		}
	}
	for day, devices := range k.gate.neglected() {
		if err := k.sealAll(ctx, devices, day, limit); err != nil {
			return err
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.sealed = max(done, limit)
	return nil
}

// progress is from where on there may be something to seal up to a limit. More
// than a day is left to a pass.
func (k *Keeper) progress(limit int64) int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.sealed >= limit-dayMS {
		return k.sealed
	}
	if k.sealed != 0 {
		k.passed = false
	}
	return limit - dayMS
}

// sealedTo is up to where tend has been.
func (k *Keeper) sealedTo() int64 {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.sealed
}

func (k *Keeper) sealAll(ctx context.Context, devices []string, day Day, limit int64) error {
	for some := range slices.Chunk(devices, sealAtOnce) {
		if _, err := k.seal(ctx, job{devices: some, from: day, to: day, limit: limit}); err != nil {
			return err
		}
	}
	return nil
}

// findFrontier looks at what is sealed already when Upkeep begins. A clock that
// was ahead may have sealed what was the future.
func (k *Keeper) findFrontier(ctx context.Context, devices []string) error {
	if k.gate.known() {
		return nil
	}
	from := dayOf(settled(k.now())) - 1
	frontier := from.milli()
	for some := range slices.Chunk(devices, k.options.Chunk) {
		query := Query{Devices: some, From: from, To: farthest, Level: SealedOnly}
		err := k.options.Kept.Records(ctx, query, func(p *Packed) error {
			_, end := p.Sealed.span()
			frontier = max(frontier, p.Day.milli()+int64(end)*quartMS)
			return nil
		})
		if err != nil {
			return err
		}
	}
	k.gate.know(frontier)
	return nil
}

// Rebuild makes records anew, where readings are kept: see store.Store. What a
// record says of a quarter-hour of which readings are past their retention stays. It is
// for the process that writes.
func (k *Keeper) Rebuild(ctx context.Context, query store.RebuildQuery) (store.Rebuilt, error) {
	var all store.Rebuilt
	if err := query.Validate(); err != nil {
		return all, err
	}
	limit := k.gate.limit(k.now())
	last, stride := DayOf(query.To.Add(-1)), daysAtOnce(len(query.Devices))
	for day := DayOf(query.From); day <= last; day += stride {
		for some := range slices.Chunk(query.Devices, sealAtOnce) {
			one, err := k.seal(ctx, job{devices: some, from: day, to: min(last, day+stride-1), limit: limit, anew: true})
			if err != nil {
				return all, err
			}
			all.Days += one.Days
			all.Made += one.Made
			all.Changed += one.Changed
		}
	}
	return all, ctx.Err()
}
