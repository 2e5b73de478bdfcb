package kasa

import (
	"context"
	"fmt"
	"net"
	"strconv"
	"time"
)

const webPort = 80

// klapVerdict remembers whether a plug that refuses connections seems to have
// KLAP firmware, so that its web port is not tried on every poll.
type klapVerdict struct {
	until time.Time
	klap  bool
}

// explainRefusal says "KLAP firmware" in words if that is what a refused
// connection looks like: the protocol's port closed and the web port open.
func (c *Client) explainRefusal(ctx context.Context, p *plug, refused *Error) {
	port := c.options.KLAPPort
	if port == 0 {
		if p.endpoint.port != DefaultPort {
			return
		}
		port = webPort
	}
	if now := time.Now(); now.After(p.klap.until) {
		open := c.isOpen(ctx, p, port)
		if ctx.Err() != nil {
			return
		}
		p.klap = klapVerdict{until: now.Add(verdictTTL), klap: open}
		if open {
			c.options.Log.Warn("plug seems to have KLAP firmware and cannot be read", "address", p.endpoint.String())
		}
	}
	if p.klap.klap {
		refused.KLAP = true
		refused.Message = fmt.Sprintf("connection refused while port %d is open: the plug has KLAP firmware, which closes port %d for good; "+
			"use another plug, or ask TP-Link for firmware with the local protocol", port, p.endpoint.port)
	}
}

func (c *Client) isOpen(ctx context.Context, p *plug, port int) bool {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	conn, err := c.dial(ctx, p, net.JoinHostPort(p.endpoint.host, strconv.Itoa(port)))
	if err != nil {
		return false
	}
	_ = conn.Close()
	return true
}
