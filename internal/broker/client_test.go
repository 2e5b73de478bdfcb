package broker_test

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
)

// patience is how long a test waits for what is to happen; a healthy broker takes
// a small part of it.
const patience = 20 * time.Second

// start starts a broker in this process and ends it with the test.
func start(t *testing.T, options broker.Options) *broker.Broker {
	t.Helper()
	if options.DataDir == "" {
		options.DataDir = t.TempDir()
	}
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if options.Log == nil {
		options.Log = slog.New(slog.NewTextHandler(t.Output(), nil))
	}
	b, err := broker.Start(ctx, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Error(err)
		}
	})
	return b
}

func address(url string) string { return strings.TrimPrefix(url, "mqtt://") }

// dial connects, with an end to every wait.
func dial(address string) (net.Conn, error) {
	conn, err := (&net.Dialer{Timeout: patience}).DialContext(context.Background(), "tcp", address)
	if err == nil {
		err = conn.SetDeadline(time.Now().Add(patience))
	}
	return conn, err
}

// tryConnect connects a client, whose every wait ends within patience.
func tryConnect(url string, connect wire.Connect) (*wire.Client, error) {
	conn, err := dial(address(url))
	if err != nil {
		return nil, err
	}
	client := wire.New(conn)
	if err := client.Connect(connect); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return client, nil
}

func connect(t *testing.T, url string, options wire.Connect) *wire.Client {
	t.Helper()
	client, err := tryConnect(url, options)
	if err != nil {
		t.Fatalf("connect: %v", err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// publish sends a message and awaits its acknowledgement, at QoS 0 that the
// broker has dealt with it.
func publish(t *testing.T, client *wire.Client, message wire.Publish) {
	t.Helper()
	if _, err := client.Publish(message); err != nil {
		t.Fatalf("publish: %v", err)
	}
	want := wire.TypePuback
	if message.QoS == 0 {
		want = wire.TypePingresp
		if err := client.Ping(); err != nil {
			t.Fatalf("publish: %v", err)
		}
	}
	if _, err := client.Await(want, nil); err != nil {
		t.Fatalf("await the acknowledgement of %s: %v", message.Topic, err)
	}
}

// subscribe subscribes and returns the retained messages that come with it.
func subscribe(t *testing.T, client *wire.Client, filter string, qos byte) []wire.Packet {
	t.Helper()
	retained, err := trySubscribe(client, filter, qos)
	if err != nil {
		t.Fatalf("subscribe to %s: %v", filter, err)
	}
	return retained
}

func trySubscribe(client *wire.Client, filter string, qos byte) ([]wire.Packet, error) {
	if _, err := client.Subscribe(filter, qos); err != nil {
		return nil, err
	}
	if err := client.Ping(); err != nil {
		return nil, err
	}
	var retained []wire.Packet
	var refused error
	_, err := client.Await(wire.TypePingresp, func(packet wire.Packet) {
		switch {
		case packet.Type == wire.TypeSuback && packet.Code > 2:
			refused = fmt.Errorf("refused with code %d", packet.Code)
		case packet.Type == wire.TypePublish:
			retained = append(retained, packet)
		}
	})
	if err == nil {
		err = refused
	}
	return retained, err
}

// next returns the next message and acknowledges it.
func next(t *testing.T, client *wire.Client) wire.Packet {
	t.Helper()
	message, err := client.Await(wire.TypePublish, nil)
	if err == nil && message.QoS == 1 {
		err = client.Puback(message.ID)
	}
	if err != nil {
		t.Fatalf("await a message: %v", err)
	}
	return message
}

// fill publishes n retained messages of QoS 1, so that all are acknowledged.
func fill(t *testing.T, client *wire.Client, n int) {
	t.Helper()
	sent := make(chan error, 1)
	go func() {
		for i := range n {
			_, err := client.Publish(wire.Publish{
				Topic:   fmt.Sprintf("wattline/data/hq/desk-%d", i),
				Payload: fmt.Appendf(nil, `{"device":"desk-%d","power_w":%d}`, i, i),
				QoS:     1, Retain: true,
			})
			if err != nil {
				sent <- err
				return
			}
		}
		sent <- nil
	}()
	for range n {
		if _, err := client.Await(wire.TypePuback, nil); err != nil {
			t.Fatalf("await an acknowledgement: %v", err)
		}
	}
	if err := <-sent; err != nil {
		t.Fatal(err)
	}
}
