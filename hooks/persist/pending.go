package persist

import (
	"time"

	"github.com/wattline/wattline"
)

// linger is how long a batch waits for company after a quiet time.
const linger = 50 * time.Millisecond

// pending is the live readings that wait to be written, in their order.
type pending struct {
	readings []wattline.Reading
	// first is when the oldest of them came.
	first time.Time
}

func (p *pending) len() int { return len(p.readings) }

func (p *pending) add(reading wattline.Reading, now time.Time) {
	if len(p.readings) == 0 {
		p.first = now
	}
	p.readings = append(p.readings, reading)
}

// take is the next batch.
func (p *pending) take(most int, now time.Time) []wattline.Reading {
	n := min(most, len(p.readings))
	batch := p.readings[:n:n]
	p.readings = p.readings[n:]
	p.first = now
	if len(p.readings) == 0 {
		p.readings = nil
	}
	return batch
}

// wait is how long until the next batch is due: nothing when it is full, else
// until one interval after the batch before, but time enough for what comes
// together to be written together. ok is false when nothing waits.
func (p *pending) wait(full int, interval time.Duration, before, now time.Time) (wait time.Duration, ok bool) {
	switch {
	case len(p.readings) == 0:
		return 0, false
	case len(p.readings) >= full:
		return 0, true
	}
	due := p.first.Add(linger)
	if next := before.Add(interval); next.After(due) {
		due = next
	}
	return max(0, due.Sub(now)), true
}
