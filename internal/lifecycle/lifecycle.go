// Package lifecycle runs the parts of a process: started in order, ended in the
// opposite order, so that what others write to starts first and stops last.
package lifecycle

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"
)

// stopWithin bounds how long a part may take to end.
const stopWithin = 10 * time.Second

// Stack holds the running parts of a process. Make it with New. Its methods are
// for one goroutine, but Failed may be waited for by any.
type Stack struct {
	log    *slog.Logger
	parts  []part
	once   sync.Once
	failed chan struct{}
	cause  error
}

type part struct {
	name  string
	end   func()
	ended chan error
}

// New makes an empty stack.
func New(log *slog.Logger) *Stack {
	return &Stack{log: log, failed: make(chan struct{})}
}

// Go runs a part until the stack is stopped. A part that returns before that,
// with an error or without, closes Failed.
func (s *Stack) Go(name string, run func(context.Context) error) {
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() {
		err := run(ctx)
		if ctx.Err() == nil {
			s.fail(name, err)
		} else if errors.Is(err, context.Canceled) {
			err = nil
		}
		ended <- err
	}()
	s.parts = append(s.parts, part{name: name, end: cancel, ended: ended})
}

// Defer has a part closed in its turn.
func (s *Stack) Defer(name string, closePart func() error) {
	ended := make(chan error, 1)
	end := func() { go func() { ended <- closePart() }() }
	s.parts = append(s.parts, part{name: name, end: end, ended: ended})
}

func (s *Stack) fail(name string, err error) {
	if err == nil {
		err = errors.New("ended by itself")
	}
	s.once.Do(func() {
		s.cause = fmt.Errorf("%s: %w", name, err)
		close(s.failed)
	})
}

// Failed is closed when a part has ended by itself; Cause then says which.
func (s *Stack) Failed() <-chan struct{} { return s.failed }

// Cause is why Failed was closed; call it only after that.
func (s *Stack) Cause() error { return s.cause }

// Stop ends the parts one by one, the last started first. A part that takes too
// long is left behind and named in the error.
func (s *Stack) Stop() error {
	var failures []error
	for _, p := range slices.Backward(s.parts) {
		p.end()
		select {
		case err := <-p.ended:
			if err != nil {
				failures = append(failures, fmt.Errorf("%s: %w", p.name, err))
			}
			s.log.Debug("ended", "part", p.name)
		case <-time.After(stopWithin):
			failures = append(failures, fmt.Errorf("%s has not ended within %v", p.name, stopWithin))
		}
	}
	s.parts = nil
	return errors.Join(failures...)
}
