// Package throttle bounds how often something may be done, for each of any number of
// keys: addresses, names, tokens. It keeps a bounded number of them.
package throttle

import (
	"time"

	lru "github.com/hashicorp/golang-lru/v2"
	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
)

// Options are the bounds.
type Options struct {
	// PerSecond is how often it may be done in the long run, and Burst how often at
	// once; at least 1.
	PerSecond float64
	Burst     int
	// Keys is how many are kept, at least 1. The one that was looked at the longest
	// time ago is forgotten, and so may do it again.
	Keys int
}

// Throttle is a bucket of allowances for each key. Its methods are safe for
// concurrent use.
type Throttle struct {
	options Options
	buckets *lru.Cache[string, *rate.Limiter]
}

// New makes a throttle; all buckets are full.
func New(options Options) *Throttle {
	options.Keys, options.Burst = max(options.Keys, 1), max(options.Burst, 1)
	buckets, _ := lru.New[string, *rate.Limiter](options.Keys) // the one error is a size below 1
	return &Throttle{options, buckets}
}

// Take takes one allowance of a key. If there is none, nothing is taken, and it
// returns how long until there is one.
func (t *Throttle) Take(key string) (wait time.Duration) {
	now := time.Now()
	bucket := t.bucket(key)
	if bucket.AllowN(now, 1) {
		return 0
	}
	return t.until(bucket, now)
}

// Wait is how long until a key has an allowance; 0 if it has one now.
func (t *Throttle) Wait(key string) time.Duration {
	bucket, known := t.buckets.Get(key)
	if !known {
		return 0
	}
	return t.until(bucket, time.Now())
}

func (t *Throttle) until(bucket *rate.Limiter, now time.Time) time.Duration {
	lacking := 1 - bucket.TokensAt(now)
	if lacking <= 0 {
		return 0
	}
	return max(time.Duration(lacking/t.options.PerSecond*float64(time.Second)), 1)
}

func (t *Throttle) bucket(key string) *rate.Limiter {
	if bucket, known := t.buckets.Get(key); known {
		return bucket
	}
	fresh := rate.NewLimiter(rate.Limit(t.options.PerSecond), t.options.Burst)
	if first, known, _ := t.buckets.PeekOrAdd(key, fresh); known {
		return first
	}
	return fresh
}

// Exceeded is the error of what was done too often: CodeBusy, and for how long.
type Exceeded struct {
	Reason string
	Wait   time.Duration
}

func (e *Exceeded) Error() string { return e.Unwrap().Error() }

// Unwrap is what whoever asked is told.
func (e *Exceeded) Unwrap() error { return wattline.Errorf(wattline.CodeBusy, "%s", e.Reason) }

// RetryAfter is how long to wait.
func (e *Exceeded) RetryAfter() time.Duration { return e.Wait }
