package broker

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/pause"
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
		if errors.Is(err, errNotLoaded) && ctx.Err() == nil {
			// The mark cannot be stored where as much is kept as may be. A late value
			// is better than none: the next live one corrects it.
			b.log.Error("clients are served before all retained messages are loaded", "error", err)
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("broker not ready: %w (last: %w)", context.Cause(ctx), err)
		}
		if attempt == 1 {
			b.log.Warn("broker not ready yet, trying on", "error", err)
		}
		_ = pause.For(ctx, attemptPause) // the end of ctx fails the next attempt
	}
}

func (b *Broker) attempt(ctx context.Context) error {
	storage, err := nats.Connect("", nats.InProcessServer(b.server), nats.NoReconnect(),
		nats.UserInfo(b.gate.own.name, b.gate.own.secret))
	if err != nil {
		return fmt.Errorf("connect to its storage: %w", err)
	}
	defer storage.Close()
	if b.server.JetStreamIsClustered() {
		if err := awaitStreams(ctx, storage, b.server.JetStreamIsLeader); err != nil {
			return err
		}
	}
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
	err = b.prepare(ctx, storage, client)
	return errors.Join(err, client.Disconnect())
}

func (b *Broker) prepare(ctx context.Context, storage *nats.Conn, client *wire.Client) error {
	if err := boundStreams(ctx, storage); err != nil {
		return err
	}
	if b.replicas > 1 {
		if err := replicateFeeds(ctx, storage, b.replicas); err != nil {
			return err
		}
	}
	swept, err := sweepSessions(ctx, storage, b.server.NodeName(), b.selfID())
	if err != nil {
		return err
	}
	if swept > 0 {
		b.log.Debug("deleted the sessions of clients that ended with the broker", "sessions", swept)
	}
	return awaitIndex(ctx, client, markTopic(b.server.NodeName(), b.gate.own.secret))
}

// selfID is the client id under which the broker connects to itself.
func (b *Broker) selfID() string { return gateUser + "-" + b.server.Name() }

func (b *Broker) dialSelf(ctx context.Context) (*wire.Client, error) {
	var dialer interface {
		DialContext(ctx context.Context, network, address string) (net.Conn, error)
	} = &net.Dialer{}
	if b.tls != nil {
		dialer = &tls.Dialer{Config: b.tls.Self()}
	}
	conn, err := dialer.DialContext(ctx, "tcp", b.address)
	if err != nil {
		return nil, err
	}
	client := wire.New(conn)
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	defer stop()
	err = client.Connect(wire.Connect{ClientID: b.selfID(), Username: b.gate.own.name, Password: b.gate.own.secret})
	if err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	return client, nil
}

// markTopic is the topic of a mark (see awaitIndex) that the member with the given
// node id makes. It is out of bounds for clients (see permissions), so that it
// comes to no subscriber.
func markTopic(node, mark string) string { return "$wattline/gate/" + node + "/" + mark }

// errNotLoaded says that the index of retained messages may not be complete.
var errNotLoaded = errors.New("retained messages not loaded")

// awaitIndex returns when the server's index of retained messages is complete.
// The index is filled from a stream, in its order, new messages included; so once
// a retained message published now is in it, everything older is as well. The
// message, the mark, is on a topic that never was before, because of a topic that
// is in the index already the server serves the newest message.
func awaitIndex(ctx context.Context, client *wire.Client, topic string) error {
	if _, err := client.Publish(wire.Publish{Topic: topic, Payload: []byte{'.'}, Retain: true}); err != nil {
		return fmt.Errorf("mark the retained messages: %w", err)
	}
	for {
		found, err := findRetained(client, topic)
		if err != nil {
			// The end of the context closes the connection.
			return errors.Join(errNotLoaded, err)
		}
		if found {
			return deleteRetained(client, topic)
		}
		if err := pause.For(ctx, indexPause); err != nil {
			return errors.Join(errNotLoaded, err)
		}
	}
}

// deleteRetained deletes a retained message and returns when that is on disk.
func deleteRetained(client *wire.Client, topic string) error {
	_, err := client.Publish(wire.Publish{Topic: topic, Retain: true})
	if err == nil {
		err = client.Ping()
	}
	if err == nil {
		_, err = client.Await(wire.TypePingresp, nil)
	}
	if err != nil {
		return fmt.Errorf("delete the mark: %w", err)
	}
	return nil
}

// findRetained subscribes, which brings what the index holds for the topic, and
// then pings: the answer to that comes after.
func findRetained(client *wire.Client, topic string) (found bool, err error) {
	if _, err := client.Subscribe(topic, 0); err != nil {
		return false, err
	}
	if err := client.Ping(); err != nil {
		return false, err
	}
	_, err = client.Await(wire.TypePingresp, func(packet wire.Packet) {
		found = found || packet.Type == wire.TypePublish && packet.Retained
	})
	return found, err
}
