package emulator

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"os"
	"time"

	"github.com/wattline/wattline/agents/kasa"
)

// scratch is the buffers of whoever is being served.
type scratch struct{ in, reply, frame []byte }

// keepScratch is how large a buffer a plug keeps for the next request.
const keepScratch = 4 << 10

// outcome is why serving a client ended.
type outcome int

const (
	clientDone outcome = iota
	wentDark
)

const headerSize = 4

var (
	errDark = errors.New("the plug went off the network")
	errLeft = errors.New("the plug is done with this client")
)

// ServeConn serves one client over a connection that the caller made, such as
// one end of a net.Pipe; it waits for its turn, and for a plug that is off the
// network, and closes the connection in the end.
func (p *Plug) ServeConn(ctx context.Context, conn net.Conn) {
	defer func() { _ = conn.Close() }()
	stop := context.AfterFunc(ctx, p.wakeUp)
	defer stop()
	for ctx.Err() == nil {
		if p.serveClient(ctx, conn) == clientDone {
			return
		}
		p.pause(ctx, dark)
		if p.Reachable() {
			return
		}
	}
}

// serveClient leaves closing the connection to its caller.
func (p *Plug) serveClient(ctx context.Context, conn net.Conn) outcome {
	select {
	case p.turn <- struct{}{}:
	case <-ctx.Done():
		return clientDone
	}
	p.mu.Lock()
	p.client = conn
	p.mu.Unlock()
	defer func() {
		p.mu.Lock()
		p.client = nil
		p.mu.Unlock()
		p.scratch.trim()
		<-p.turn
	}()
	for first := true; ; first = false {
		request, err := p.receive(ctx, conn)
		if err == nil {
			p.count(first)
			err = p.respond(ctx, conn, request)
		}
		switch {
		case errors.Is(err, errDark):
			return wentDark
		case err != nil:
			return clientDone
		}
	}
}

// count counts a connection by its first request: those that say nothing, such
// as a door's filler, are none.
func (p *Plug) count(first bool) {
	if !first {
		return
	}
	p.mu.Lock()
	p.stats.Connections++
	p.mu.Unlock()
}

func (s *scratch) trim() {
	if cap(s.in)+cap(s.reply)+cap(s.frame) > keepScratch {
		*s = scratch{}
	}
	s.in = s.in[:0]
}

// receive collects one request, in however many pieces it comes.
func (p *Plug) receive(ctx context.Context, conn net.Conn) ([]byte, error) {
	p.scratch.in = p.scratch.in[:0]
	idle := time.Now().Add(p.opts.IdleTimeout)
	for {
		if err := p.read(ctx, conn, idle, nil); err != nil {
			return nil, err
		}
		request, complete, legible := p.assemble(p.scratch.in)
		switch {
		case !legible:
			p.mu.Lock()
			p.stats.Unanswered++
			p.mu.Unlock()
			return nil, p.ignore(ctx, conn, nil)
		case complete:
			return request, nil
		}
	}
}

// assemble tells whether a request is complete. Hardware 1 does not look at the
// length in the header, so there it is complete once it is JSON. The others want
// exactly the length announced, and an object.
func (p *Plug) assemble(in []byte) (request []byte, complete, legible bool) {
	if len(in) < headerSize {
		return nil, false, true
	}
	body := in[headerSize:]
	if !p.traits.exactHeader {
		if len(body) == 0 {
			return nil, false, true
		}
		plain := kasa.Decrypt(body)
		if json.Valid(plain) {
			return plain, true, true
		}
		return nil, false, len(in) < maxRequest
	}
	size := int64(binary.BigEndian.Uint32(in))
	switch {
	case size < 2 || size > maxRequest || int64(len(body)) > size:
		return nil, false, false
	case int64(len(body)) < size:
		return nil, false, true
	}
	return kasa.Decrypt(body), true, true
}

// read appends to the buffer what comes next. It ends when changed is closed, if
// that is given.
func (p *Plug) read(ctx context.Context, conn net.Conn, until time.Time, changed <-chan struct{}) error {
	in := p.scratch.in
	if cap(in)-len(in) < 256 {
		in = append(make([]byte, 0, max(512, 2*cap(in))), in...)
	}
	for {
		if err := p.arm(ctx, conn, until); err != nil {
			return err
		}
		select {
		case <-changed:
			return errLeft
		default:
		}
		n, err := conn.Read(in[len(in):cap(in)])
		p.scratch.in = in[:len(in)+n]
		switch {
		case n > 0:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded) && time.Now().Before(until):
			continue // woken to look at the plug's state
		case err != nil:
			return err
		}
	}
}

// arm sets the deadline of the next read, unless the plug's state ends it all.
func (p *Plug) arm(ctx context.Context, conn net.Conn, until time.Time) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, mayChange := p.reachNow()
	switch {
	case ctx.Err() != nil || state == refusing:
		return errLeft
	case state == dark:
		return errDark
	}
	if soon := time.Now().Add(recheck); mayChange && soon.Before(until) {
		until = soon
	}
	return conn.SetReadDeadline(until)
}

// ignore reads and drops what the client sends until it leaves, the idle timeout
// has passed, or the plug's faults change (given the channel that tells).
func (p *Plug) ignore(ctx context.Context, conn net.Conn, changed <-chan struct{}) error {
	until := time.Now().Add(p.opts.IdleTimeout)
	for {
		p.scratch.in = p.scratch.in[:0]
		if err := p.read(ctx, conn, until, changed); err != nil {
			return err
		}
	}
}

// respond answers a request, or spoils the answer as the fault demands.
func (p *Plug) respond(ctx context.Context, conn net.Conn, request []byte) error {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	reply, fault, ok := p.answer(p.scratch.reply[:0], request, false)
	p.scratch.reply = reply
	if fault.Kind != NoFault {
		p.log.Debug("emulated plug misbehaves", "fault", fault.String())
	}
	if !ok {
		if fault.Kind == Hang {
			return p.ignore(ctx, conn, changed)
		}
		return p.ignore(ctx, conn, nil)
	}
	if !p.wait(ctx, p.opts.Latency) && ctx.Err() != nil {
		return errLeft
	}
	if fault.spoils() {
		return p.spoil(ctx, conn, reply, fault)
	}
	p.scratch.frame = kasa.AppendFrame(p.scratch.frame[:0], reply)
	p.countAnswer(1) // before the client has it and may look at the count
	if err := p.send(conn, p.scratch.frame); err != nil {
		p.countAnswer(-1)
		return err
	}
	return p.afterReply()
}

func (p *Plug) countAnswer(n int64) {
	p.mu.Lock()
	p.stats.Answers += n
	p.answers.sent(n > 0)
	p.mu.Unlock()
}

// send writes in segments, as the plugs do.
func (p *Plug) send(conn net.Conn, frame []byte) error {
	if err := conn.SetWriteDeadline(time.Now().Add(p.opts.IdleTimeout)); err != nil {
		return err
	}
	for len(frame) > 0 {
		n := min(len(frame), p.opts.Segment)
		if _, err := conn.Write(frame[:n]); err != nil {
			return err
		}
		frame = frame[n:]
	}
	return nil
}
