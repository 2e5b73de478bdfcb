package emulator

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// DialContext connects to the plug without a network, whether it listens or not,
// for tests with synthetic time. Its form is that of net.Dialer; network and
// address are not looked at. What serves the connection ends when it is closed.
func (p *Plug) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	p.mu.Lock()
	state, _ := p.reachNow()
	p.mu.Unlock()
	switch state {
	case refusing:
		return nil, dialError(network, os.NewSyscallError("connect", syscall.ECONNREFUSED))
	case dark:
		<-ctx.Done()
		return nil, dialError(network, ctx.Err())
	}
	client, plug := net.Pipe()
	go p.ServeConn(context.WithoutCancel(ctx), plug)
	return pipeEnd{client}, nil
}

// DialContext connects to the plug of that address without a network, as
// Plug.DialContext does. The office need not listen if its addresses are fixed.
func (o *Office) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	for _, p := range o.plugs {
		if p.spec.Address == address || p.Addr() == address {
			return p.DialContext(ctx, network, address)
		}
	}
	return nil, dialError(network, fmt.Errorf("no plug at %.80q", address))
}

// pipeEnd behaves as TCP does once the other end has closed: deadlines can still
// be set, and writing is EPIPE.
type pipeEnd struct{ net.Conn }

func (c pipeEnd) Write(data []byte) (int, error) {
	n, err := c.Conn.Write(data)
	if errors.Is(err, io.ErrClosedPipe) {
		err = &net.OpError{Op: "write", Net: "pipe", Err: os.NewSyscallError("write", syscall.EPIPE)}
	}
	return n, err
}

func (c pipeEnd) SetDeadline(t time.Time) error     { return unlessClosed(c.Conn.SetDeadline(t)) }
func (c pipeEnd) SetReadDeadline(t time.Time) error { return unlessClosed(c.Conn.SetReadDeadline(t)) }

func (c pipeEnd) SetWriteDeadline(t time.Time) error { return unlessClosed(c.Conn.SetWriteDeadline(t)) }

func unlessClosed(err error) error {
	if errors.Is(err, io.ErrClosedPipe) {
		return nil
	}
	return err
}

func dialError(network string, err error) error {
	return &net.OpError{Op: "dial", Net: network, Err: err}
}
