package live

import (
	"sync"

	"github.com/wattline/wattline"
)

// seats are the connections at once, of all and of each principal.
type seats struct {
	most, each int

	mu     sync.Mutex
	total  int
	taken  map[string]int
	closed bool
	open   sync.WaitGroup
}

// Sit takes a place for a connection of somebody; leave gives it back. Without one
// it is a CodeBusy error.
func (h *Hub) Sit(name string) (leave func(), err error) {
	if err := h.seats.take(name); err != nil {
		h.meters.refused.Inc()
		return nil, err
	}
	return sync.OnceFunc(func() { h.seats.give(name) }), nil
}

func (s *seats) take(name string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.closed:
		return errEnded()
	case s.taken[name] >= s.each:
		return wattline.Errorf(wattline.CodeBusy, "%d live connections of %s are open already; close one first", s.each, name)
	case s.total >= s.most:
		return wattline.Errorf(wattline.CodeBusy, "too many live connections are open already; try again later")
	}
	s.total++
	s.taken[name]++
	s.open.Add(1)
	return nil
}

func (s *seats) give(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	s.open.Done()
	if s.taken[name]--; s.taken[name] == 0 {
		delete(s.taken, name)
	}
}

// close lets nobody take a place any more.
func (s *seats) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
}

func (s *seats) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
