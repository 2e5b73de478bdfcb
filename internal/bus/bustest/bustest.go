// Package bustest is the conformance suite of the bus: what it promises, over
// any broker that is to carry it. Every kind of broker runs the same suite.
package bustest

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/testserver"
)

// Harness is a broker under test.
type Harness struct {
	// URLs are given to every bus as they are.
	URLs []string
	// Kill ends the broker as a crash would: clients lose their connections.
	Kill func()
	// Forgetful brokers may acknowledge a retained message and not keep it, as a cluster
	// does while its members agree on who leads.
	Forgetful bool
	// Restart brings it back after Kill, on the same addresses. It returns when
	// clients can connect.
	Restart func()
}

// patience bounds what is only waited for; nothing measures itself against it. A late
// subscriber of a cluster on a busy machine waits half of it for thousands of values.
const patience = 90 * time.Second

// Run puts a broker through the suite. open starts a fresh one and ends it with
// the test that it is given.
func Run(t *testing.T, open func(t *testing.T) Harness) {
	t.Run("messages", func(t *testing.T) { runMessages(t, open(t)) })
	t.Run("presence", func(t *testing.T) { runPresence(t, open(t)) })
	t.Run("requests", func(t *testing.T) { runRequests(t, open(t)) })
	t.Run("a broker that is killed and restarted", func(t *testing.T) {
		t.Run("in the middle of an ask: it is answered within the deadline", func(t *testing.T) {
			askThroughRestart(t, open(t))
		})
		t.Run("gets all that is retained from its owners", func(t *testing.T) {
			retainedThroughRestart(t, open(t))
		})
	})
}

// Node is a bus that runs.
type Node struct {
	*bus.Bus
	// Stop ends Run in good order and waits for it.
	Stop func()
}

// Start runs a bus on a broker until the end of the test, and waits until it is
// connected. The root keeps the tests of one broker apart.
func Start(t testing.TB, urls []string, root, instance string) Node {
	t.Helper()
	return StartWith(t, root, bus.Options{Brokers: urls, Instance: instance})
}

// StartWith is Start with other options; it fills in Topics and Log.
func StartWith(t testing.TB, root string, options bus.Options) Node {
	t.Helper()
	topics, err := wattline.NewTopics(root)
	if err != nil {
		t.Fatal(err)
	}
	options.Topics = topics
	if options.Log == nil {
		options.Log = slog.New(slog.NewTextHandler(t.Output(), &slog.HandlerOptions{Level: slog.LevelDebug}))
	}
	b, err := bus.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- b.Run(ctx) }()
	stop := func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
		ended <- nil // for whoever stops it again
	}
	t.Cleanup(stop)
	WaitConnected(t, b)
	return Node{Bus: b, Stop: stop}
}

// WaitConnected fails the test if a bus does not connect.
func WaitConnected(t testing.TB, b *bus.Bus) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := b.WaitConnected(ctx); err != nil {
		t.Fatalf("%s is not connected: %v", b.Instance(), err)
	}
}

// waitLive waits until one bus knows another to be alive in a role.
func waitLive(t testing.TB, b *bus.Bus, role string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if _, ok := b.Pick(role, ""); !ok {
			return fmt.Errorf("%s knows no %s", b.Instance(), role)
		}
		return nil
	})
}

func waitDead(t testing.TB, b *bus.Bus, role string) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if other, ok := b.Pick(role, ""); ok {
			return fmt.Errorf("%s is still taken to be alive", other)
		}
		return nil
	})
}

// received is a subscription's messages as a test reads them.
type received chan bus.Message

// subscribe collects messages; the queue takes all that a test sends.
func subscribe(t testing.TB, b *bus.Bus, filter wattline.Topic) received {
	t.Helper()
	const plenty = 20_000
	messages := make(received, plenty)
	cancel, err := b.Subscribe(bus.SubscribeOptions{Filter: filter, Queue: plenty, Name: t.Name()},
		func(_ context.Context, message bus.Message) { messages <- message })
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return messages
}

func (r received) next(t testing.TB) bus.Message {
	t.Helper()
	select {
	case message := <-r:
		return message
	case <-time.After(patience):
		t.Fatal("no message came")
		return bus.Message{}
	}
}

// until reads messages up to one with this payload.
func (r received) until(t testing.TB, payload string) {
	t.Helper()
	deadline := time.After(patience)
	var last bus.Message
	for {
		select {
		case last = <-r:
			if string(last.Payload) == payload {
				return
			}
		case <-deadline:
			t.Fatalf("no message %s came; the last was %+v", payload, last)
		}
	}
}

// quiet is how long a fresh subscription has to get nothing more before it is
// taken to have got all that is retained. What is seen too early is seen again.
const quiet = 150 * time.Millisecond

// slow is how long it has to get something while less came than is expected.
const slow = 2 * time.Second

// kept is what a late subscriber gets of a filter.
func kept(t testing.TB, b *bus.Bus, filter wattline.Topic, expected int) map[wattline.Topic]string {
	t.Helper()
	messages := make(chan bus.Message, 100)
	cancel, err := b.Subscribe(bus.SubscribeOptions{Filter: filter, Queue: 20_000},
		func(_ context.Context, message bus.Message) { messages <- message })
	if err != nil {
		t.Fatal(err)
	}
	defer cancel()
	found := make(map[wattline.Topic]string)
	for {
		wait := quiet
		if len(found) < expected {
			wait = slow
		}
		select {
		case message := <-messages:
			found[message.Topic] = string(message.Payload)
		case <-time.After(wait):
			return found
		}
	}
}

// waitKept waits until a late subscriber gets exactly so much: a broker may find
// a new retained topic only a moment after it has acknowledged it.
func waitKept(t testing.TB, b *bus.Bus, filter wattline.Topic, want map[wattline.Topic]string) {
	t.Helper()
	waitKeptOr(t, b, filter, want, func(wattline.Topic) {})
}

// waitKeptOr is waitKept with what to do about each topic that is missing.
func waitKeptOr(t testing.TB, b *bus.Bus, filter wattline.Topic, want map[wattline.Topic]string, mend func(missing wattline.Topic)) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		found := kept(t, b, filter, len(want))
		if maps.Equal(found, want) {
			return nil
		}
		for topic := range want {
			if _, is := found[topic]; !is {
				mend(topic)
			}
		}
		return fmt.Errorf("a late subscriber gets %s", difference(found, want))
	})
}

// difference is the first topic that differs, and how many there are.
func difference(found, want map[wattline.Topic]string) string {
	for topic, payload := range found {
		if wanted, ok := want[topic]; !ok || wanted != payload {
			return fmt.Sprintf("%q of %+v, want %q", payload, topic, wanted)
		}
	}
	return fmt.Sprintf("%d topics, want %d", len(found), len(want))
}

func publish(t testing.TB, b *bus.Bus, topic wattline.Topic, payload any) {
	t.Helper()
	// A burst may fill the queue to the broker: that is said, and tried again.
	testserver.Eventually(t, patience, func() error {
		err := b.Publish(t.Context(), topic, payload)
		if err != nil && !hasCode(err, wattline.CodeBusy) {
			t.Fatal(err)
		}
		return err
	})
}

func retain(t testing.TB, b *bus.Bus, topic wattline.Topic, payload any) {
	t.Helper()
	if err := b.Retain(t.Context(), topic, payload); err != nil {
		t.Fatal(err)
	}
}

func hasCode(err error, code wattline.Code) bool {
	var known *wattline.Error
	return errors.As(err, &known) && known.Code == code
}

func wantCode(t testing.TB, err error, code wattline.Code) {
	t.Helper()
	if !hasCode(err, code) {
		t.Errorf("the error is %v, want one of the code %s", err, code)
	}
}

func event(name string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicEvent, Event: name}
}

func data(site, device string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicData, Site: site, Device: device}
}
