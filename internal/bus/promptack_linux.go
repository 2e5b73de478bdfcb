package bus

import (
	"io"
	"net"
	"syscall"
)

// promptAcks reads from a connection and has the kernel acknowledge at once what
// was read. A broker that leaves Nagle's algorithm on, as stock mosquitto does,
// holds each small packet back until the one before it was acknowledged; the
// usual delay of acknowledgements makes that 40 ms a packet (tcp(7),
// TCP_QUICKACK, which the kernel takes back whenever it likes).
type promptAcks struct {
	io.Reader
	socket syscall.RawConn
}

// promptly is the reader itself where the connection is not plain TCP beneath.
func promptly(conn net.Conn) io.Reader {
	beneath := conn
	if encrypted, ok := conn.(interface{ NetConn() net.Conn }); ok {
		beneath = encrypted.NetConn()
	}
	raw, ok := beneath.(syscall.Conn)
	if !ok {
		return conn
	}
	socket, err := raw.SyscallConn()
	if err != nil {
		return conn
	}
	return promptAcks{conn, socket}
}

// Read reads, and then acknowledges.
func (p promptAcks) Read(to []byte) (int, error) {
	n, err := p.Reader.Read(to)
	_ = p.socket.Control(func(fd uintptr) { // where it fails, acknowledgements are only late
		_ = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_TCP, syscall.TCP_QUICKACK, 1)
	})
	return n, err
}
