package testserver

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"
)

// Cable is a TCP connection to a server that can be cut, stalled and delayed.
// Clients connect to its address instead of the server's. It is as honest as a
// network: what was on its way when a client gave up by a reset is gone, and what
// was on its way when a client merely closed still arrives. Safe for concurrent
// use.
type Cable struct {
	to       string
	listener net.Listener
	running  sync.WaitGroup

	mu      sync.Mutex
	severed bool
	stalled bool
	delay   time.Duration
	changed chan struct{} // closed when one of the three changes
	links   map[*link]bool
}

// NewCable leads to a server's host:port, until the end of the test.
func NewCable(t testing.TB, to string) *Cable {
	t.Helper()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort(loopback, "0"))
	if err != nil {
		t.Fatalf("cable to %s: %v", to, err)
	}
	c := &Cable{to: to, listener: listener, changed: make(chan struct{}), links: map[*link]bool{}}
	c.running.Go(c.accept)
	t.Cleanup(func() {
		_ = listener.Close()
		c.Sever()
		c.running.Wait()
	})
	return c
}

// Addr is host:port for the clients.
func (c *Cable) Addr() string { return c.listener.Addr().String() }

// Sever breaks every connection with a reset, new ones included, until Mend.
func (c *Cable) Sever() {
	c.set(func() { c.severed = true })
	for _, l := range c.all() {
		l.abort()
	}
}

// Stall lets nothing through, in either direction, until Mend; then what was held
// goes on its way.
func (c *Cable) Stall() { c.set(func() { c.stalled = true }) }

// Delay holds up what comes back from the server, until Mend.
func (c *Cable) Delay(by time.Duration) { c.set(func() { c.delay = by }) }

// Mend makes it as good as new.
func (c *Cable) Mend() {
	c.set(func() { c.severed, c.stalled, c.delay = false, false, 0 })
}

// Open is how many connections it carries, those included of which one side has
// closed and something is still on its way.
func (c *Cable) Open() int { return len(c.all()) }

func (c *Cable) set(change func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	change()
	close(c.changed)
	c.changed = make(chan struct{})
}

func (c *Cable) all() []*link {
	c.mu.Lock()
	defer c.mu.Unlock()
	var links []*link
	for l := range c.links {
		links = append(links, l)
	}
	return links
}

func (c *Cable) accept() {
	for {
		conn, err := c.listener.Accept()
		if err != nil {
			return // closed: nothing else ends a listener on loopback
		}
		l := newLink(c, conn)
		c.running.Go(l.run)
	}
}

// pass waits until what arrived at an instant may go on; false if the link has
// gone meanwhile.
func (c *Cable) pass(l *link, arrived time.Time, back bool) bool {
	for {
		c.mu.Lock()
		changed, held, wait := c.changed, c.stalled, time.Duration(0)
		if back {
			wait = time.Until(arrived.Add(c.delay))
		}
		c.mu.Unlock()
		if !held && wait <= 0 {
			return l.ctx.Err() == nil
		}
		timer := time.NewTimer(wait)
		if held {
			timer.Stop()
		}
		select {
		case <-timer.C:
		case <-changed:
		case <-l.ctx.Done():
		}
		timer.Stop()
		if l.ctx.Err() != nil {
			return false
		}
	}
}

// link is one client's connection and the one that it is led on to.
type link struct {
	cable  *Cable
	ctx    context.Context //nolint:containedctx // it is the link's life
	cancel context.CancelFunc

	mu    sync.Mutex
	ends  []net.Conn
	ended bool
}

func newLink(c *Cable, client net.Conn) *link {
	ctx, cancel := context.WithCancel(context.Background())
	l := &link{cable: c, ctx: ctx, cancel: cancel, ends: []net.Conn{client}}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.links[l] = true
	return l
}

// dialsFor is shorter than anybody waits for a connection: what a client has given
// up must not reach a server that comes back later.
const dialsFor = time.Second

// run dials the server when the cable lets it, and carries bytes until both sides
// have closed or one has broken off.
func (l *link) run() {
	c := l.cable
	defer func() {
		l.abort()
		c.mu.Lock()
		delete(c.links, l)
		c.mu.Unlock()
	}()
	if c.isSevered() || !c.pass(l, time.Now(), false) {
		return
	}
	dialer := net.Dialer{Timeout: dialsFor}
	server, err := dialer.DialContext(l.ctx, "tcp", c.to)
	if err != nil || !l.add(server) || c.isSevered() {
		return
	}
	client := l.ends[0]
	var both sync.WaitGroup
	both.Go(func() { l.carry(client, server, false) })
	both.Go(func() { l.carry(server, client, true) })
	both.Wait()
}

func (c *Cable) isSevered() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.severed
}

// add takes on the second end, unless the link was broken meanwhile.
func (l *link) add(server net.Conn) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ends = append(l.ends, server)
	if l.ended {
		reset(server)
	}
	return !l.ended
}

// abort resets both ends; what is under way is lost.
func (l *link) abort() {
	l.cancel()
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.ended {
		return
	}
	l.ended = true
	for _, end := range l.ends {
		reset(end)
	}
}

func reset(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}

// chunk is bytes on their way; the last one of a side that closed has none.
type chunk struct {
	bytes   []byte
	arrived time.Time
}

const (
	chunkBytes = 32 << 10
	underWay   = 256 // chunks; then the sender waits, as with a full window
)

// carry moves one direction. It reads on while it may not write, so that it
// notices a sender who breaks off.
func (l *link) carry(from, to net.Conn, back bool) {
	chunks := make(chan chunk, underWay)
	var reading sync.WaitGroup
	reading.Go(func() { l.read(from, chunks) })
	defer reading.Wait()
	for c := range chunks {
		if !l.cable.pass(l, c.arrived, back) {
			l.abort()
			return
		}
		var err error
		if c.bytes != nil {
			_, err = to.Write(c.bytes)
		} else if tcp, ok := to.(*net.TCPConn); ok {
			err = tcp.CloseWrite()
		}
		if err != nil {
			l.abort()
			return
		}
	}
}

func (l *link) send(chunks chan<- chunk, c chunk) {
	select {
	case chunks <- c:
	case <-l.ctx.Done():
	}
}

func (l *link) read(from net.Conn, chunks chan<- chunk) {
	defer close(chunks)
	for {
		buffer := make([]byte, chunkBytes)
		n, err := from.Read(buffer)
		if n > 0 {
			l.send(chunks, chunk{buffer[:n], time.Now()})
		}
		switch {
		case errors.Is(err, io.EOF):
			l.send(chunks, chunk{arrived: time.Now()})
			return
		case err != nil:
			l.abort()
			return
		}
	}
}
