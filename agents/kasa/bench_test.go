package kasa_test

import (
	"context"
	"net"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/kasa"
)

// benchPlug answers every segment with the same frame, at the least cost, so
// that what is measured is the client.
func benchPlug(b *testing.B) (address string, size int) {
	b.Helper()
	reply := frame(model(hw4Sysinfo, hw4Realtime)(`{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`))
	listener, err := new(net.ListenConfig).Listen(b.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				buf := make([]byte, 4096)
				for {
					if _, err := conn.Read(buf); err != nil {
						_ = conn.Close()
						return
					}
					sendRaw(conn, reply)
				}
			}()
		}
	}()
	b.Cleanup(func() { _ = listener.Close() })
	return listener.Addr().String(), len(reply)
}

// The floor: the same bytes over the same kind of socket, and nothing else.
func BenchmarkBareExchange(b *testing.B) {
	address, size := benchPlug(b)
	conn, err := new(net.Dialer).DialContext(b.Context(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	request, buf := frame(`{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`), make([]byte, 4096)
	for b.Loop() {
		sendRaw(conn, request)
		for got := 0; got < size; {
			n, err := conn.Read(buf)
			if err != nil {
				b.Fatal(err)
			}
			got += n
		}
	}
}

func BenchmarkRead(b *testing.B) {
	address, _ := benchPlug(b)
	target, err := kasa.ParseAddress(address)
	if err != nil {
		b.Fatal(err)
	}
	client := newClient(b, kasa.Options{})
	ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
	defer cancel()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := client.Read(ctx, target); err != nil {
			b.Fatal(err)
		}
	}
}
