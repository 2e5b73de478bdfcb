package persist

import (
	"slices"
	"time"

	"github.com/wattline/wattline"
)

// linger is how long a batch waits for company after a quiet time.
const linger = 50 * time.Millisecond

// pending is the live readings that wait to be written, in their order.
type pending struct {
	// readings wait from head on. Their memory is used again and again.
	readings []wattline.Reading
	head     int
	// first is when the oldest of them came.
	first time.Time
}

func (p *pending) len() int { return len(p.readings) - p.head }

func (p *pending) add(reading wattline.Reading, now time.Time) {
	if p.len() == 0 {
		p.first = now
	}
	p.readings = append(p.readings, reading)
}

// take puts the next batch in the place of what was in batch.
func (p *pending) take(batch []wattline.Reading, most int, now time.Time) []wattline.Reading {
	n := min(most, p.len())
	batch = append(batch[:0], p.readings[p.head:p.head+n]...)
	p.head += n
	p.first = now
	if p.head >= p.len() {
		p.readings = slices.Delete(p.readings, 0, p.head)
		p.head = 0
	}
	return batch
}

// putBack returns a batch that was taken last.
func (p *pending) putBack(batch []wattline.Reading) {
	p.readings = slices.Concat(batch, p.readings[p.head:])
	p.head = 0
}

// wait is how long until the next batch is due: nothing when it is full, else
// until one interval after the batch before, but time enough for what comes
// together to be written together. ok is false when nothing waits.
func (p *pending) wait(full int, interval time.Duration, before, now time.Time) (wait time.Duration, ok bool) {
	switch {
	case p.len() == 0:
		return 0, false
	case p.len() >= full:
		return 0, true
	}
	due := p.first.Add(linger)
	if next := before.Add(interval); next.After(due) {
		due = next
	}
	return max(0, due.Sub(now)), true
}
