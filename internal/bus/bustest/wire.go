package bustest

import (
	"io"
	"net"
	"strings"
	"sync"
	"testing"
)

// wire carries connections to a broker and can be cut, as a power cut or a
// SIGKILL of the client would: without a good-bye.
type wire struct {
	listener net.Listener
	broker   string

	mu     sync.Mutex
	broken bool
	open   map[net.Conn]bool
}

func newWire(t testing.TB, brokerURL string) *wire {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // closed by the cleanup
	if err != nil {
		t.Fatal(err)
	}
	w := &wire{
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
		w.cut()
		carrying.Wait()
	})
	return w
}

func (w *wire) url() string { return "mqtt://" + w.listener.Addr().String() }

func (w *wire) carry(client net.Conn) {
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

func (w *wire) add(ends ...net.Conn) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, end := range ends {
		w.open[end] = true
	}
	return !w.broken
}

// cut ends all connections and refuses others.
func (w *wire) cut() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = true
	for end := range w.open {
		_ = end.Close()
		delete(w.open, end)
	}
}

// mend lets connections through again.
func (w *wire) mend() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.broken = false
}
