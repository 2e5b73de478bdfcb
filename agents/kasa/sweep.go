package kasa

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wattline/wattline/internal/pause"
)

const (
	// dialTimeout is long enough for a plug in a network of the same place.
	dialTimeout = time.Second
	// dialAtOnce is how many addresses are tried at once; most are silent, and take
	// the whole of dialTimeout.
	dialAtOnce = 128
)

// sweepAll tries every address at the pace given.
func (s *search) sweepAll(ctx context.Context) error {
	pace := rate.NewLimiter(rate.Limit(s.PerSecond), 1)
	var dialing errgroup.Group
	dialing.SetLimit(dialAtOnce)
	s.progress(0)
	s.sweep.each(func(at netip.AddrPort) bool {
		if s.Skip != nil && s.Skip(at) {
			s.progress(1)
			return true
		}
		if pace.Wait(ctx) != nil {
			return false
		}
		dialing.Go(func() error {
			s.try(ctx, at)
			s.progress(1)
			return nil
		})
		return true
	})
	_ = dialing.Wait() // none returns an error
	if s.socket != nil && s.sweep.total > 0 {
		_ = pause.For(ctx, dialTimeout) // for the answers to the last datagrams
	}
	return ctx.Err()
}

// try finds out whether something listens at an address. The connection is given
// up at once: a plug is asked in turn with all else that this client asks it.
func (s *search) try(ctx context.Context, at netip.AddrPort) {
	dialing, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	conn, err := s.client.options.Dial(dialing, "tcp", at.String())
	switch {
	case err == nil:
		_ = conn.Close()
		s.consider(ctx, candidate{at: at})
	case errors.Is(err, syscall.ECONNREFUSED) && s.socket != nil:
		// Somebody is there. KLAP firmware closes the port and answers this.
		s.socket.send(klapProbe(), netip.AddrPortFrom(at.Addr(), s.KLAPPort))
	}
}

func (s *search) progress(more int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tried += more
	if s.Progress != nil {
		s.Progress(s.tried, s.sweep.total)
	}
}
