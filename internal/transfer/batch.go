package transfer

import (
	"cmp"
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// maxBatch bounds how many readings are held before they are written.
const maxBatch = 5 * store.MaxLimit

// batch collects the readings of many devices, so that they are written many at
// once and in the order of time: what comes late costs the archive more. It is safe
// for concurrent use; while it is written, whoever adds to it waits.
type batch struct {
	target patient
	found  *found

	mu       sync.Mutex
	readings []wattline.Reading
}

func (b *batch) add(ctx context.Context, page []wattline.Reading) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.readings = append(b.readings, page...); len(b.readings) < maxBatch {
		return nil
	}
	return b.write(ctx)
}

// flush writes what there is.
func (b *batch) flush(ctx context.Context) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.write(ctx)
}

// write is for who has the lock.
func (b *batch) write(ctx context.Context) error {
	slices.SortFunc(b.readings, func(x, y wattline.Reading) int {
		return cmp.Or(x.Time.Compare(y.Time.Time), cmp.Compare(x.Device, y.Device))
	})
	for page := range slices.Chunk(b.readings, store.MaxLimit) {
		refusals, err := Refusals(page, b.target.Write(ctx, page))
		if err != nil {
			return err
		}
		b.found.refuse(refusals)
	}
	b.readings = b.readings[:0]
	return nil
}

// stretchOf is how much of a day to move at a time: about a batch, and an hour at
// the least. Longer ones would have devices come late after one another.
func stretchOf(held []holding) time.Duration {
	perDay := 0.0
	for _, h := range held {
		days := max(1, h.last.Sub(h.first).Hours()/day.Hours())
		perDay += float64(h.readings) / days
	}
	const hours = 24
	return day / time.Duration(min(hours, 1+int(perDay/maxBatch)))
}
