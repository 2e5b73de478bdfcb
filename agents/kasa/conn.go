package kasa

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"syscall"
	"time"
)

// readBuffer takes a plug's whole answer in one read; larger ones take more.
const readBuffer = 4 << 10

// scratch is the memory of one exchange, shared through a pool so that plugs
// cost none between their polls.
type scratch struct {
	reader   *bufio.Reader
	frame    []byte
	request  []byte
	answer   []byte
	identity []byte
	reply    reply
}

// maxKept bounds the buffers that go back into the pool.
const maxKept = 16 << 10

func (c *Client) newScratch() *scratch {
	if kept, ok := c.scratch.Get().(*scratch); ok {
		return kept
	}
	return &scratch{reader: bufio.NewReaderSize(nil, readBuffer)}
}

// recycle gives a scratch back without what it refers to.
func (c *Client) recycle(s *scratch) {
	if cap(s.answer) > maxKept {
		return
	}
	s.reader.Reset(nil)
	s.reply = reply{sysinfo: sysinfo{children: s.reply.sysinfo.children[:0]}}
	c.scratch.Put(s)
}

// exchange sends s.request and leaves the answer in s.answer. It uses the open
// connection if there is one. A plug that turns out to have closed that one
// before it answered anything gets the request once more on a new one, unless the
// request is bound to that one: then the error is errUnbound.
func (c *Client) exchange(ctx context.Context, p *plug, s *scratch) (at time.Time, err *Error) {
	s.frame = AppendFrame(s.frame[:0], s.request)
	resent := false
	if p.fenced && p.conn != nil && !c.within(p.conn) {
		c.drop(p)
	}
	if p.conn != nil && p.quiet() {
		got, err := c.roundTrip(ctx, p, s)
		if err == nil || got > 0 || !p.hadClosed(err) || ctx.Err() != nil {
			return c.finish(p, s, err)
		}
		resent = true
		c.stats.resends.Add(1)
		c.options.Log.Debug("plug had closed the connection", "address", p.endpoint.String(), "answers", p.served)
	}
	if p.conn != nil && p.served == 1 {
		p.closesUntil = time.Now().Add(verdictTTL)
	}
	c.drop(p)
	if p.bound {
		return time.Time{}, &Error{Class: ClassClosed, Message: errUnbound.Error(), Sent: resent, Err: errUnbound}
	}
	if err := c.connect(ctx, p); err != nil {
		c.stats.failures.Add(1)
		err.Sent = resent
		return time.Time{}, err
	}
	_, failed := c.roundTrip(ctx, p, s)
	return c.finish(p, s, failed)
}

var errUnbound = errors.New("the plug had closed the connection on which it was known")

// hadClosed tells whether a failure means that the plug had closed a connection
// which it had answered on.
func (p *plug) hadClosed(err error) bool {
	return p.served > 0 && (errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE))
}

// finish settles what becomes of the connection after a round trip.
func (c *Client) finish(p *plug, s *scratch, failed error) (time.Time, *Error) {
	at := time.Now()
	if failed != nil {
		c.stats.failures.Add(1)
		c.drop(p)
		known, ok := errors.AsType[*Error](failed)
		switch {
		case c.isClosed():
			known = classify(ErrClosed)
		case !ok:
			known = classify(failed)
		}
		known.Sent = true
		return time.Time{}, known
	}
	c.stats.exchanges.Add(1)
	p.served++
	// Bytes after the answer belong to no request; taking them for the next
	// answer would be worse than connecting anew.
	if p.spoilt || s.reader.Buffered() > 0 || c.options.IdleTimeout < 0 || at.Before(p.closesUntil) {
		c.drop(p)
	}
	return at, nil
}

// roundTrip writes the frame in s and reads one into s. It also tells how many
// bytes of the answer had arrived.
func (c *Client) roundTrip(ctx context.Context, p *plug, s *scratch) (got int, err error) {
	conn := p.conn
	deadline := time.Now().Add(c.options.ExchangeTimeout)
	if end, ok := ctx.Deadline(); ok && end.Before(deadline) {
		deadline = end
	}
	if err := conn.SetDeadline(deadline); err != nil {
		return 0, err
	}
	if ctx.Done() != nil {
		stop := context.AfterFunc(ctx, func() { _ = conn.SetDeadline(time.Unix(1, 0)) })
		defer func() {
			if stop() {
				return
			}
			p.spoilt = true // its deadline may change under the next request
			if err != nil {
				err = ended(ctx, "talking to the plug")
			}
		}()
	}
	if _, err := conn.Write(s.frame); err != nil {
		return 0, err
	}
	s.reader.Reset(conn)
	answer, got, err := readFrame(s.reader, s.answer, c.options.MaxFrameBytes)
	if err == nil {
		s.answer = answer
	}
	return got, err
}

// connect makes the connection of a plug that has none.
func (c *Client) connect(ctx context.Context, p *plug) *Error {
	dialing, cancel := context.WithTimeout(ctx, c.options.ConnectTimeout)
	defer cancel()
	if !c.setCancel(p, cancel) {
		return classify(ErrClosed)
	}
	conn, err := c.dial(dialing, p, p.endpoint.String())
	if err == nil && !c.adopt(p, conn) {
		_ = conn.Close()
		err = ErrClosed
	}
	if err == nil {
		c.stats.connects.Add(1)
		return nil
	}
	if ctx.Err() != nil {
		return ended(ctx, "connecting to the plug")
	}
	if c.isClosed() {
		err = ErrClosed
	}
	failed := classify(err)
	switch failed.Class {
	case ClassTimeout:
		failed.Message = "no connection in time: the plug is off, out of range of the Wi-Fi, or busy with another client"
	case ClassRefused:
		c.explainRefusal(ctx, p, failed)
	}
	return failed
}

// adopt makes conn the plug's connection, unless the client was closed.
func (c *Client) adopt(p *plug, conn net.Conn) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.cancel = nil
	if c.closed {
		return false
	}
	p.conn, p.raw, p.served, p.spoilt = conn, nil, 0, false
	if system, ok := conn.(syscall.Conn); ok {
		p.raw, _ = system.SyscallConn()
	}
	return true
}

func (c *Client) setCancel(p *plug, cancel context.CancelFunc) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	p.cancel = cancel
	return !c.closed
}

// drop closes the plug's connection, if there is one.
func (c *Client) drop(p *plug) {
	if p.conn == nil {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	_ = p.conn.Close()
	p.conn, p.raw = nil, nil
}
