package testserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"testing"
)

const (
	loopback = "127.0.0.1"
	// Below the range from which systems take the ports of outgoing connections,
	// so that a server that was killed gets its port back when it starts again.
	firstPort = 20000
	lastPort  = 32000
)

// FreePort returns a port on which nobody listens on 127.0.0.1, neither by TCP
// nor by UDP.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if err = tryPort(t, port); err == nil {
			return port
		}
	}
	t.Fatalf("no free port between %d and %d: %v", firstPort, lastPort, err)
	return 0
}

func tryPort(t testing.TB, port int) error {
	var network net.ListenConfig
	addr := net.JoinHostPort(loopback, strconv.Itoa(port))
	stream, err := network.Listen(t.Context(), "tcp", addr)
	if err != nil {
		return fmt.Errorf("listen on TCP: %w", err)
	}
	defer func() { _ = stream.Close() }()
	packets, err := network.ListenPacket(t.Context(), "udp", addr)
	if err != nil {
		return fmt.Errorf("listen on UDP: %w", err)
	}
	return packets.Close()
}
