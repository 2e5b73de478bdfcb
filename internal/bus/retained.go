package bus

import (
	"container/list"
	"context"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// retainedStore holds the latest payload of every retained topic that this
// process owns, and which of them the present connection has yet to send. A
// topic waits at most once: a newer payload takes the place of the older.
type retainedStore struct {
	max int

	mu      sync.Mutex
	items   map[string]*retainedItem
	waiting *list.List    // of *retainedItem, the longest waiting first
	wake    chan struct{} // of the connection that may send
}

type retainedItem struct {
	message outgoing
	version uint64
	waits   bool
}

func newRetainedStore(limit int) *retainedStore {
	return &retainedStore{max: limit, items: make(map[string]*retainedItem), waiting: list.New()}
}

// set remembers a payload; an empty one deletes the topic on the broker. It
// reports whether there was room.
func (r *retainedStore) set(message outgoing) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	item := r.items[message.topic]
	if item == nil {
		if len(r.items) >= r.max {
			return false
		}
		item = &retainedItem{}
		r.items[message.topic] = item
	}
	item.message = message
	item.version++
	r.await(item)
	return true
}

func (r *retainedStore) await(item *retainedItem) {
	if !item.waits {
		item.waits = true
		r.waiting.PushBack(item)
	}
	wake.Up(r.wake) // a nil channel before the first connection
}

// attach makes everything wait for a new connection, which is known by its wake
// channel. The connection before it gets nothing more.
func (r *retainedStore) attach(wake chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.wake = wake
	for _, item := range r.items {
		r.await(item)
	}
}

// next takes the topic that has waited longest.
func (r *retainedStore) next(wake chan struct{}) (outgoing, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	first := r.waiting.Front()
	if first == nil || r.wake != wake {
		return outgoing{}, false
	}
	item, ok := r.waiting.Remove(first).(*retainedItem)
	if !ok {
		return outgoing{}, false
	}
	item.waits = false
	message := item.message
	if len(message.payload) == 0 {
		version := item.version
		message.confirmed = func() { r.forget(item, version) }
	}
	return message, true
}

// forget ends a deletion that the broker has acknowledged.
func (r *retainedStore) forget(item *retainedItem, version uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if item.version == version && !item.waits {
		delete(r.items, item.message.topic)
	}
}

func (r *retainedStore) len() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.items)
}

// Retain publishes the latest value of a retained topic that this process owns:
// now if there is a connection, and again on every new one, for a broker may
// come back empty. A nil payload deletes the topic, on the next connection at
// the latest. Values that follow one another faster than the connection takes
// them are skipped over. Errors are of the codes invalid, too_large and busy
// (more topics than MaxRetained); being without a connection is none.
func (b *Bus) Retain(ctx context.Context, topic wattline.Topic, payload any) error {
	text, how, err := b.openTopic(topic)
	if err != nil {
		return err
	}
	if !how.retain {
		return wattline.Invalid(wattline.FieldError{Field: "topic", Reason: "kind " + string(topic.Kind) + " is not retained"})
	}
	message := outgoing{topic: text, delivery: how}
	if payload != nil {
		if message.payload, err = b.encode(payload); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return wattline.AsError(err)
	}
	if !b.retained.set(message) {
		b.metrics.dropped.With("retained full").Inc()
		return wattline.Errorf(wattline.CodeBusy, "this process retains %d topics, which is all it may", b.options.MaxRetained)
	}
	return nil
}
