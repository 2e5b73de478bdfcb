package transfer_test

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
)

// fault is what becomes of a call.
type fault string

const (
	none   fault = ""
	away   fault = "away"                // a store that will be back
	before fault = "killed before it"    // the process ends
	after  fault = "killed after it"     // the store has done it, and nobody heard
	half   fault = "half of it is taken" // and then the store is away
)

func kinds() []fault { return []fault{none, none, none, away, before, after, half} }

var errKilled = errors.New("killed")

// faulty is a store whose calls fail as planned, in their order, and then no more.
type faulty struct {
	*storetest.Memory

	mu     sync.Mutex
	faults []fault
}

func (f *faulty) next() fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	if len(f.faults) == 0 {
		return none
	}
	next := f.faults[0]
	f.faults = f.faults[1:]
	return next
}

func (f *faulty) Write(ctx context.Context, readings []wattline.Reading) error {
	switch f.next() {
	case away:
		return &store.UnavailableError{Err: errors.New("away"), RetryAfter: time.Second}
	case before:
		return errKilled
	case after:
		return errors.Join(f.Memory.Write(ctx, readings), errKilled)
	case half:
		err := f.Memory.Write(ctx, readings[:len(readings)/2])
		return errors.Join(err, &store.UnavailableError{Err: errors.New("away")})
	}
	return f.Memory.Write(ctx, readings)
}

func (f *faulty) Devices(ctx context.Context) ([]string, error) {
	switch f.next() {
	case away, half:
		return nil, &store.UnavailableError{Err: errors.New("away")}
	case before, after:
		return nil, errKilled
	}
	return f.Memory.Devices(ctx)
}

func (f *faulty) Readings(ctx context.Context, query store.Query) ([]wattline.Reading, error) {
	switch f.next() {
	case away, half:
		return nil, &store.UnavailableError{Err: errors.New("away")}
	case before, after:
		return nil, errKilled
	}
	return f.Memory.Readings(ctx, query)
}

func (f *faulty) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	switch f.next() {
	case away, half:
		return nil, &store.UnavailableError{Err: errors.New("away")}
	case before, after:
		return nil, errKilled
	}
	return f.Memory.Summaries(ctx, query)
}

// picky refuses what it is told to.
type picky struct {
	*storetest.Memory

	refuses func(wattline.Reading) string
}

func (p picky) Write(ctx context.Context, readings []wattline.Reading) error {
	var refused []store.RefusedReading
	var taken []wattline.Reading
	for i, r := range readings {
		if reason := p.refuses(r); reason != "" {
			refused = append(refused, store.RefusedReading{Index: i, Reason: reason})
		} else {
			taken = append(taken, r)
		}
	}
	if err := p.Memory.Write(ctx, taken); err != nil || refused == nil {
		return err
	}
	return &store.RefusedError{Readings: refused}
}
