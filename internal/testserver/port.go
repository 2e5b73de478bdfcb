package testserver

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"testing"

	"github.com/wattline/wattline/internal/datalock"
)

const (
	loopback = "127.0.0.1"
	// Below the range from which systems take the ports of outgoing connections,
	// so that a server that was killed gets its port back when it starts again.
	firstPort = 20000
	lastPort  = 32000
)

// FreePort returns a port on which nobody listens on 127.0.0.1, neither by TCP
// nor by UDP. Until the test ends no other test gets it, of this process or of
// another: a server may come later, go and come back, at any address.
func FreePort(t testing.TB) int {
	t.Helper()
	var err error
	for range 100 {
		port := firstPort + rand.IntN(lastPort-firstPort)
		if err = reserve(t, port); err == nil {
			return port
		}
	}
	t.Fatalf("no free port between %d and %d: %v", firstPort, lastPort, err)
	return 0
}

// reserve keeps a port for a test by a lock, which ends with the process if that
// is killed.
func reserve(t testing.TB, port int) error {
	t.Helper()
	folder := filepath.Join(os.TempDir(), fmt.Sprintf("wattline-test-ports-%d", os.Getuid()))
	reserved, err := datalock.Take(folder, strconv.Itoa(port))
	if err != nil {
		return err
	}
	if err := tryPort(t, port); err != nil {
		_ = reserved.Close()
		return err
	}
	t.Cleanup(func() { _ = reserved.Close() })
	return nil
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
