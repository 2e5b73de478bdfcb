package api

import (
	"context"
	"errors"
	"time"

	"github.com/wattline/wattline/internal/roster"
	"github.com/wattline/wattline/internal/wake"
)

const (
	// watchInterval is how soon a change of the connection or of the presence of
	// a collector is seen.
	watchInterval = 250 * time.Millisecond
	// quiet without a retained message means that all have arrived. MQTT has no
	// mark for it.
	quiet = 250 * time.Millisecond
	// reconcileInterval is how soon a deletion is noticed that was missed.
	reconcileInterval = time.Minute
)

// watch follows who is alive and when the shadow is complete, until ctx ends.
func (s *shadow) watch(ctx context.Context, b Bus) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	var since time.Time // of the connection
	for {
		alive := map[string]bool{}
		for _, presence := range b.Instances() {
			alive[presence.Instance] = true
		}
		s.hearOf(alive)
		now := time.Now()
		switch connected := b.Connected(); {
		case !connected:
			since = time.Time{}
		case since.IsZero():
			since = now
			s.wake()
		case !s.loaded.Load() && now.Sub(since) >= quiet && now.Sub(s.lastArrival()) >= quiet:
			s.loaded.Store(true)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (s *shadow) lastArrival() time.Time {
	if at := s.arrived.Load(); at != nil {
		return *at
	}
	return time.Time{}
}

// wake has reconcile ask now.
func (s *shadow) wake() {
	wake.Up(s.ask)
}

// reconcile holds the shadow against the registry's own list after each new
// connection and now and then, until ctx ends: what was deleted while the
// gateway was away left no message.
func (s *shadow) reconcile(ctx context.Context, b Bus) {
	ticker := time.NewTicker(reconcileInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		case <-s.ask:
		}
		if err := s.reconcileOnce(ctx, b); err != nil {
			s.log.Debug("the registry's list could not be had", "error", err)
		}
	}
}

func (s *shadow) reconcileOnce(ctx context.Context, b Bus) error {
	started := time.Now()
	devices, err := roster.Devices(ctx, b, "gateway", s.most)
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(devices))
	for _, device := range devices {
		listed[device.ID] = true
		if err := s.putDevice(device.ID, &device); err != nil {
			return err
		}
	}
	return s.dropUnlisted(listed, started)
}

// dropUnlisted takes away the devices that the registry does not list, except
// those that it told of since it was asked.
func (s *shadow) dropUnlisted(listed map[string]bool, started time.Time) error {
	var errs []error
	for _, known := range s.list() {
		if !listed[known.id] && known.confirmed.Before(started) {
			errs = append(errs, s.putDevice(known.id, nil))
		}
	}
	return errors.Join(errs...)
}
