package broker_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/testserver"
)

// newCluster prepares a cluster of three, each member a process of its own.
func newCluster(t testing.TB) []*child {
	t.Helper()
	const members = 3
	var listen []string
	for range members {
		listen = append(listen, fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)))
	}
	var cluster []*child
	for i := range members {
		cluster = append(cluster, newChild(t, broker.Options{
			Name: fmt.Sprint("member-", i+1),
			Cluster: broker.ClusterOptions{
				Name: "office", Listen: listen[i], Secret: "of the office",
				// Itself among the peers does no harm: one list serves all members.
				Peers: listen,
			},
		}))
	}
	return cluster
}

func startCluster(t testing.TB, cluster []*child) {
	t.Helper()
	began := time.Now()
	for _, member := range cluster {
		member.launch()
	}
	for _, member := range cluster {
		member.await()
	}
	t.Logf("the cluster was ready after %s", time.Since(began).Round(time.Millisecond))
}

func TestAClusterOfThree(t *testing.T) {
	cluster := newCluster(t)
	startCluster(t, cluster)
	publisher := connect(t, cluster[0].url(), wire.Connect{ClientID: "publisher"})
	watcher := connect(t, cluster[1].url(), wire.Connect{ClientID: "watcher"})
	subscribe(t, watcher, "live/+", 1)

	t.Run("a message passes from member to member", func(t *testing.T) {
		publish(t, publisher, wire.Publish{Topic: "live/a", Payload: []byte("1"), QoS: 1})
		checkMessage(t, next(t, watcher), wire.Packet{Topic: "live/a", Payload: []byte("1"), QoS: 1})
		publish(t, publisher, wire.Publish{Topic: "live/a", Payload: []byte("2")})
		checkMessage(t, next(t, watcher), wire.Packet{Topic: "live/a", Payload: []byte("2")})
	})
	t.Run("a retained message is found at every member", func(t *testing.T) {
		publish(t, publisher, wire.Publish{Topic: "kept/a", Payload: []byte("1"), QoS: 1, Retain: true})
		for _, member := range cluster {
			testserver.Eventually(t, patience, func() error { return tryRetained(member, "kept/#", 1) })
		}
	})
	t.Run("NATS clients are not served", func(t *testing.T) { checkNotServed(t, cluster[0].nats) })
	t.Run("whoever does not know the secret does not join", func(t *testing.T) {
		intruder := cluster[2].options
		intruder.Name, intruder.DataDir, intruder.Listen = "intruder", t.TempDir(), ""
		intruder.Cluster.Listen, intruder.Cluster.Secret = fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t)), "a guess"
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if b, err := broker.Start(ctx, intruder); err == nil {
			t.Errorf("it joined: %v", b.Close())
		}
	})
	ask := busesAcross(t, cluster)
	t.Run("a component at another member answers", func(t *testing.T) { testserver.Eventually(t, patience, ask) })
	cluster[2].kill()
	t.Run("a component that was at the third answers by way of another", func(t *testing.T) {
		testserver.Eventually(t, 3*patience, ask)
	})
	t.Run("two go on without the third", func(t *testing.T) {
		// Until the two have agreed on who leads, the message may not be kept.
		testserver.Eventually(t, 3*patience, func() error {
			return errors.Join(tryPublish(cluster[0], "kept/b"), tryRetained(cluster[1], "kept/#", 2))
		})
	})
	t.Run("the third comes back and finds what it missed", func(t *testing.T) {
		cluster[2].start()
		client := connect(t, cluster[2].url(), wire.Connect{ClientID: "first"})
		if got := subscribe(t, client, "kept/#", 1); len(got) != 2 {
			t.Errorf("the first subscriber got %d of 2 retained messages", len(got))
		}
	})
	t.Run("all killed at once come back with what they kept", func(t *testing.T) {
		for _, member := range cluster {
			member.kill()
		}
		startCluster(t, cluster)
		for i, member := range cluster {
			client := connect(t, member.url(), wire.Connect{ClientID: fmt.Sprint("first-", i)})
			if got := subscribe(t, client, "kept/#", 1); len(got) != 2 {
				t.Errorf("the first subscriber at member %d got %d of 2 retained messages", i+1, len(got))
			}
		}
	})
}

// busesAcross connects a component to the last member and returns how to ask it
// something by way of the first. Both know the addresses of all members.
func busesAcross(t *testing.T, cluster []*child) (ask func() error) {
	t.Helper()
	var forward, backward []string
	for _, member := range cluster {
		forward = append(forward, member.url())
	}
	for _, url := range slices.Backward(forward) {
		backward = append(backward, url)
	}
	component := bustest.Start(t, backward, "across", "component")
	component.Announce("echo")
	topic := wattline.Topic{Kind: wattline.TopicQuery, Component: "echo"}
	cancel, err := component.Respond(bus.RespondOptions{Filter: topic}, func(context.Context, bus.Request) (any, error) {
		return "answered", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	asker := bustest.Start(t, forward, "across", "asker")
	topic.Verb = "any"
	return func() error {
		_, err := asker.Ask(t.Context(), bus.Ask{Topic: topic, Timeout: time.Second})
		return err
	}
}

// tryPublish publishes a retained message and awaits its acknowledgement.
func tryPublish(member *child, topic string) error {
	client, err := tryConnect(member.url(), wire.Connect{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	if _, err := client.Publish(wire.Publish{Topic: topic, Payload: []byte("1"), QoS: 1, Retain: true}); err != nil {
		return err
	}
	_, err = client.Await(wire.TypePuback, nil)
	return err
}

// tryRetained returns an error unless a new subscriber at the member gets n
// retained messages.
func tryRetained(member *child, filter string, n int) error {
	client, err := tryConnect(member.url(), wire.Connect{})
	if err != nil {
		return err
	}
	defer func() { _ = client.Close() }()
	got, err := trySubscribe(client, filter, 0)
	if err == nil && len(got) != n {
		err = fmt.Errorf("%d retained messages, want %d", len(got), n)
	}
	return err
}

// checkNotServed fails the test if a NATS client gets an answer at the address.
func checkNotServed(t *testing.T, address string) {
	t.Helper()
	conn, err := dial(address)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	if _, err := conn.Write([]byte("CONNECT {}\r\nSUB > 1\r\nPING\r\n")); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil && isTimeout(err) {
		t.Errorf("the connection stays open after %q", answer)
	}
	for _, word := range []string{"PONG", "MSG"} {
		if strings.Contains(string(answer), word) {
			t.Errorf("a NATS client was answered: %q", answer)
		}
	}
}
