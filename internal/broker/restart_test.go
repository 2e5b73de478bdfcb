package broker_test

import (
	"fmt"
	"testing"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/testserver"
)

// manyRetained is more than the storage requests that the server queues unless it
// is told to queue more.
const manyRetained = 12_000

func TestAfterAKillTheFirstSubscriberGetsEveryRetainedMessage(t *testing.T) {
	server := newChild(t, broker.Options{})
	server.start()
	fill(t, connect(t, server.url(), wire.Connect{ClientID: "owner"}), manyRetained)
	for round := range 3 {
		t.Run(fmt.Sprintf("restart %d", round+1), func(t *testing.T) {
			server.kill()
			server.launch()
			// The subscriber is there from the first moment on, long before the
			// broker says that it is ready.
			var client *wire.Client
			testserver.Eventually(t, patience, func() (err error) {
				client, err = tryConnect(server.url(), wire.Connect{ClientID: fmt.Sprint("first-", round)})
				return err
			})
			defer func() { _ = client.Close() }()
			retained := subscribe(t, client, "#", 0)
			server.await()
			checkFilled(t, retained)
		})
	}
}

// checkFilled fails the test unless the messages are those of fill.
func checkFilled(t *testing.T, got []wire.Packet) {
	t.Helper()
	payloads := make(map[string]string, len(got))
	for _, message := range got {
		if !message.Retained {
			t.Errorf("%s is not marked as retained", message.Topic)
		}
		payloads[message.Topic] = string(message.Payload)
	}
	missing := 0
	for i := range manyRetained {
		want := fmt.Sprintf(`{"device":"desk-%d","power_w":%d}`, i, i)
		if payloads[fmt.Sprintf("wattline/data/hq/desk-%d", i)] != want {
			missing++
		}
	}
	if missing > 0 || len(got) != manyRetained {
		t.Errorf("%d messages, %d of %d retained ones missing or changed", len(got), missing, manyRetained)
	}
}

func TestDataSurviveARestart(t *testing.T) {
	dir := t.TempDir()
	first := start(t, broker.Options{DataDir: dir})
	publisher := connect(t, first.URL(), wire.Connect{ClientID: "publisher"})
	away := connect(t, first.URL(), wire.Connect{ClientID: "away", Persistent: true})
	subscribe(t, away, "queue/#", 1)
	leave(t, first, away)
	publish(t, publisher, wire.Publish{Topic: "kept", Payload: []byte("old"), QoS: 1, Retain: true})
	publish(t, publisher, wire.Publish{Topic: "kept", Payload: []byte("new"), QoS: 1, Retain: true})
	publish(t, publisher, wire.Publish{Topic: "deleted", Payload: []byte("x"), QoS: 1, Retain: true})
	publish(t, publisher, wire.Publish{Topic: "deleted", QoS: 1, Retain: true})
	for i := range 5 {
		publish(t, publisher, wire.Publish{Topic: "queue/a", Payload: fmt.Append(nil, i), QoS: 1})
	}
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}

	second := start(t, broker.Options{DataDir: dir})
	t.Run("retained messages, in their last form", func(t *testing.T) {
		retained := subscribe(t, connect(t, second.URL(), wire.Connect{ClientID: "subscriber"}), "#", 1)
		if len(retained) != 1 || retained[0].Topic != "kept" || string(retained[0].Payload) != "new" {
			t.Errorf("got %v, want kept=new alone", retained)
		}
	})
	t.Run("the queue of an absent session, in order", func(t *testing.T) {
		back := connect(t, second.URL(), wire.Connect{ClientID: "away", Persistent: true})
		for i := range 5 {
			if got := next(t, back); string(got.Payload) != fmt.Sprint(i) {
				t.Errorf("message %d is %q", i, got.Payload)
			}
		}
	})
}

// leave disconnects the only client that subscribes and waits until the server
// has noticed: what it hands out before, it repeats after AckWait, out of order.
func leave(t *testing.T, b *broker.Broker, client *wire.Client) {
	t.Helper()
	if err := client.Disconnect(); err != nil {
		t.Fatal(err)
	}
	testserver.Eventually(t, patience, func() error {
		queues, err := b.Queues()
		if err != nil {
			return err
		}
		for _, queue := range queues {
			if queue.PushBound {
				return fmt.Errorf("queue %s is still taken to have a client", queue.Name)
			}
		}
		return nil
	})
}

func TestSessionsThatEndedWithTheBrokerLeaveNothingBehind(t *testing.T) {
	dir := t.TempDir()
	server := newChild(t, broker.Options{DataDir: dir})
	for round := range 3 {
		server.start()
		for i := range 5 {
			client := connect(t, server.url(), wire.Connect{ClientID: fmt.Sprintf("random-%d-%d", round, i)})
			subscribe(t, client, "data/#", 1)
		}
		kept := connect(t, server.url(), wire.Connect{ClientID: "kept", Persistent: true})
		subscribe(t, kept, "data/a", 1)
		server.kill()
	}
	b := start(t, broker.Options{DataDir: dir})
	queues, err := b.Queues()
	if err != nil {
		t.Fatal(err)
	}
	if len(queues) != 1 {
		t.Errorf("%d queues are left, want the one of the persistent session", len(queues))
	}
	back := connect(t, b.URL(), wire.Connect{ClientID: "kept", Persistent: true})
	publish(t, connect(t, b.URL(), wire.Connect{ClientID: "publisher"}), wire.Publish{Topic: "data/a", Payload: []byte("1"), QoS: 1})
	if got := next(t, back); string(got.Payload) != "1" {
		t.Errorf("the persistent session got %q", got.Payload)
	}
}
