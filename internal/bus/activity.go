package bus

import (
	"context"
	"sync"
)

// activity counts what is under way and lets one wait until nothing is.
type activity struct {
	mu    sync.Mutex
	count int
	ended chan struct{} // made by idle, closed when count gets to 0
}

func (a *activity) begin() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.count++
}

func (a *activity) end() {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.count--; a.count == 0 && a.ended != nil {
		close(a.ended)
		a.ended = nil
	}
}

// idle waits until nothing is under way, and reports whether that came before
// the end of the context. Only one may wait.
func (a *activity) idle(ctx context.Context) bool {
	a.mu.Lock()
	if a.count == 0 {
		a.mu.Unlock()
		return true
	}
	ended := make(chan struct{})
	a.ended = ended
	a.mu.Unlock()
	select {
	case <-ended:
		return true
	case <-ctx.Done():
		return false
	}
}
