package emulator

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"
)

// door is the plug's TCP port in one of its states. One goroutine has it.
//
// Refusing keeps the port with a socket that is bound and does not listen, so
// that nobody else gets it meanwhile. Dark shrinks the listener's backlog to
// nothing and fills it, upon which the kernel drops what else tries to connect,
// as if there were no host: connecting times out. Where the system has no such
// means (anything but Linux), dark plugs accept in the kernel and stay silent.
type door struct {
	address  string // fixed once bound
	state    reach
	listener *net.TCPListener
	release  func()
	filler   net.Conn
}

const (
	backlog     = 128
	fillTimeout = 50 * time.Millisecond
)

func openDoor(ctx context.Context, address string) (*door, error) {
	d := &door{address: address}
	if err := d.listen(ctx); err != nil {
		return nil, err
	}
	d.address = d.listener.Addr().String()
	return d, nil
}

func (d *door) listen(ctx context.Context) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", d.address)
	if err != nil {
		return err
	}
	tcp, ok := listener.(*net.TCPListener)
	if !ok {
		return errors.Join(fmt.Errorf("%s is no TCP address", d.address), listener.Close())
	}
	d.listener = tcp
	return nil
}

// become moves the door into a state. After an error it is refusing, or as it
// was, and may be asked again.
func (d *door) become(ctx context.Context, state reach) error {
	if d.state == state {
		return nil
	}
	if err := d.open(ctx); err != nil {
		return err
	}
	switch state {
	case refusing:
		return d.refuse()
	case dark:
		return d.darken(ctx)
	}
	return nil
}

func (d *door) open(ctx context.Context) error {
	switch d.state {
	case refusing:
		if err := d.listen(ctx); err != nil {
			return fmt.Errorf("open the port again: %w", err)
		}
		d.letGo()
	case dark:
		if err := setBacklog(d.listener, backlog); err != nil {
			return fmt.Errorf("restore the backlog: %w", err)
		}
		d.letGo()
	}
	d.state = reachable
	return nil
}

func (d *door) refuse() error {
	address, err := netip.ParseAddrPort(d.address)
	if err != nil {
		return fmt.Errorf("close the port: %w", err)
	}
	_ = d.listener.Close()
	d.listener, d.state = nil, refusing
	release, err := holdPort(net.TCPAddrFromAddrPort(address))
	if err != nil {
		return fmt.Errorf("hold the closed port: %w", err)
	}
	d.release = release
	return nil
}

func (d *door) darken(ctx context.Context) error {
	d.state = dark
	if err := setBacklog(d.listener, 0); err != nil {
		return fmt.Errorf("shrink the backlog: %w", err)
	}
	dialer := net.Dialer{Timeout: fillTimeout}
	// A client that is in the queue already fills it just as well.
	if filler, err := dialer.DialContext(ctx, "tcp", d.address); err == nil {
		d.filler = filler
	}
	return nil
}

func (d *door) letGo() {
	if d.filler != nil {
		_ = d.filler.Close()
		d.filler = nil
	}
	if d.release != nil {
		d.release()
		d.release = nil
	}
}

func (d *door) close() {
	if d.listener != nil {
		_ = d.listener.Close()
	}
	d.letGo()
}
