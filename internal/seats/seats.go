// Package seats shares places fairly: so many at once in all, and at most so many of
// one holder.
package seats

import (
	"errors"
	"sync"

	"github.com/wattline/wattline"
)

// Options are the bounds. All and Each are at least 1.
type Options struct {
	// What the places are for, as it stands in the error: "requests are under way".
	What string
	// All at once, and Each of one holder.
	All, Each int
	// Kept of All are only for holders who may have these.
	Kept int
	// Refused is called for each who gets no place, with whose limit it was; nil for
	// nothing. It must be quick and take no place.
	Refused func(Limit)
}

// Limit tells whose limit was reached.
type Limit string

// The limits: of the one holder, or of all together.
const (
	OfOne Limit = "one"
	OfAll Limit = "all"
)

// Holder is whoever takes a place.
type Holder struct {
	// Name tells holders apart, and is in the error.
	Name string
	// Kept says that they may have the places that are kept.
	Kept bool
}

// ErrClosed is for who comes after Close.
var ErrClosed = errors.New("no places are given any more")

// Seats are the places. They are safe for concurrent use.
type Seats struct {
	options Options

	mu    sync.Mutex
	total int
	of    map[string]int
	empty chan struct{} // once closed to new holders; closed with the last one's leave
}

// New makes places; none is taken.
func New(options Options) *Seats {
	if options.Refused == nil {
		options.Refused = func(Limit) {}
	}
	return &Seats{options: options, of: map[string]int{}}
}

// Take takes a place; leave, which may be called again, gives it back. Without a place
// the error has CodeBusy, or is ErrClosed.
func (s *Seats) Take(by Holder) (leave func(), err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	most := s.options.All
	if !by.Kept {
		most -= s.options.Kept
	}
	switch {
	case s.empty != nil:
		return nil, ErrClosed
	case s.of[by.Name] >= s.options.Each:
		s.options.Refused(OfOne)
		return nil, s.full(s.options.Each, by.Name)
	case s.total >= most:
		s.options.Refused(OfAll)
		return nil, s.full(most, "all together")
	}
	s.total++
	s.of[by.Name]++
	return sync.OnceFunc(func() { s.give(by.Name) }), nil
}

func (s *Seats) full(most int, whose string) error {
	return wattline.Errorf(wattline.CodeBusy, "%d %s already, as many as %s may have at once; try again when one has ended",
		most, s.options.What, whose)
}

func (s *Seats) give(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.total--
	if s.of[name]--; s.of[name] == 0 {
		delete(s.of, name)
	}
	if s.empty != nil && s.total == 0 {
		close(s.empty)
	}
}

// Close lets nobody take a place any more. What it returns is closed when the last one
// is given back.
func (s *Seats) Close() (empty <-chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.empty == nil {
		s.empty = make(chan struct{})
		if s.total == 0 {
			close(s.empty)
		}
	}
	return s.empty
}

// Taken is how many places are taken.
func (s *Seats) Taken() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.total
}
