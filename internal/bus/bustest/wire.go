package bustest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// Wire carries connections to a broker and can be cut, as a power cut or a
// SIGKILL of the client would: without a good-bye.
type Wire struct {
	listener net.Listener
	broker   string

	mu     sync.Mutex
	broken bool
	open   map[net.Conn]bool
}

// NewWire listens on a port of its own until the end of the test.
func NewWire(t testing.TB, brokerURL string) *Wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by the cleanup
	if err != nil {
		t.Fatal(err)
	}
	w := &Wire{
		listener: listener,
		broker:   strings.TrimPrefix(brokerURL, "mqtt://"),
		open:     make(map[net.Conn]bool),
	}
	var carrying sync.WaitGroup
	carrying.Go(func() {
		for {
			client, err := listener.Accept()
			if err != nil {
				return
			}
			carrying.Go(func() { w.carry(client) })
		}
	})
	t.Cleanup(func() {
		_ = listener.Close()
		w.Cut()
		carrying.Wait()
	})
	return w
}

// URL is what a bus is given to connect through the wire.
func (w *Wire) URL() string { return "mqtt://" + w.listener.Addr().String() }

func (w *Wire) carry(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", w.broker) //nolint:noctx // to loopback
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	if !w.add(client, server) {
		return
	}
	var back sync.WaitGroup
	back.Go(func() {
		_, _ = io.Copy(client, server) // ends with either side
		_ = client.Close()
	})
	_, _ = io.Copy(server, client)
	_ = server.Close()
	back.Wait()
}

func (w *Wire) add(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, end := range ends {
		w.open[end] = true
	}
	return !w.broken
}

// Cut ends all connections and refuses others.
func (w *Wire) Cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for end := range w.open {
		_ = end.Close()
		delete(w.open, end)
	}
}

// Mend lets connections through again.
func (w *Wire) Mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = false
}
