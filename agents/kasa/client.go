package kasa

import (
	"context"
	"sync"
	"sync/atomic"
)

// Client talks to any number of plugs. Make one per process with [NewClient];
// its methods may be called concurrently. Every error is an *[Error].
type Client struct {
	options Options
	scratch sync.Pool // of *scratch
	turns   sync.WaitGroup
	stats   struct{ exchanges, failures, connects, resends, busy atomic.Uint64 }

	mu     sync.Mutex
	closed bool
	plugs  map[endpoint]*plug
}

// NewClient makes a client. It starts nothing until it is used.
func NewClient(options Options) *Client {
	return &Client{
		options: options.withDefaults(),
		plugs:   map[endpoint]*plug{},
	}
}

// Close ends what is waiting or under way, with an error that wraps [ErrClosed],
// and closes every connection. When it returns, nothing of the client is left
// running.
func (c *Client) Close() error {
	c.mu.Lock()
	c.closed = true
	for at, p := range c.plugs {
		c.shut(p)
		delete(c.plugs, at)
	}
	c.mu.Unlock()
	c.turns.Wait()
	return nil
}

// shut ends all that goes on at a plug. The mutex is held.
func (c *Client) shut(p *plug) {
	if p.timer != nil {
		p.timer.Stop()
	}
	if p.cancel != nil {
		p.cancel()
	}
	if p.conn != nil {
		_ = p.conn.Close()
	}
	for as, queue := range p.waiting {
		for _, w := range queue {
			w.turn <- classify(ErrClosed)
		}
		p.waiting[as] = nil
	}
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}

// Stats tells what the client has done so far.
func (c *Client) Stats() Stats {
	return Stats{
		Exchanges: c.stats.exchanges.Load(),
		Failures:  c.stats.failures.Load(),
		Connects:  c.stats.connects.Load(),
		Resends:   c.stats.resends.Load(),
		Busy:      c.stats.busy.Load(),
	}
}

// Identify asks a plug what it is, with the one request that every model of the
// family survives. It needs no outlet to be named, so it lists a strip's outlets.
func (c *Client) Identify(ctx context.Context, target Target) (Info, error) {
	var info Info
	err := c.turn(ctx, target, poll, func(t *turn) error {
		if _, err := t.identify(ctx); err != nil {
			return err
		}
		info = *t.plug.info
		return nil
	})
	return info, err
}

// Read polls a plug or an outlet: one request for relay, light, signal and, if it
// has a meter, the meter's values. The first contact, and the first after a
// failure, asks what the plug is before that. Commands go first.
func (c *Client) Read(ctx context.Context, target Target) (Measurement, error) {
	return c.read(ctx, target, poll)
}

// ReadBack is Read ahead of all polls that wait, for after a command.
func (c *Client) ReadBack(ctx context.Context, target Target) (Measurement, error) {
	return c.read(ctx, target, command)
}

func (c *Client) read(ctx context.Context, target Target, as priority) (m Measurement, err error) {
	err = c.turn(ctx, target, as, func(t *turn) error {
		m, err = t.read(ctx)
		return err
	})
	if err != nil {
		return Measurement{}, err
	}
	return m, nil
}

// SetRelay switches a plug, or one outlet, on or off, ahead of all polls. No
// error means that the plug said so; [Client.ReadBack] tells whether it is so.
// After an error with Sent the outcome is unknown.
func (c *Client) SetRelay(ctx context.Context, target Target, on bool) error {
	return c.turn(ctx, target, command, func(t *turn) error { return t.setRelay(ctx, on) })
}

// SetLED switches the light of a plug, or of the strip that an outlet is in.
func (c *Client) SetLED(ctx context.Context, target Target, on bool) error {
	return c.turn(ctx, target, command, func(t *turn) error { return t.setLED(ctx, on) })
}

// turn runs do with the turn at the target's address.
func (c *Client) turn(ctx context.Context, target Target, as priority, do func(*turn) error) error {
	p, err := c.acquire(ctx, target.endpoint(), as)
	if err != nil {
		return addressed(err, target)
	}
	defer c.release(p)
	p.fenced = target.Fenced
	t := turn{client: c, plug: p, target: target, scratch: c.newScratch()}
	defer c.recycle(t.scratch)
	return addressed(do(&t), target)
}
