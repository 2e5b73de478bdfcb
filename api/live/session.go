package live

import (
	"context"
	"math"
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
	timer          *time.Timer
	beats          beats
}

// beats are the instants at which a session looks for more: a pause apart, and each
// session's at a place of its own in the pause. If all did it together, who else wants
// to run would wait for a thousand writes.
type beats struct {
	first time.Time
	apart time.Duration
}

func (h *Hub) newBeats(now time.Time) beats {
	const golden = 0.618033988749895 // whose multiples are spread evenly, however many there are
	_, place := math.Modf(golden * float64(h.sessions.Add(1)))
	return beats{now.Add(-time.Duration(place * float64(h.options.Pause))), h.options.Pause}
}

// until is how long it is to the next one.
func (b beats) until(now time.Time) time.Duration { return b.apart - now.Sub(b.first)%b.apart }

// run returns why it ended: a *wattline.Error that the client is to be told, or what
// went wrong with the connection.
func (s *session) run(ctx context.Context) error {
	s.checked, s.wrote = time.Now(), time.Now()
	s.beats = s.feed.hub.newBeats(s.wrote)
	s.timer = time.NewTimer(0)
	defer s.timer.Stop()
	for ctx.Err() == nil {
		now := time.Now()
		if err := s.check(now); err != nil {
			return err
		}
		news, before := s.feed.hub.News(), s.feed.at
		messages, ended := s.feed.Take()
		if err := s.give(messages, now); err != nil {
			return err
		}
		if ended != nil {
			return ended
		}
		// Not each event wakes it: while there are any, it looks at its beats.
		wait := s.beats.until(now)
		if len(messages) == 0 && s.feed.at == before {
			wait = s.feed.hub.options.Heartbeat - now.Sub(s.wrote)
		} else {
			news = nil
		}
		if err := s.wait(ctx, news, wait); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// check asks again, once a second, what who listens may see.
func (s *session) check(now time.Time) error {
	if now.Sub(s.checked) < recheck {
		return nil
	}
	s.checked = now
	who, err := s.who()
	if err != nil {
		return err
	}
	return s.feed.Allow(who)
}

// give hands over what there is. A connection on which nothing happened gets a beat.
func (s *session) give(messages []Message, now time.Time) error {
	switch {
	case len(messages) > 0:
		s.wrote = now
		return s.write(messages)
	case now.Sub(s.wrote) >= s.feed.hub.options.Heartbeat:
		s.wrote = now
		return s.beat()
	}
	return nil
}

// wait is for so long, a request, or the first beat after there is news; a nil channel
// has none.
func (s *session) wait(ctx context.Context, news <-chan struct{}, most time.Duration) error {
	s.timer.Reset(min(most, recheck-time.Since(s.checked)))
	select {
	case <-ctx.Done():
	case <-news:
		return s.wait(ctx, nil, s.beats.until(time.Now()))
	case request := <-s.requests:
		return s.answer(request)
	case <-s.timer.C:
	}
	return nil
}
