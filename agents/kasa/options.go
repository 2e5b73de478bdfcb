package kasa

import (
	"cmp"
	"context"
	"log/slog"
	"net"
	"time"

	"github.com/wattline/wattline/internal/fence"
)

// Options tune a [Client]. The zero value of each field means its default.
type Options struct {
	// ConnectTimeout bounds making a connection; 2 s.
	ConnectTimeout time.Duration
	// ExchangeTimeout bounds one request with its answer; 3 s.
	ExchangeTimeout time.Duration
	// IdleTimeout is for how long a connection without requests stays open;
	// 500 ms. A plug may serve one client at a time, so what is longer than the
	// polling interval keeps every other program out. Negative: each request gets
	// a connection of its own.
	IdleTimeout time.Duration
	// MaxFrameBytes bounds an answer; MaxFrame.
	MaxFrameBytes int
	// MaxQueued bounds how many polls, and how many commands, may wait at one
	// address; 32 of each.
	MaxQueued int
	// MaxAddresses bounds the addresses in use or used within ten minutes; 4096.
	MaxAddresses int
	// KLAPPort is tried after a refused connection, to recognise firmware that has
	// given up this protocol; 80, and that only for plugs on port 9999.
	KLAPPort int
	// Networks are those that a fenced [Target] must be in; none unless given.
	Networks fence.Networks
	// Dial replaces the network, in tests, but for fenced targets.
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Log gets debug lines per connection, and a warning per plug with KLAP
	// firmware; nothing is logged by default.
	Log *slog.Logger
}

// How long things are remembered of an address that is not in use.
const (
	forgetAfter  = 10 * time.Minute
	verdictTTL   = 10 * time.Minute // that a plug closes after each answer, or has KLAP firmware
	probeTimeout = 500 * time.Millisecond
)

func (o Options) withDefaults() Options {
	o.ConnectTimeout = cmp.Or(o.ConnectTimeout, 2*time.Second)
	o.ExchangeTimeout = cmp.Or(o.ExchangeTimeout, 3*time.Second)
	o.IdleTimeout = cmp.Or(o.IdleTimeout, 500*time.Millisecond)
	o.MaxFrameBytes = cmp.Or(o.MaxFrameBytes, MaxFrame)
	o.MaxQueued = cmp.Or(o.MaxQueued, 32)
	o.MaxAddresses = cmp.Or(o.MaxAddresses, 4096)
	if o.Dial == nil {
		o.Dial = (&net.Dialer{KeepAlive: noKeepAlive}).DialContext
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o
}

// noKeepAlive: every exchange has a deadline, so that probes would only cost.
const noKeepAlive = -1

// dial makes a connection for whoever has the turn. What a name means is held
// against the networks when it is dialled, whatever it meant before.
func (c *Client) dial(ctx context.Context, p *plug, address string) (net.Conn, error) {
	if !p.fenced {
		return c.options.Dial(ctx, "tcp", address)
	}
	return (&net.Dialer{KeepAlive: noKeepAlive, Control: c.options.Networks.Control}).DialContext(ctx, "tcp", address)
}

// within tells whether a connection, which may have been made for a target that is
// not fenced, ends within the networks.
func (c *Client) within(conn net.Conn) bool {
	return c.options.Networks.Control("", conn.RemoteAddr().String(), nil) == nil
}

// Stats counts what a Client has done since it was made.
type Stats struct {
	// Exchanges were answered; Failures were not, of whatever class.
	Exchanges, Failures uint64
	// Connects counts connections made; Resends requests sent once more because
	// the plug had closed the connection before.
	Connects, Resends uint64
	// Busy counts requests refused because a bound was reached.
	Busy uint64
}
