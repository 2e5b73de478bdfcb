package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/cenkalti/backoff/v5"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
)

const (
	firstPause   = 100 * time.Millisecond
	longestPause = 5 * time.Second
	// stable is how long a connection must have lasted to be followed by another
	// at once.
	stable = 5 * time.Second
	// shortLived connections in a row are a sign of another process of our name.
	shortLived = 3
	// echoTimeout is how long a new connection waits to hear its own presence.
	echoTimeout = 2 * time.Second
)

var errHandlersStuck = errors.New("handlers of the bus did not end with their context")

// Run connects, and keeps connected, until the context ends; then it stops in
// good order: it takes no new asks and answers new requests with busy, waits up
// to DrainTimeout for what was accepted, sends what is queued, ends its
// subscriptions, announces itself offline and disconnects. A broker that cannot
// be reached is no error: Run goes on trying. It can be called once.
func (b *Bus) Run(ctx context.Context) error {
	// What was accepted outlives ctx, until it is drained.
	life, end := context.WithCancel(context.WithoutCancel(ctx))
	defer end()
	var workers sync.WaitGroup
	if !b.begin(func(work func(context.Context)) { workers.Go(func() { work(life) }) }) {
		return errRunTwice
	}
	b.stayConnected(ctx)
	b.setState(stopped)
	end()
	return b.join(&workers)
}

func (b *Bus) begin(spawn func(func(context.Context))) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.state != notRun {
		return false
	}
	b.state, b.spawn = running, spawn
	for _, worker := range b.waiting {
		spawn(worker)
	}
	b.waiting = nil
	return true
}

func (b *Bus) setState(state runState) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.state = state
}

func (b *Bus) join(workers *sync.WaitGroup) error {
	joined := make(chan struct{})
	go func() {
		workers.Wait()
		close(joined)
	}()
	timer := time.NewTimer(writeTimeout + b.options.DrainTimeout)
	defer timer.Stop()
	select {
	case <-joined:
		return nil
	case <-timer.C:
		return errHandlersStuck
	}
}

// stayConnected goes from connection to connection until the context ends. Each
// attempt is at the next broker of the list; a pause follows when all were tried
// or when a connection did not last.
func (b *Bus) stayConnected(ctx context.Context) {
	pauses := backoff.NewExponentialBackOff()
	pauses.InitialInterval, pauses.MaxInterval = firstPause, longestPause
	var health health
	var helpers sync.WaitGroup // of all connections: one may take seconds to end
	defer helpers.Wait()
	for attempt := 0; ; attempt++ {
		to := b.brokers[attempt%len(b.brokers)]
		lasted, err := b.once(ctx, to, &helpers)
		if ctx.Err() != nil {
			b.drain(context.WithoutCancel(ctx), nil)
			return
		}
		b.mu.Lock()
		b.failure = err
		b.mu.Unlock()
		b.report(&health, to, lasted, err)
		if lasted >= stable {
			pauses.Reset()
			attempt = attempt % len(b.brokers)
			continue
		}
		if lasted == 0 && (attempt+1)%len(b.brokers) != 0 {
			continue
		}
		_ = pause.For(ctx, pauses.NextBackOff()) // the end of ctx shows above
	}
}

// health is what the log was last told about the connection.
type health struct {
	down  bool // it was said that there is none
	short int  // connections in a row that did not last
}

// report logs each change once, and repeats at the level of debug.
func (b *Bus) report(h *health, to broker, lasted time.Duration, err error) {
	if lasted > 0 {
		h.down = false
	}
	if h.down {
		b.log.Debug("no connection to the broker", "broker", to.String(), "err", err)
	} else {
		b.log.Warn("no connection to the broker, trying again", "broker", to.String(), "err", err)
	}
	h.down = true
	if lasted == 0 || lasted >= stable {
		h.short = 0
		return
	}
	if h.short++; h.short == shortLived {
		b.log.Error("the broker ends every connection soon after it was made: "+
			"is there another process of the same instance name?", "broker", to.String(), "err", err)
	}
}

// once makes a connection and serves it to its end. It returns how long it
// lasted, 0 if it never was one, and why it ended.
func (b *Bus) once(ctx context.Context, to broker, helpers *sync.WaitGroup) (time.Duration, error) {
	s, err := b.connect(ctx, to, helpers)
	if err != nil {
		return 0, err
	}
	began := time.Now()
	b.metrics.connections.Inc()
	for _, helper := range []func(*session){b.writeUrgent, b.writeSteady, b.awaitAcks} {
		helpers.Go(func() { helper(s) })
	}
	b.setSession(s)
	err = b.serve(ctx, s)
	b.setSession(nil)
	if b.stopping() {
		s.disconnect()
		s.end(err)
	} else { // not a good-bye: the last will is to follow
		s.drop(err)
		helpers.Go(s.disconnect)
	}
	return time.Since(began), err
}

// setSession makes a new connection the current one, or none.
func (b *Bus) setSession(s *session) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.session = s
	select {
	case <-b.connected: // was closed: there is no longer a ready one
		b.connected = make(chan struct{})
	default:
	}
}

// serve subscribes, announces the process and keeps both up to date.
func (b *Bus) serve(ctx context.Context, s *session) error {
	b.presence.connected(time.Now())
	defer func() { b.presence.disconnected(time.Now()) }()
	b.subscriptions.renew()
	drain(b.heardSelf)
	refused, err := b.syncFilters(ctx, s)
	switch {
	case err != nil:
		return err
	case len(refused) > 0:
		return wattline.Errorf(wattline.CodeForbidden, "the broker refuses %d subscriptions", len(refused))
	}
	drain(b.announced.changed)
	b.announce(s)
	echo := time.NewTimer(echoTimeout)
	defer echo.Stop()
	beat := time.NewTicker(wattline.PresenceHeartbeat)
	defer beat.Stop()
	for {
		select {
		case <-s.lost:
			return s.reason
		case <-ctx.Done():
			b.drain(context.WithoutCancel(ctx), s)
			return ctx.Err()
		case <-b.heardSelf:
			b.makeReady(s)
		case <-echo.C:
			if !s.ready.Load() {
				b.log.Warn("the broker does not deliver this process's own presence; others may seem offline")
				b.makeReady(s)
			}
		case <-b.subscriptions.changed:
			if _, err := b.syncFilters(ctx, s); err != nil {
				return err
			}
		case <-b.announced.changed:
			b.announce(s)
		case <-beat.C:
			b.announce(s)
		}
	}
}

func drain(signal chan struct{}) {
	select {
	case <-signal:
	default:
	}
}

// makeReady opens a connection for everybody, once.
func (b *Bus) makeReady(s *session) {
	if s.ready.Swap(true) {
		return
	}
	b.log.Info("connected", "broker", s.broker.String())
	b.mu.Lock()
	close(b.connected)
	b.mu.Unlock()
	b.retained.attach(s.wake)
	b.pending.again(func(*call) bool { return true })
}

// drain ends the bus in good order; s is nil where there is no connection.
func (b *Bus) drain(ctx context.Context, s *session) {
	if b.stopping() {
		return
	}
	b.setState(draining)
	waiting, cancel := context.WithTimeout(ctx, b.options.DrainTimeout)
	defer cancel()
	if !b.busy.idle(waiting) {
		b.log.Warn("stopping with requests unanswered", "after", b.options.DrainTimeout)
	}
	if s == nil {
		return
	}
	// What was accepted may have taken all of its time.
	leaving, cancel := context.WithTimeout(ctx, goodbye)
	defer cancel()
	if err := b.leave(leaving, s); err != nil {
		b.log.Warn("stopping without a good-bye", "err", err)
		s.drop(err) // then the last will says it
	}
}

// leave sends what is queued, ends the subscriptions and announces the end.
func (b *Bus) leave(ctx context.Context, s *session) error {
	if err := s.flush(ctx); err != nil {
		return err
	}
	if err := b.removeFilters(ctx, s, nil); err != nil {
		return err
	}
	b.sendPresence(s, wattline.PresenceOffline)
	return s.flush(ctx)
}
