package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"
)

// Listen binds the plug's address, so that Addr is known and connections queue
// up until Run. It does nothing if the plug listens already.
func (p *Plug) Listen(ctx context.Context) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.door != nil {
		return nil
	}
	door, datagrams, err := p.bind(ctx)
	if err != nil {
		return fmt.Errorf("plug %s: listen on %s: %w", p.spec.ID, p.spec.Address, err)
	}
	p.door, p.listener, p.datagrams = door, door.listener, datagrams
	p.bound = door.address
	return nil
}

// freePortTries: a port that is free for TCP may be taken for UDP.
const freePortTries = 8

func (p *Plug) bind(ctx context.Context) (*door, net.PacketConn, error) {
	var last error
	for range freePortTries {
		door, err := openDoor(ctx, p.spec.Address)
		if err != nil {
			return nil, nil, err
		}
		if !p.opts.Discovery {
			return door, nil, nil
		}
		var config net.ListenConfig
		datagrams, err := config.ListenPacket(ctx, "udp", door.address)
		if err == nil {
			return door, datagrams, nil
		}
		door.close()
		last = err
	}
	return nil, nil, last
}

// Addr is the host:port that the plug listens on, empty before Listen.
func (p *Plug) Addr() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.bound
}

// Close gives up the address of a plug that listens and was never run.
func (p *Plug) Close() {
	p.mu.Lock()
	door, datagrams := p.door, p.datagrams
	p.door, p.listener, p.datagrams = nil, nil, nil
	p.mu.Unlock()
	if door != nil {
		door.close()
	}
	if datagrams != nil {
		_ = datagrams.Close()
	}
}

// Run listens, if that was not done, and serves until ctx ends, which is no
// error. A plug can be run again.
func (p *Plug) Run(ctx context.Context) error {
	if err := p.Listen(ctx); err != nil {
		return err
	}
	defer p.Close()
	stop := context.AfterFunc(ctx, p.wakeUp)
	defer stop()
	var discovery sync.WaitGroup
	p.mu.Lock()
	door, datagrams := p.door, p.datagrams
	p.mu.Unlock()
	if datagrams != nil {
		discovery.Go(func() { p.serveDatagrams(ctx, datagrams) })
	}
	p.serve(ctx, door)
	discovery.Wait()
	return nil
}

// serve takes clients one after the other; the rest wait in the backlog.
func (p *Plug) serve(ctx context.Context, door *door) {
	var silent net.Conn // open when the plug went dark
	drop := func() {
		if silent != nil {
			abort(silent)
			silent = nil
		}
	}
	defer drop()
	for ctx.Err() == nil {
		p.mu.Lock()
		state, _ := p.reachNow()
		p.mu.Unlock()
		if state != dark {
			drop()
		}
		if !p.enter(ctx, door, state) {
			continue
		}
		if state != reachable {
			p.pause(ctx, state)
			continue
		}
		conn := p.accept(ctx)
		if conn == nil {
			continue
		}
		if p.serveClient(ctx, conn) == wentDark {
			silent = conn
			continue
		}
		_ = conn.Close()
	}
}

// enter brings the door into a state, or waits a little and is false.
func (p *Plug) enter(ctx context.Context, door *door, state reach) bool {
	if door.state == state {
		return true
	}
	err := door.become(ctx, state)
	p.mu.Lock()
	p.listener = door.listener
	p.mu.Unlock()
	if err != nil && ctx.Err() == nil {
		p.log.Warn("emulated plug cannot change its port", "state", state.String(), "err", err)
		p.wait(ctx, recheck)
		return door.state == state
	}
	return true
}

// accept gives nil when it is time to look at the plug's state again.
func (p *Plug) accept(ctx context.Context) net.Conn {
	p.mu.Lock()
	state, mayChange := p.reachNow()
	if state != reachable || ctx.Err() != nil {
		p.mu.Unlock()
		return nil
	}
	deadline := time.Time{}
	if mayChange {
		deadline = time.Now().Add(recheck)
	}
	listener := p.listener
	_ = listener.SetDeadline(deadline)
	p.mu.Unlock()
	conn, err := listener.Accept()
	if err == nil {
		return conn
	}
	var timeout net.Error
	if ctx.Err() == nil && (!errors.As(err, &timeout) || !timeout.Timeout()) {
		p.log.Warn("emulated plug cannot accept", "err", err) // out of descriptors, most likely
		p.wait(ctx, time.Second)
	}
	return nil
}

// abort closes a connection with RST.
func abort(conn net.Conn) {
	if tcp, ok := conn.(*net.TCPConn); ok {
		_ = tcp.SetLinger(0)
	}
	_ = conn.Close()
}
