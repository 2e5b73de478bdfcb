package live

import (
	"context"
	"time"

	"github.com/wattline/wattline/internal/access"
)

// recheck is how long rights may have changed before that is noticed.
const recheck = time.Second

// session carries a feed to a client until either ends.
type session struct {
	feed *Feed
	// who tells by what holds now who listens, or why they may no longer.
	who func() (access.Principal, error)
	// write hands a batch to the client and returns when it is taken.
	write func([]Message) error
	// beat shows the client that the gateway is there.
	beat func() error
	// requests are what the client says, and answer does as it says; nil if it has
	// no say.
	requests <-chan []byte
	answer   func([]byte) error

	checked, wrote time.Time
}

// run returns why it ended: a *wattline.Error that the client is to be told, or what
// went wrong with the connection.
func (s *session) run(ctx context.Context) error {
	s.checked, s.wrote = time.Now(), time.Now()
	for ctx.Err() == nil {
		if err := s.check(); err != nil {
			return err
		}
		news := s.feed.hub.News()
		wait := s.feed.hub.options.Heartbeat - time.Since(s.wrote)
		messages, ended := s.feed.Take()
		if len(messages) > 0 {
			began := time.Now()
			if err := s.write(messages); err != nil {
				return err
			}
			s.wrote = time.Now()
			news, wait = nil, s.feed.hub.options.Pause-s.wrote.Sub(began)
		}
		if ended != nil {
			return ended
		}
		if err := s.wait(ctx, news, wait); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// check asks again, once a second, what who listens may see.
func (s *session) check() error {
	if time.Since(s.checked) < recheck {
		return nil
	}
	s.checked = time.Now()
	who, err := s.who()
	if err != nil {
		return err
	}
	return s.feed.Allow(who)
}

// wait is for news, a request, or for so long; a nil channel has no news. A
// connection on which nothing happened gets a beat.
func (s *session) wait(ctx context.Context, news <-chan struct{}, most time.Duration) error {
	timer := time.NewTimer(min(max(most, 0), recheck-time.Since(s.checked)))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-news:
	case request := <-s.requests:
		return s.answer(request)
	case <-timer.C:
	}
	if time.Since(s.wrote) < s.feed.hub.options.Heartbeat {
		return nil
	}
	s.wrote = time.Now()
	return s.beat()
}
