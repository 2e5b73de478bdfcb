package main

import (
	"context"
	"errors"
	"fmt"
	"net"

	"github.com/wattline/wattline/internal/telemetry"
)

// serveMetrics lets a process without a gateway be watched too.
func (p *process) serveMetrics(ctx context.Context) error {
	if p.Config.MetricsListen == "" {
		return nil
	}
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", p.Config.MetricsListen)
	if err != nil {
		return fmt.Errorf("metrics_listen: %w", err)
	}
	p.stack.Go("metrics", func(ctx context.Context) error {
		return p.metrics.Serve(ctx, telemetry.ServeOptions{Listener: listener, Ready: p.ready, Log: p.log})
	})
	return nil
}

var errBrokerAway = errors.New("broker: not connected")

// ready says what of this process's parts is not in order.
func (p *process) ready(ctx context.Context) error {
	var faults []error
	if !p.bus.Connected() {
		faults = append(faults, errBrokerAway)
	}
	for _, check := range p.checks {
		if err := check.Check(ctx); err != nil {
			faults = append(faults, fmt.Errorf("%s: %w", check.Name, err))
		}
	}
	return errors.Join(faults...)
}
