// Package hooks is the contract of what takes the readings that devices publish
// and does something with them. A hook that keeps readings and must not miss
// any is hooks/persist; one that only listens (an alert, a notice to somebody)
// implements Hook and is run by Listen.
package hooks

import (
	"cmp"
	"context"
	"fmt"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
)

const (
	defaultQueue   = 16 << 10
	defaultTimeout = 10 * time.Second
	complainEvery  = time.Minute
)

// Hook listens to readings.
type Hook interface {
	// Handle takes one reading. It is called by one goroutine; the readings of a
	// device come in the order in which they were published. The same reading may
	// come more than once (the newest one is retained), and readings are missed
	// while the hook or the broker is away, or when Handle is too slow for long.
	// The context bounds the call. An error, or a panic, is counted and logged
	// once a minute, and the next reading follows.
	Handle(ctx context.Context, reading wattline.Reading) error
}

// Bus is what a listening hook needs of bus.Bus.
type Bus interface {
	Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (cancel func(), err error)
}

// Options say how a hook is run. Zero means the default.
type Options struct {
	// Name is for the log and the metrics.
	Name string
	Bus  Bus
	// Queue bounds the readings that wait for the hook (16,384); what does not
	// fit is dropped and counted by the bus.
	Queue int
	// Timeout bounds one call of Handle (10 s).
	Timeout time.Duration
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Listen gives a hook the live readings until the context ends.
func Listen(ctx context.Context, o Options, hook Hook) error {
	if o.Timeout <= 0 {
		o.Timeout = defaultTimeout
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	failures := o.Metrics.CounterVec("wattline_hooks_failures_total",
		"Readings that a hook could not handle.", "hook").WithLabelValues(o.Name)
	complain := rate.Sometimes{Interval: complainEvery}
	cancel, err := Readings(o, func(ctx context.Context, reading wattline.Reading) {
		ctx, cancel := context.WithTimeout(ctx, o.Timeout)
		defer cancel()
		if err := guarded(ctx, hook, reading); err != nil {
			failures.Inc()
			complain.Do(func() {
				o.Log.Warn("hook fails", "hook", o.Name, "device", reading.Device, "error", err)
			})
		}
	})
	if err != nil {
		return fmt.Errorf("hook %s: %w", o.Name, err)
	}
	defer cancel()
	<-ctx.Done()
	return nil
}

// guarded makes a panic the failure of this hook alone.
func guarded(ctx context.Context, hook Hook, reading wattline.Reading) (err error) {
	defer func() {
		if fault := recover(); fault != nil {
			err = fmt.Errorf("panic: %v", fault)
		}
	}()
	return hook.Handle(ctx, reading)
}
