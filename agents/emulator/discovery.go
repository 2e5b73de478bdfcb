package emulator

import (
	"context"
	"net"
	"time"

	"github.com/wattline/wattline/agents/kasa"
)

// maxDatagram bounds what is read of a datagram; the rest is cut off by the
// kernel and what is left is no JSON.
const maxDatagram = 2 << 10

// serveDatagrams answers requests over UDP: no header, the same JSON.
func (p *Plug) serveDatagrams(ctx context.Context, conn net.PacketConn) {
	stop := context.AfterFunc(ctx, func() { _ = conn.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	buffer := make([]byte, maxDatagram)
	for ctx.Err() == nil {
		n, from, err := conn.ReadFrom(buffer)
		if err != nil {
			p.wait(ctx, recheck) // an ICMP answer to an earlier reply
			continue
		}
		p.answerDatagram(ctx, conn, buffer[:n], from)
	}
}

// answerDatagram sends from conn, so that the reply comes from the plug's port.
func (p *Plug) answerDatagram(ctx context.Context, conn net.PacketConn, datagram []byte, from net.Addr) {
	if !p.Reachable() {
		return
	}
	reply, fault, ok := p.answer(nil, kasa.Decrypt(datagram), true)
	if !ok || !p.wait(ctx, p.opts.Latency) {
		return
	}
	reply = kasa.Encrypt(reply)
	switch fault.Kind {
	case Reset, Short, Huge, Drip:
		reply = reply[:len(reply)/2]
	case Garbage:
		reply = p.garbage()
	case BadJSON:
		reply = kasa.Encrypt(p.wrongJSON(kasa.Decrypt(reply)))
	case Latency:
		if !p.wait(ctx, fault.pause()) {
			return
		}
	}
	p.mu.Lock()
	p.stats.Datagrams++
	p.mu.Unlock()
	_, _ = conn.WriteTo(reply, from) // a datagram may be lost anyway
}
