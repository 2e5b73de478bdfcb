package api

import (
	"net"
	"net/netip"
	"sync"
)

// boundedListener takes so many connections at once, and so many of one client, that
// those who open them and say nothing leave room for others. What is beyond is closed
// at once. Trusted proxies have the connections of many.
type boundedListener struct {
	net.Listener

	most, mostOfOne int
	isProxy         func(host string) bool
	refused         func()

	mu   sync.Mutex
	all  int
	each map[netip.Prefix]int
}

// Accept returns the next connection that is within the bounds.
func (l *boundedListener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		client, bounded := l.clientOf(conn)
		if !l.take(client, bounded) {
			l.refused()
			_ = conn.Close() // nothing was said on it
			continue
		}
		return &boundedConn{Conn: conn, release: sync.OnceFunc(func() { l.release(client, bounded) })}, nil
	}
}

// clientOf is what stands for a client, an IPv4 address or the /64 that an IPv6
// customer has, and whether its connections are bounded.
func (l *boundedListener) clientOf(conn net.Conn) (client netip.Prefix, bounded bool) {
	from, ok := conn.RemoteAddr().(*net.TCPAddr)
	if !ok || l.isProxy(from.IP.String()) {
		return netip.Prefix{}, false
	}
	addr := from.AddrPort().Addr().Unmap().WithZone("")
	bits := addr.BitLen()
	if addr.Is6() {
		bits = 64
	}
	client, _ = addr.Prefix(bits) // the bits fit
	return client, true
}

func (l *boundedListener) take(client netip.Prefix, bounded bool) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.all >= l.most || bounded && l.each[client] >= l.mostOfOne {
		return false
	}
	l.all++
	if bounded {
		l.each[client]++
	}
	return true
}

func (l *boundedListener) release(client netip.Prefix, bounded bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.all--
	if !bounded {
		return
	}
	if l.each[client]--; l.each[client] == 0 {
		delete(l.each, client)
	}
}

// boundedConn gives its place back when it is closed.
type boundedConn struct {
	net.Conn

	release func()
}

// Close closes the connection.
func (c *boundedConn) Close() error {
	c.release()
	return c.Conn.Close()
}

// CloseWrite ends what we say, so that a client that we listen to no longer still reads
// our last words; net/http asks for it.
func (c *boundedConn) CloseWrite() error {
	if half, ok := c.Conn.(interface{ CloseWrite() error }); ok {
		return half.CloseWrite()
	}
	return nil
}
