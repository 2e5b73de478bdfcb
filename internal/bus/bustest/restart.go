package bustest

import (
	"context"
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/testserver"
)

func askThroughRestart(t *testing.T, h Harness) {
	asker, responder := pair(t, h, "restart")
	taken := make(chan struct{}, 1)
	restarted := make(chan struct{})
	respond(t, responder, func(ctx context.Context, _ bus.Request) (any, error) {
		select {
		case taken <- struct{}{}:
		default:
		}
		select {
		case <-restarted:
			return "done", nil
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	})
	type outcome struct {
		body []byte
		err  error
	}
	outcomes := make(chan outcome, 2)
	ask := func() {
		body, err := asker.Ask(t.Context(), bus.Ask{Topic: query("slow"), Timeout: patience})
		outcomes <- outcome{body, err}
	}
	go ask() // is taken up before the broker is killed
	<-taken
	h.Kill()
	waitDisconnected(t, asker.Bus)
	_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("slow")})
	wantCode(t, err, wattline.CodeBrokerDown)
	h.Restart()
	close(restarted)
	WaitConnected(t, asker.Bus)
	go ask() // is sent as soon as there is a connection, the responder's or not
	for range 2 {
		if got := <-outcomes; got.err != nil || string(got.body) != `"done"` {
			t.Errorf("the reply is %s, %v", got.body, got.err)
		}
	}
}

// waitDisconnected waits until a bus has noticed, or has moved to another broker.
func waitDisconnected(t *testing.T, b *bus.Bus) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		if b.Connected() {
			return fmt.Errorf("%s is still connected", b.Instance())
		}
		return nil
	})
}

func retainedThroughRestart(t *testing.T, h Harness) {
	owner := Start(t, h.URLs, "again", "again-owner")
	want := make(map[wattline.Topic]string)
	for i := range 200 {
		topic := data("hq", "d"+strconv.Itoa(i))
		want[topic] = `"before"`
		retain(t, owner.Bus, topic, "before")
	}
	gone := wattline.Topic{Kind: wattline.TopicDevice, Device: "gone"}
	retain(t, owner.Bus, gone, "before")
	waitKept(t, owner.Bus, gone, map[wattline.Topic]string{gone: `"before"`})
	live := subscribe(t, owner.Bus, data("hq", "d0"))
	granted := subscribeGranted(t, owner.Bus)
	waitGranted(t, granted)

	h.Kill()
	want[data("hq", "d0")] = `"while it was away"`
	retain(t, owner.Bus, data("hq", "d0"), "while it was away")
	retain(t, owner.Bus, gone, nil)
	wantCode(t, publishDown(t, owner), wattline.CodeBrokerDown)
	h.Restart()

	WaitConnected(t, owner.Bus)
	waitGranted(t, granted)
	// Whoever subscribes while a value is replaced may be left with the old one
	// by some brokers; so the reader comes after.
	live.until(t, `"while it was away"`)
	waitRetained(t, owner, len(want)) // the deletion was confirmed and is forgotten
	reader := Start(t, h.URLs, "again", "again-reader")
	waitKept(t, reader.Bus, data("", ""), want)
	waitKept(t, reader.Bus, wattline.Topic{Kind: wattline.TopicDevice}, map[wattline.Topic]string{})
}

// subscribeGranted hears of each time that a subscription is granted.
func subscribeGranted(t *testing.T, b *bus.Bus) <-chan struct{} {
	t.Helper()
	granted := make(chan struct{}, 100)
	cancel, err := b.Subscribe(bus.SubscribeOptions{Filter: event("granted"), Granted: func() { granted <- struct{}{} }},
		func(context.Context, bus.Message) {})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cancel)
	return granted
}

func waitGranted(t *testing.T, granted <-chan struct{}) {
	t.Helper()
	select {
	case <-granted:
	case <-time.After(patience):
		t.Fatal("the subscription was not granted, or nobody was told")
	}
}

// publishDown publishes until the loss of the connection is noticed.
func publishDown(t *testing.T, node Node) error {
	t.Helper()
	waitDisconnected(t, node.Bus)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	return node.Publish(ctx, event("x"), 1)
}
