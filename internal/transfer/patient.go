package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// DefaultPatience is for how long a store may be away before a task is given up.
const DefaultPatience = 2 * time.Minute

// Patient is a store that is asked over again, for so long, while it is away.
func Patient(of store.Store, patience time.Duration) store.Store { return patient{of, patience} }

type patient struct {
	store.Store

	patience time.Duration
}

// Write is the store's.
func (p patient) Write(ctx context.Context, readings []wattline.Reading) error {
	return p.insist(ctx, func() error { return p.Store.Write(ctx, readings) })
}

// Readings is the store's.
func (p patient) Readings(ctx context.Context, query store.Query) (page []wattline.Reading, err error) {
	err = p.insist(ctx, func() (err error) {
		page, err = p.Store.Readings(ctx, query)
		return err
	})
	return page, err
}

// Summaries is the store's.
func (p patient) Summaries(ctx context.Context, query store.SummaryQuery) (all []store.Series, err error) {
	err = p.insist(ctx, func() (err error) {
		all, err = p.Store.Summaries(ctx, query)
		return err
	})
	return all, err
}

// Devices is the store's.
func (p patient) Devices(ctx context.Context) (devices []string, err error) {
	err = p.insist(ctx, func() (err error) {
		devices, err = p.Store.Devices(ctx)
		return err
	})
	return devices, err
}

// Adopt is the store's, if it is an Adopter; otherwise nothing is adopted.
func (p patient) Adopt(ctx context.Context, series []store.Series) error {
	adopter, ok := p.Store.(Adopter)
	if !ok {
		return nil
	}
	return p.insist(ctx, func() error { return adopter.Adopt(ctx, series) })
}

func (p patient) insist(ctx context.Context, do func() error) error {
	attempt := func() (struct{}, error) {
		err := do()
		away, ok := errors.AsType[*store.UnavailableError](err)
		switch {
		case err == nil:
			return struct{}{}, nil
		case !ok || ctx.Err() != nil:
			return struct{}{}, backoff.Permanent(err)
		case away.RetryAfter > 0:
			err = errors.Join(err, backoff.RetryAfter(int(away.RetryAfter.Seconds())+1))
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, attempt, backoff.WithMaxElapsedTime(p.patience))
	if away, ok := errors.AsType[*store.UnavailableError](err); ok {
		return fmt.Errorf("gave up after %v; once it is back the same command goes on: %w", p.patience, away)
	}
	return err
}

// Refusals takes the readings that were refused for good out of the error of a
// write.
func Refusals(readings []wattline.Reading, err error) ([]Refusal, error) {
	refused, ok := errors.AsType[*store.RefusedError](err)
	if !ok {
		return nil, err
	}
	refusals := make([]Refusal, len(refused.Readings))
	for i, r := range refused.Readings {
		refusals[i] = Refusal{readings[r.Index].Device, readings[r.Index].Time, r.Reason}
	}
	return refusals, nil
}
