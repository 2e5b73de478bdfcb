package broker

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wattline/wattline/internal/broker/internal/wire"
)

const (
	// attemptTimeout bounds one attempt to make the broker ready. The server
	// itself waits 5 s for its storage.
	attemptTimeout = 15 * time.Second
	// attemptPause lies between two attempts.
	attemptPause = 200 * time.Millisecond
	// indexPause lies between two looks at the index of retained messages.
	indexPause = 2 * time.Millisecond
)

// warm makes the broker ready for clients and returns when it is: the streams
// are bounded, sessions left behind are gone and all retained messages will be
// found. It tries until the context ends; the members of a cluster are not ready
// before most of them are there.
func (b *Broker) warm(ctx context.Context) error {
	for attempt := 1; ; attempt++ {
		err := b.attempt(ctx)
		if err == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("broker not ready: %w (last: %w)", context.Cause(ctx), err)
		}
		if attempt == 1 {
			b.log.Warn("broker not ready yet, trying on", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(attemptPause):
		}
	}
}

func (b *Broker) attempt(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	// The first MQTT connection makes the server set up its streams.
	client, err := b.dialSelf(ctx)
	if err != nil {
		return fmt.Errorf("connect to itself: %w", err)
	}
	// Whatever waits for the connection gives up with the context.
	stop := context.AfterFunc(ctx, func() { _ = client.Close() })
	defer stop()
	err = b.prepare(ctx, client)
	return errors.Join(err, client.Disconnect())
}

func (b *Broker) prepare(ctx context.Context, client *wire.Client) error {
	conn, err := nats.Connect("", nats.InProcessServer(b.server), nats.NoReconnect(),
		nats.UserInfo(gateUser, b.gate.token))
	if err != nil {
		return fmt.Errorf("connect to its storage: %w", err)
	}
	defer conn.Close()
	if err := boundStreams(ctx, conn); err != nil {
		return err
	}
	swept, err := sweepSessions(ctx, conn, b.server.NodeName(), b.selfID())
	if err != nil {
		return err
	}
	if swept > 0 {
		b.log.Debug("deleted the sessions of clients that ended with the broker", "sessions", swept)
	}
	return awaitIndex(ctx, client, gateTopic+b.server.Name(), b.gate.token)
}

// selfID is the client id under which the broker connects to itself.
func (b *Broker) selfID() string { return gateUser + "-" + b.server.Name() }

func (b *Broker) dialSelf(ctx context.Context) (*wire.Client, error) {
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, err
	}
	client := wire.New(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = client.Connect(wire.Connect{ClientID: b.selfID(), Username: gateUser, Password: b.gate.token})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client, nil
}

// gateTopic is the parent of the topics by which members check their index.
// Filters that begin with a wildcard do not match it.
const gateTopic = "$wattline/gate/"

// awaitIndex returns when the server's index of retained messages is complete.
// The index is filled from a stream, in its order, new messages included; so once
// a retained message published now, with a payload that never was before, is
// found, everything older is in the index as well. The message stays where it is:
// as a replacement, the next one is stored even where the bounds are reached.
func awaitIndex(ctx context.Context, client *wire.Client, topic, mark string) error {
	if _, err := client.Publish(wire.Publish{Topic: topic, Payload: []byte(mark), Retain: true}); err != nil {
		return fmt.Errorf("mark the retained messages: %w", err)
	}
	for {
		found, err := findRetained(client, topic, mark)
		if err != nil {
			return fmt.Errorf("look for the mark among the retained messages: %w", err)
		}
		if found {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("retained messages not loaded: %w", ctx.Err())
		case <-time.After(indexPause):
		}
	}
}

// findRetained subscribes, which brings what the index holds for the topic, and
// then pings: the answer to that comes after.
func findRetained(client *wire.Client, topic, mark string) (found bool, err error) {
	if _, err := client.Subscribe(topic, 0); err != nil {
		return false, err
	}
	if err := client.Ping(); err != nil {
		return false, err
	}
	_, err = client.Await(wire.TypePingresp, func(packet wire.Packet) {
		found = found || packet.Type == wire.TypePublish && packet.Retained && string(packet.Payload) == mark
	})
	return found, err
}
