package api

import "github.com/wattline/wattline/internal/throttle"

// rates bound how often each token and user may ask.
type rates struct{ throttle *throttle.Throttle }

// maxRated is how many of them are remembered; there are not more tokens and users.
const maxRated = 20_000

func newRates(limits Limits) rates {
	if limits.RequestsPerS < 0 {
		return rates{}
	}
	return rates{throttle.New(throttle.Options{PerSecond: limits.RequestsPerS, Burst: limits.Burst, Keys: maxRated})}
}

// take is an error where somebody has asked too often.
func (r rates) take(name string) error {
	if r.throttle == nil {
		return nil
	}
	if wait := r.throttle.Take(name); wait > 0 {
		return &throttle.Exceeded{Reason: "too many requests by " + name, Wait: wait}
	}
	return nil
}
