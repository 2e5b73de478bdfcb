package main

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/lifecycle"
)

// roundTrip sends a message through the configured broker to itself and says how
// long the quickest of a few took. Where the broker's user is this very instance (see
// wattline broker credentials) it may not send any, and only connects: 0.
func roundTrip(ctx context.Context, loaded config.Config) (best time.Duration, err error) {
	quiet := slog.New(slog.DiscardHandler)
	p := &process{startOptions: startOptions{Config: loaded}, log: quiet, stack: lifecycle.New(quiet)}
	_, user := loaded.Broker.URLs()
	credential := user != "" && user == loaded.Instance
	if !credential {
		p.Config.Instance = "check-" + strings.Replace(time.Now().UTC().Format("150405.000000"), ".", "-", 1)
	}
	to, err := p.reachBroker(ctx)
	if err != nil {
		return 0, err
	}
	defer p.stack.Stop() //nolint:errcheck // nothing of it is kept
	if err := p.startBus(to); err != nil {
		return 0, err
	}
	if err := p.bus.WaitConnected(ctx); err != nil {
		return 0, wattline.Errorf(wattline.CodeBrokerDown, "no connection to %v: %w", to.Brokers, err)
	}
	if credential {
		return 0, nil
	}
	topic := wattline.Topic{Kind: wattline.TopicEvent, Event: p.Config.Instance}
	arrived := make(chan struct{}, 1)
	cancel, err := p.bus.Subscribe(bus.SubscribeOptions{Filter: topic, Queue: 1, Name: "check"}, func(context.Context, bus.Message) {
		arrived <- struct{}{}
	})
	if err != nil {
		return 0, err
	}
	defer cancel()
	const tries = 5
	for range tries {
		sent := time.Now()
		if err := p.bus.Publish(ctx, topic, struct{}{}); err != nil {
			return 0, err
		}
		select {
		case <-arrived:
		case <-ctx.Done():
			return 0, wattline.Errorf(wattline.CodeTimeout, "a message did not come back from the broker")
		}
		if took := time.Since(sent); best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}
