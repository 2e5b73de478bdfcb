package sqlite

import (
	"context"
	"time"
)

// Gather adds to a batch what waits in a queue, until it has as many as are wanted in
// one transaction. It does not wait for more to come.
func Gather[T any](batch []T, queue <-chan T, most int) []T {
	for len(batch) < most {
		select {
		case next := <-queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// Gatherer makes batches of what comes through a queue, each for one transaction: at
// once after a quiet time, else Every after the batch before was made, so that many
// share what a transaction costs. One that is full or has something urgent does not
// wait. It belongs to one goroutine.
type Gatherer[T any] struct {
	Queue <-chan T
	Most  int
	Every time.Duration
	// Urgent is nil where nothing is.
	Urgent func(T) bool

	before time.Time
}

// Next is the batch that begins with first. It does not wait any more when ctx ends.
func (g *Gatherer[T]) Next(ctx context.Context, first T) []T {
	timer := time.NewTimer(time.Until(g.before.Add(g.Every)))
	defer timer.Stop()
	batch := []T{first}
	for waiting := true; waiting && len(batch) < g.Most && !g.isUrgent(batch[len(batch)-1]); {
		select {
		case next := <-g.Queue:
			batch = append(batch, next)
		case <-timer.C:
			waiting = false
		case <-ctx.Done():
			waiting = false
		}
	}
	batch = Gather(batch, g.Queue, g.Most)
	g.before = time.Now()
	return batch
}

func (g *Gatherer[T]) isUrgent(item T) bool { return g.Urgent != nil && g.Urgent(item) }
