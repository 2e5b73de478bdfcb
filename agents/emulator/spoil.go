package emulator

import (
	"bytes"
	"context"
	"net"
	"time"

	"github.com/wattline/wattline/agents/kasa"
)

// spoils: the fault is one of how the answer goes over the wire.
func (f Fault) spoils() bool {
	switch f.Kind {
	case Reset, Short, Huge, Garbage, BadJSON, Drip, Latency:
		return true
	}
	return false
}

// spoil sends the answer in the way that the fault wants it.
func (p *Plug) spoil(ctx context.Context, conn net.Conn, reply []byte, f Fault) error {
	frame := kasa.AppendFrame(nil, reply)
	half := frame[:headerSize+len(reply)/2]
	switch f.Kind {
	case Reset:
		_ = p.send(conn, half)
		abort(conn)
	case Short:
		_ = p.send(conn, half)
	case Huge:
		copy(frame, []byte{0x7f, 0xff, 0xff, 0xff})
		if err := p.send(conn, frame); err != nil {
			return err
		}
		return p.ignore(ctx, conn, nil) // whoever believes it waits for the rest
	case Garbage:
		_ = p.send(conn, p.garbage())
	case BadJSON:
		_ = p.send(conn, kasa.AppendFrame(nil, p.wrongJSON(reply)))
	case Drip:
		return p.drip(ctx, conn, frame, f.pause())
	case Latency:
		return p.late(ctx, conn, frame, f.pause())
	}
	return errLeft
}

func (p *Plug) drip(ctx context.Context, conn net.Conn, frame []byte, pause time.Duration) error {
	for _, b := range frame {
		if !p.wait(ctx, pause) {
			return errLeft
		}
		if err := p.send(conn, []byte{b}); err != nil {
			return err
		}
	}
	return p.afterReply()
}

func (p *Plug) late(ctx context.Context, conn net.Conn, frame []byte, pause time.Duration) error {
	if !p.wait(ctx, pause) {
		return errLeft
	}
	if err := p.send(conn, frame); err != nil {
		return err
	}
	return p.afterReply()
}

func (p *Plug) afterReply() error {
	if p.traits.closesAfterReply {
		return errLeft
	}
	return nil
}

// garbage is 1 to 255 random bytes.
func (p *Plug) garbage() []byte {
	p.mu.Lock()
	defer p.mu.Unlock()
	noise := make([]byte, 1+p.rng.IntN(255))
	for i := range noise {
		noise[i] = byte(p.rng.Uint32())
	}
	return noise
}

// wrongJSON is the answer cut off, of another shape, or with its numbers as
// strings or null.
func (p *Plug) wrongJSON(reply []byte) []byte {
	p.mu.Lock()
	way := p.rng.IntN(5)
	p.mu.Unlock()
	switch way {
	case 0:
		return reply[:len(reply)/2]
	case 1:
		return []byte(`[]`)
	case 2:
		return []byte(`{"system":null,"emeter":17}`)
	case 3:
		return bytes.ReplaceAll(reply, []byte(`"err_code":0`), []byte(`"err_code":"0"`))
	}
	return bytes.ReplaceAll(reply, []byte(`"relay_state":`), []byte(`"relay_state":null,"was":`))
}
