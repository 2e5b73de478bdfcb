package persist

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// outcome is what a store's error means.
type outcome string

const (
	outcomeKept          outcome = "kept"
	outcomeRefused       outcome = "refused"       // all others were kept
	outcomeUnavailable   outcome = "unavailable"   // try again
	outcomeMisconfigured outcome = "misconfigured" // a person must mend it
)

// How long to wait before a write is tried again.
const (
	firstRetry    = 200 * time.Millisecond
	longestRetry  = 30 * time.Second
	probeInterval = 30 * time.Second
	longestWait   = 10 * time.Minute // however long the store asks for
	growth        = 2
	jitter        = 0.5
	askedJitter   = 10 // a tenth on top of what the store asks for, at most
)

// decide names the meaning of a write's error, and the time that the store asked
// to be left alone.
func decide(err error) (outcome, time.Duration) {
	if err == nil {
		return outcomeKept, 0
	}
	if _, ok := errors.AsType[*store.RefusedError](err); ok {
		return outcomeRefused, 0
	}
	if errors.Is(err, store.ErrMisconfigured) {
		return outcomeMisconfigured, 0
	}
	if unavailable, ok := errors.AsType[*store.UnavailableError](err); ok {
		return outcomeUnavailable, min(unavailable.RetryAfter, longestWait)
	}
	return outcomeUnavailable, 0
}

// refusals takes apart what a store refused of a batch.
func refusals(err error, batch []wattline.Reading) []refusal {
	refused, ok := errors.AsType[*store.RefusedError](err)
	if !ok {
		return nil
	}
	var list []refusal
	for _, r := range refused.Readings {
		if r.Index >= 0 && r.Index < len(batch) {
			list = append(list, refusal{reading: batch[r.Index], reason: r.Reason})
		}
	}
	return list
}

// doubt tells whether a store that refuses readings as of the future is behind rather
// than whoever took them ahead: by the clocks of most collectors their time has come.
// Such readings are to be tried again, for nobody could tell later that they were good.
// Where as many say otherwise they are refused, so that one collector whose clock is
// ahead does not hold up the others.
func doubt(refused []refusal, instances []wattline.Presence) error {
	for _, r := range refused {
		if mayGoAgain(r.reason) {
			continue
		}
		come, ahead := 0, 0
		for _, p := range instances {
			switch {
			case p.Clock.IsZero() || !p.Serves(wattline.RoleCollector, ""):
			case r.reading.Time.After(p.Clock.Add(store.FutureTolerance)):
				ahead++
			default:
				come++
			}
		}
		if come > ahead {
			return &store.UnavailableError{Err: fmt.Errorf(
				"its clock is behind: a reading of %s is refused as of the future, but not by the clocks of %d of %d collectors; set the clocks",
				r.reading.Time, come, come+ahead)}
		}
	}
	return nil
}

// newBackoff is the pace of repeated tries.
func newBackoff(first, longest time.Duration) *backoff.ExponentialBackOff {
	pace := backoff.NewExponentialBackOff()
	pace.InitialInterval, pace.MaxInterval = first, longest
	pace.Multiplier, pace.RandomizationFactor = growth, jitter
	return pace
}

// waitAfter is how long to wait before the next try.
func waitAfter(what outcome, asked time.Duration, pace *backoff.ExponentialBackOff) time.Duration {
	next := pace.NextBackOff()
	if what == outcomeMisconfigured {
		return max(next, probeInterval)
	}
	if asked > 0 {
		asked += rand.N(asked/askedJitter + 1) // others were told the same
	}
	return max(next, asked)
}
