package bus

import (
	"slices"
	"sync"
	"time"
)

// responders are all of a bus's.
type responders struct {
	mu  sync.Mutex
	all []*responder
}

func (r *responders) add(added *responder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = append(r.all, added)
}

func (r *responders) remove(gone *responder) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.all = slices.DeleteFunc(r.all, func(other *responder) bool { return other == gone })
}

func (r *responders) sweep(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, responder := range r.all {
		responder.memory.sweep(now)
	}
}

func (r *responders) remembered() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	total := 0
	for _, responder := range r.all {
		total += responder.memory.len()
	}
	return total
}
