package transfer

import (
	"context"
	"errors"
	"iter"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Mismatch is a device's day on which the target does not have what the source
// has. A reading that the target refused is Missing there.
type Mismatch struct {
	Device string `json:"device"`
	Day    string `json:"day"`
	// Source and Target are how many readings each has.
	Source int64 `json:"source"`
	Target int64 `json:"target"`
	// Missing are those of the source that the target lacks, and Different those of
	// which it has other values.
	Missing   int64 `json:"missing"`
	Different int64 `json:"different"`
	// Extra are those that only the target has. They alone are no mismatch.
	Extra int64 `json:"extra"`
	// Quarters says that quarter-hours without readings are meant.
	Quarters bool `json:"quarters,omitempty"`
}

// explain holds a device's readings in the two stores against one another.
func (p *part) explain(ctx context.Context, device string) (Mismatch, error) {
	m := Mismatch{Device: device, Day: p.date()}
	source, stopSource := p.one(ctx, p.source, device)
	defer stopSource()
	target, stopTarget := p.one(ctx, p.target, device)
	defer stopTarget()
	a, errA, inSource := source()
	b, errB, inTarget := target()
	for inSource || inTarget {
		if err := errors.Join(errA, errB); err != nil {
			return m, err
		}
		order := 0
		switch {
		case !inTarget || inSource && a.Time.Before(b.Time.Time):
			order = -1
			m.Missing++
		case !inSource || b.Time.Before(a.Time.Time):
			order = 1
			m.Extra++
		default:
			if b.Time = a.Time; a != b { // instants are equal, however they are written
				m.Different++
			}
		}
		if order <= 0 {
			m.Source++
			a, errA, inSource = source()
		}
		if order >= 0 {
			m.Target++
			b, errB, inTarget = target()
		}
	}
	return m, nil
}

// one walks one device's readings of the part.
func (p *part) one(ctx context.Context, from store.Store, device string) (next func() (wattline.Reading, error, bool), stop func()) {
	query := p.query([]string{device}, p.from, p.to)
	return iter.Pull2(func(yield func(wattline.Reading, error) bool) {
		for page, err := range pages(ctx, from, query) {
			if err != nil {
				yield(wattline.Reading{}, err)
				return
			}
			for _, reading := range page {
				if !yield(reading, nil) {
					return
				}
			}
		}
	})
}
