package bus

import (
	"context"
	"sync/atomic"
)

// maxQueuedBytes bounds what waits in one queue, whatever its length.
const maxQueuedBytes = 32 << 20

// queue is a channel that is bounded in items and in bytes, and into which a
// push never blocks. Take from items and then call taken.
type queue[T interface{ size() int }] struct {
	items chan *T // a large one that is empty takes little room
	bytes atomic.Int64
}

func newQueue[T interface{ size() int }](length int) *queue[T] {
	return &queue[T]{items: make(chan *T, length)}
}

// push reports whether there was room. An item larger than all the room there
// is gets into an empty queue only.
func (q *queue[T]) push(item T) bool {
	size := int64(item.size())
	if held := q.bytes.Add(size); held > maxQueuedBytes && held > size {
		q.bytes.Add(-size)
		return false
	}
	select {
	case q.items <- &item:
		return true
	default:
		q.bytes.Add(-size)
		return false
	}
}

// work does what is queued, until the context ends or done is closed.
func (q *queue[T]) work(ctx context.Context, done <-chan struct{}, do func(T)) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-done:
			return
		case item := <-q.items:
			q.taken(item)
			do(*item)
		}
	}
}

func (q *queue[T]) taken(item *T) { q.bytes.Add(-int64((*item).size())) }
