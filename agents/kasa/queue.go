package kasa

import (
	"context"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
)

// priority is the order in which those who wait for a plug get their turn.
type priority int

const (
	command priority = iota
	poll
	priorities
)

// plug is what is kept of one address. The fields of the first group are guarded
// by the client's mutex; those of the second belong to whoever has the turn.
type plug struct {
	busy    bool
	waiting [priorities][]*waiter
	timer   *time.Timer        // runs tidy some time after the last turn
	conn    net.Conn           // written with the turn and the mutex, read with either
	cancel  context.CancelFunc // ends the connecting under way

	endpoint    endpoint
	raw         syscall.RawConn // of conn, where there is one
	served      int             // answers on conn
	spoilt      bool            // conn must not be used again
	closesUntil time.Time       // until then it is held to close after each answer
	info        *Info           // nil: not asked yet, or it failed since
	identity    []byte          // what info was made of
	met         net.Conn        // the connection on which info was last confirmed
	bound       bool            // the request may go over conn only
	klap        klapVerdict
	fenced      bool // the turn is for a fenced target
}

// waiter waits for its turn: nil when it has come, or why it will not.
type waiter struct{ turn chan error }

// acquire waits for the turn at an address. Without an error the caller has it,
// and must release it.
func (c *Client) acquire(ctx context.Context, at endpoint, as priority) (*plug, error) {
	if ctx.Err() != nil {
		return nil, ended(ctx, "asking for a turn")
	}
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil, classify(ErrClosed)
	}
	p, err := c.plugAt(at)
	if err == nil && p.busy && len(p.waiting[as]) >= c.options.MaxQueued {
		err = &Error{Class: ClassBusy, Message: fmt.Sprintf("%d requests wait for this plug already: try again later", len(p.waiting[as]))}
	}
	if err != nil {
		c.mu.Unlock()
		c.stats.busy.Add(1)
		return nil, err
	}
	c.turns.Add(1)
	if !p.busy {
		p.busy = true
		c.mu.Unlock()
		return p, nil
	}
	w := &waiter{turn: make(chan error, 1)}
	p.waiting[as] = append(p.waiting[as], w)
	c.mu.Unlock()
	return c.await(ctx, p, w, as)
}

func (c *Client) await(ctx context.Context, p *plug, w *waiter, as priority) (*plug, error) {
	var err error
	select {
	case err = <-w.turn:
	case <-ctx.Done():
		err = ended(ctx, "waiting for other requests to this plug")
		if !c.leave(p, w, as) && <-w.turn == nil {
			c.release(p) // the turn came at the same moment
			return nil, err
		}
	}
	if err != nil {
		c.turns.Done()
		return nil, err
	}
	return p, nil
}

// leave takes a waiter out of its queue; false if it is not there any more.
func (c *Client) leave(p *plug, w *waiter, as priority) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	at := slices.Index(p.waiting[as], w)
	if at >= 0 {
		p.waiting[as] = slices.Delete(p.waiting[as], at, at+1)
	}
	return at >= 0
}

// plugAt finds or makes the entry of an address. The mutex is held.
func (c *Client) plugAt(at endpoint) (*plug, error) {
	if p := c.plugs[at]; p != nil {
		return p, nil
	}
	if len(c.plugs) >= c.options.MaxAddresses {
		return nil, &Error{Class: ClassBusy, Message: fmt.Sprintf("%d addresses are in use: no more can be asked at present", len(c.plugs))}
	}
	p := &plug{endpoint: at}
	c.plugs[at] = p
	return p, nil
}

// release gives the turn to the next, commands first.
func (c *Client) release(p *plug) {
	defer c.turns.Done()
	c.mu.Lock()
	defer c.mu.Unlock()
	for as := range p.waiting {
		if queue := p.waiting[as]; len(queue) > 0 {
			next := queue[0]
			p.waiting[as] = slices.Delete(queue, 0, 1)
			next.turn <- nil
			return
		}
	}
	p.busy = false
	if c.closed {
		return
	}
	if p.conn != nil {
		c.tidyAfter(p, c.options.IdleTimeout)
	} else {
		c.tidyAfter(p, forgetAfter)
	}
}

// tidyAfter arms the one timer of an address. The mutex is held.
func (c *Client) tidyAfter(p *plug, wait time.Duration) {
	if p.timer == nil {
		p.timer = time.AfterFunc(wait, func() { c.tidy(p) })
		return
	}
	p.timer.Reset(wait)
}

// tidy closes the connection of a plug that nobody talks to, and the next time
// forgets the plug.
func (c *Client) tidy(p *plug) {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closed || p.busy:
	case p.conn != nil:
		_ = p.conn.Close()
		p.conn, p.raw = nil, nil
		c.tidyAfter(p, forgetAfter)
	default:
		delete(c.plugs, p.endpoint)
	}
}
