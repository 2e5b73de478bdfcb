package bus

import "sync/atomic"

// maxQueuedBytes bounds what waits in one queue, whatever its length.
const maxQueuedBytes = 32 << 20

// queue is a channel that is bounded in items and in bytes, and into which a
// push never blocks. Take from items and then call taken.
type queue[T interface{ size() int }] struct {
	items chan T
	bytes atomic.Int64
}

func newQueue[T interface{ size() int }](length int) *queue[T] {
	return &queue[T]{items: make(chan T, length)}
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
	case q.items <- item:
		return true
	default:
		q.bytes.Add(-size)
		return false
	}
}

func (q *queue[T]) taken(item T) { q.bytes.Add(-int64(item.size())) }
