package bus_test

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/bus/bustest"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/testserver"
)

func TestAFullResponderSaysBusy(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	node := bustest.Start(t, []string{server.URL()}, root, "node")
	node.Announce(component)
	waitLive(t, node, component)
	release := make(chan struct{})
	taken := make(chan struct{}, 10)
	if _, err := node.Respond(bus.RespondOptions{Filter: query("node", ""), Workers: 1, Queue: 1},
		func(context.Context, bus.Request) (any, error) { taken <- struct{}{}; <-release; return nil, nil }); err != nil {
		t.Fatal(err)
	}
	const asks = 5
	outcomes := make(chan error, asks)
	ask := func() {
		_, err := node.Ask(t.Context(), bus.Ask{Topic: query("node", "any"), Timeout: patience})
		outcomes <- err
	}
	go ask()
	<-taken
	for range asks - 1 {
		go ask()
	}
	for range asks - 2 { // one is under way, one waits
		wantCode(t, <-outcomes, wattline.CodeBusy)
	}
	close(release)
	for range 2 {
		if err := <-outcomes; err != nil {
			t.Error(err)
		}
	}
}

func TestTooManyAsksAreRefusedAtOnce(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	node := bustest.StartWith(t, root, bus.Options{Brokers: []string{server.URL()}, Instance: "node", MaxPending: 1})
	node.Announce(component)
	waitLive(t, node, component)
	ctx, cancel := context.WithCancel(t.Context())
	var first sync.WaitGroup
	first.Go(func() {
		_, err := node.Ask(ctx, bus.Ask{Topic: query("", "silent"), Timeout: time.Minute})
		wantCode(t, err, wattline.CodeTimeout)
	})
	testserver.Eventually(t, patience, func() error {
		if node.Stats().Pending == 0 {
			return context.DeadlineExceeded
		}
		return nil
	})
	_, err := node.Ask(t.Context(), bus.Ask{Topic: query("", "silent"), Timeout: time.Minute})
	wantCode(t, err, wattline.CodeBusy)
	cancel()
	first.Wait()
}

func TestASlowSubscriptionLosesItsOwnMessagesOnly(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	metrics, log := telemetry.New(), &logBook{}
	node := bustest.StartWith(t, root, bus.Options{
		Brokers: []string{server.URL()}, Instance: "node", Metrics: metrics, Log: log.Logger(slog.LevelDebug),
	})
	release := make(chan struct{})
	if _, err := node.Subscribe(bus.SubscribeOptions{Filter: event(""), Queue: 1, Name: "slow"},
		func(context.Context, bus.Message) { <-release }); err != nil {
		t.Fatal(err)
	}
	quick := make(chan bus.Message, 100)
	cancel, err := node.Subscribe(bus.SubscribeOptions{Filter: event("")},
		func(_ context.Context, message bus.Message) { quick <- message })
	if err != nil {
		t.Fatal(err)
	}
	const count = 10
	for i := range count {
		if err := node.Publish(t.Context(), event("x"), i); err != nil {
			t.Fatal(err)
		}
	}
	for range count {
		<-quick
	}
	close(release)
	if shown := scrape(t, metrics); !strings.Contains(shown, `reason="subscription full"`) {
		t.Error("what was lost is not counted")
	}
	if lines := strings.Count(log.String(), "subscription full"); lines != 1 {
		t.Errorf("the log says so %d times", lines)
	}
	cancel()
	cancel()
	if err := node.Publish(t.Context(), event("x"), "after"); err != nil {
		t.Fatal(err)
	}
	if len(quick) != 0 {
		t.Error("a subscription that was cancelled still gets messages")
	}
}

func TestTheEnd(t *testing.T) {
	server := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	asker := bustest.Start(t, []string{server.URL()}, root, "asker")
	node := bustest.Start(t, []string{server.URL()}, root, "node")
	node.Announce(component)
	waitLive(t, asker, component)
	taken, release := make(chan struct{}, 1), make(chan struct{})
	if _, err := node.Respond(bus.RespondOptions{Filter: query("node", "")}, func(context.Context, bus.Request) (any, error) {
		taken <- struct{}{}
		<-release
		return "done", nil
	}); err != nil {
		t.Fatal(err)
	}
	outcome := make(chan error, 1)
	go func() {
		_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "slow"), Timeout: patience})
		outcome <- err
	}()
	<-taken
	ended := make(chan struct{})
	go func() { node.Stop(); close(ended) }()
	t.Run("answers new requests with busy, and asks nothing more", func(t *testing.T) {
		testserver.Eventually(t, patience, func() error {
			_, err := node.Ask(t.Context(), bus.Ask{Topic: query("node", "any"), Timeout: time.Millisecond})
			if wattline.AsError(err).Code != wattline.CodeBrokerDown {
				return err
			}
			return nil
		})
		_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "new"), Timeout: patience})
		wantCode(t, err, wattline.CodeBusy)
	})
	t.Run("waits for what was accepted", func(t *testing.T) {
		close(release)
		if err := <-outcome; err != nil {
			t.Errorf("what was accepted is not answered: %v", err)
		}
		<-ended
	})
	t.Run("is told to the others", func(t *testing.T) {
		testserver.Eventually(t, patience, func() error {
			_, err := asker.Ask(t.Context(), bus.Ask{Topic: query("", "new"), Timeout: time.Millisecond})
			if wattline.AsError(err).Code != wattline.CodeNoResponder {
				return err
			}
			return nil
		})
	})
	t.Run("is the end", func(t *testing.T) {
		if err := node.Run(t.Context()); err == nil {
			t.Error("it runs a second time")
		}
		if _, err := node.Subscribe(bus.SubscribeOptions{Filter: event("")}, nil); err == nil {
			t.Error("it takes a subscription")
		}
		wantCode(t, node.Publish(t.Context(), event("x"), 1), wattline.CodeBrokerDown)
	})
}
