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

const defaultPatience = 2 * time.Minute

// patiently does something over again while the store is away, for so long.
func patiently(ctx context.Context, patience time.Duration, do func() error) error {
	attempt := func() (struct{}, error) {
		err := do()
		away, ok := errors.AsType[*store.UnavailableError](err)
		switch {
		case err == nil || ctx.Err() != nil || !ok:
			return struct{}{}, permanent(err)
		case away.RetryAfter > 0:
			return struct{}{}, errors.Join(err, backoff.RetryAfter(int(away.RetryAfter.Seconds())+1))
		}
		return struct{}{}, err
	}
	_, err := backoff.Retry(ctx, attempt, backoff.WithMaxElapsedTime(patience))
	if away, ok := errors.AsType[*store.UnavailableError](err); ok {
		return fmt.Errorf("gave up after %v; once it is back the same command goes on from here: %w", patience, away)
	}
	return err
}

func permanent(err error) error {
	if err == nil {
		return nil
	}
	return backoff.Permanent(err)
}

// patient is a store that is asked over again while it is away.
type patient struct {
	store.Store

	patience time.Duration
}

// Readings is the store's.
func (p patient) Readings(ctx context.Context, query store.Query) (page []wattline.Reading, err error) {
	err = patiently(ctx, p.patience, func() (err error) {
		page, err = p.Store.Readings(ctx, query)
		return err
	})
	return page, err
}

// Summaries is the store's.
func (p patient) Summaries(ctx context.Context, query store.SummaryQuery) (all []store.Series, err error) {
	err = patiently(ctx, p.patience, func() (err error) {
		all, err = p.Store.Summaries(ctx, query)
		return err
	})
	return all, err
}
