package broker_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/testserver"
)

func TestStartWithAnEmptyFolderServesAtOnce(t *testing.T) {
	began := time.Now()
	b := start(t, broker.Options{})
	t.Logf("ready after %s", time.Since(began))
	client := connect(t, b.URL(), wire.Connect{ClientID: "first"})
	if got := subscribe(t, client, "#", 1); len(got) != 0 {
		t.Errorf("%d retained messages in an empty broker: %v", len(got), got)
	}
	if host, _, err := net.SplitHostPort(address(b.URL())); err != nil || host != "127.0.0.1" {
		t.Errorf("listens on %s, want loopback", b.URL())
	}
	if addr := b.NATSAddr(); addr != nil {
		t.Errorf("there is a listener for NATS clients on %s", addr)
	}
}

func TestMessagesReachTheirSubscribers(t *testing.T) {
	b := start(t, broker.Options{})
	publisher := connect(t, b.URL(), wire.Connect{ClientID: "publisher"})
	topics := map[string]string{
		"dots in levels":      "wattline/data/hq.north/sp_w.r1.c1",
		"a level of dots":     "a/.../b",
		"empty levels":        "/a//b/",
		"signs of NATS":       "a/b*/>c/$d",
		"letters of all kind": "büro/プラグ/π",
		"a foreign root":      "office",
		"a dollar":            "$office/a",
	}
	for name, topic := range topics {
		for qos := range byte(2) {
			t.Run(fmt.Sprintf("%s, QoS %d", name, qos), func(t *testing.T) {
				subscriber := connect(t, b.URL(), wire.Connect{})
				subscribe(t, subscriber, topic, qos)
				publish(t, publisher, wire.Publish{Topic: topic, Payload: []byte(name), QoS: qos, Retain: true})
				checkMessage(t, next(t, subscriber), wire.Packet{Topic: topic, Payload: []byte(name), QoS: qos})
				late := connect(t, b.URL(), wire.Connect{})
				testserver.Eventually(t, patience, func() error {
					if got := subscribe(t, late, topic, qos); len(got) != 1 || !got[0].Retained || got[0].Topic != topic {
						return fmt.Errorf("retained messages are %v", got)
					}
					return nil
				})
			})
		}
	}
}

func checkMessage(t *testing.T, got, want wire.Packet) {
	t.Helper()
	if got.Topic != want.Topic || !bytes.Equal(got.Payload, want.Payload) || got.QoS != want.QoS || got.Retained != want.Retained {
		t.Errorf("got %s %q at QoS %d, retained %v; want %s %q at QoS %d, retained %v",
			got.Topic, got.Payload, got.QoS, got.Retained, want.Topic, want.Payload, want.QoS, want.Retained)
	}
}

func TestAWillIsPublishedWhenTheConnectionBreaks(t *testing.T) {
	b := start(t, broker.Options{})
	watcher := connect(t, b.URL(), wire.Connect{ClientID: "watcher"})
	subscribe(t, watcher, "presence/+", 1)
	will := wire.Publish{Topic: "presence/a", Payload: []byte("offline"), QoS: 1, Retain: true}
	client := connect(t, b.URL(), wire.Connect{ClientID: "a", Will: &will})
	_ = client.Close()
	checkMessage(t, next(t, watcher), wire.Packet{Topic: will.Topic, Payload: will.Payload, QoS: 1})
}

func TestAMessageThatIsNotAcknowledgedComesAgain(t *testing.T) {
	b := start(t, broker.Options{AckWait: 200 * time.Millisecond})
	publisher := connect(t, b.URL(), wire.Connect{ClientID: "publisher"})
	options := wire.Connect{ClientID: "subscriber", Persistent: true}
	subscriber := connect(t, b.URL(), options)
	subscribe(t, subscriber, "a", 1)
	publish(t, publisher, wire.Publish{Topic: "a", Payload: []byte("1"), QoS: 1})
	want := wire.Packet{Topic: "a", Payload: []byte("1"), QoS: 1}
	first, err := subscriber.Await(wire.TypePublish, nil)
	if err != nil {
		t.Fatal(err)
	}
	checkMessage(t, first, want)
	t.Run("on the same connection, marked as a duplicate", func(t *testing.T) {
		again, err := subscriber.Await(wire.TypePublish, nil)
		if err != nil {
			t.Fatal(err)
		}
		checkMessage(t, again, want)
		if !again.Duplicate || again.ID != first.ID {
			t.Errorf("duplicate %v with id %d, want a duplicate with id %d", again.Duplicate, again.ID, first.ID)
		}
	})
	t.Run("after a reconnect", func(t *testing.T) {
		_ = subscriber.Close()
		checkMessage(t, next(t, connect(t, b.URL(), options)), want)
	})
}

func TestAFolderServesOneBrokerAtATime(t *testing.T) {
	dir := t.TempDir()
	t.Run("of this process", func(t *testing.T) {
		b := start(t, broker.Options{DataDir: dir})
		checkStartFails(t, broker.Options{DataDir: dir}, dir, "in use by another broker (process ")
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
	})
	t.Run("of another one", func(t *testing.T) {
		other := newChild(t, broker.Options{DataDir: dir})
		other.start()
		checkStartFails(t, broker.Options{DataDir: dir}, dir, fmt.Sprintf("process %d", other.cmd.Process.Pid))
		other.kill()
		start(t, broker.Options{DataDir: dir})
	})
}

func TestAnAddressInUseIsAnErrorThatNamesIt(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	taken := listener.Addr().String()
	dir := t.TempDir()
	t.Run("for MQTT", func(t *testing.T) {
		checkStartFails(t, broker.Options{DataDir: dir, Listen: taken}, taken, "in use", "choose another")
	})
	t.Run("for the cluster", func(t *testing.T) {
		checkStartFails(t, broker.Options{Name: "a", DataDir: dir, Cluster: broker.ClusterOptions{
			Name: "office", Listen: taken, Peers: []string{"127.0.0.1:1"},
		}}, taken, "in use", "choose another")
	})
	t.Run("and leaves the folder free", func(t *testing.T) {
		start(t, broker.Options{DataDir: dir})
	})
}

// checkStartFails fails the test unless Start returns an error with the parts.
func checkStartFails(t *testing.T, options broker.Options, parts ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	b, err := broker.Start(ctx, options)
	if err == nil {
		t.Fatalf("started: %v", b.Close())
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("error %q does not say %q", err, part)
		}
	}
}

func TestCloseDisconnectsClientsAndFreesTheAddress(t *testing.T) {
	b := start(t, broker.Options{})
	client := connect(t, b.URL(), wire.Connect{ClientID: "client"})
	if err := b.Healthy(); err != nil {
		t.Error(err)
	}
	if err := b.Close(); err != nil {
		t.Fatal(err)
	}
	if err := b.Healthy(); err == nil {
		t.Error("healthy after its end")
	}
	if packet, err := client.Read(); !errors.Is(err, io.EOF) {
		t.Errorf("read %v, %v; want the end of the connection", packet, err)
	}
	start(t, broker.Options{Listen: address(b.URL())})
	if err := b.Close(); err != nil {
		t.Errorf("the second Close: %v", err)
	}
}

func TestWaitReturnsWithItsContext(t *testing.T) {
	b := start(t, broker.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := b.Wait(ctx); err != nil {
		t.Error(err)
	}
}

func TestStartGivesUpWithItsContext(t *testing.T) {
	// One member alone is no cluster: it waits for the others.
	options := broker.Options{Name: "a", DataDir: t.TempDir(), Cluster: broker.ClusterOptions{
		Name:   "office",
		Listen: fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)),
		Peers:  []string{fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))},
	}}
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	b, err := broker.Start(ctx, options)
	if err == nil {
		t.Fatalf("started: %v", b.Close())
	}
	if !strings.Contains(err.Error(), "broker not ready: context deadline exceeded") {
		t.Errorf("error is %q", err)
	}
}
