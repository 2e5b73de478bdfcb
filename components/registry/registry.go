// Package registry is the component that knows the devices. It takes them from
// the configuration and over the bus, keeps them in SQLite, publishes each one
// retained, and unpublishes those that are gone, also if they went while it was not
// running. It answers the queries list and get, and makes changes: put, delete,
// apply and lift. Those of the configuration are changed there only, but for lifts, and
// for where their plugs were found, which it is told as the component whereabouts.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/internal/fence"
)

// The removal of devices is said again, soon for those that started with us and
// then for a listener that was away: it leaves nothing retained.
const (
	repeatRemovedFirst = 5 * time.Second
	repeatRemoved      = time.Minute
)

// Bus is what the registry needs of bus.Bus.
type Bus interface {
	components.Bus
	Publish(ctx context.Context, topic wattline.Topic, payload any) error
	Retain(ctx context.Context, topic wattline.Topic, payload any) error
}

// Options make a Registry.
type Options struct {
	Bus Bus
	// Path is the SQLite file.
	Path string
	// Devices are those of the configuration.
	Devices []wattline.Device
	// Networks hold the addresses that devices from elsewhere may have.
	Networks fence.Networks
	// Ports are those that they may have: who may add devices is not to learn what else
	// listens in the networks.
	Ports []uint16
	Log   *slog.Logger
}

// Registry publishes the devices. Make it with Open and end it with Close.
type Registry struct {
	options Options
	log     *slog.Logger
	file    file

	mu      sync.RWMutex
	devices []wattline.Device // sorted by id, replaced as a whole
	version uint64            // the largest that a device was given
	removed []string
}

// Open opens the file; Run publishes and answers.
func Open(ctx context.Context, options Options) (*Registry, error) {
	opened, err := openFile(ctx, options.Path, options.Log)
	if err != nil {
		return nil, err
	}
	r := &Registry{options: options, log: options.Log.With("role", wattline.RoleRegistry), file: opened}
	r.devices, err = opened.devices(ctx)
	if err != nil {
		return nil, errors.Join(err, opened.db.Close())
	}
	for _, device := range r.devices {
		r.version = max(r.version, device.Version)
	}
	return r, nil
}

// Close closes the file.
func (r *Registry) Close() error { return r.file.db.Close() }

// Run publishes the devices and answers queries until the context ends.
func (r *Registry) Run(ctx context.Context) error {
	known := r.snapshot()
	for _, device := range known {
		r.publish(ctx, device.ID, device)
	}
	if err := r.Declare(ctx, r.options.Devices); err != nil {
		return err
	}
	stop, err := r.hearWhereabouts()
	if err != nil {
		return err
	}
	defer stop()
	served := make(chan error, 1)
	go func() { served <- components.Serve(ctx, r.options.Bus, r) }()
	repeat := time.NewTimer(repeatRemovedFirst)
	defer repeat.Stop()
	for {
		select {
		case err := <-served:
			return err
		case <-repeat.C:
			r.unpublishRemoved(ctx)
			r.endLifts(ctx)
			repeat.Reset(repeatRemoved)
		}
	}
}

// Declare replaces the devices of the configuration: it keeps the new list on disk,
// publishes what is new or different and unpublishes what is gone. A device of the
// same id that came over the API gives way. On an error nothing changes.
func (r *Registry) Declare(ctx context.Context, devices []wattline.Device) error {
	for _, device := range devices {
		if err := device.Validate(); err != nil {
			return err
		}
	}
	after, err := r.commit(ctx, "", func(known []wattline.Device) ([]wattline.Device, error) {
		return declare(known, devices), nil
	})
	if shared := taken(nil, after, nil); len(shared) > 0 {
		r.log.Warn("devices share an address: the stricter protection holds for all of them", "devices", len(shared), "one", slices.Min(slices.Collect(maps.Keys(shared))))
	}
	return err
}

// commit takes the devices from what they are to what they are to become: on disk,
// in memory, on the bus. It returns them; on an error nothing changes.
func (r *Registry) commit(ctx context.Context, actor string, become func([]wattline.Device) ([]wattline.Device, error)) ([]wattline.Device, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	after, err := become(r.devices)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	version := max(r.version+1, uint64(now.UnixMilli()))
	steps := differ(r.devices, after, version)
	if err := r.file.apply(ctx, steps, now); err != nil {
		return nil, err
	}
	r.devices, r.version = after, version
	if removed, err := r.file.removed(context.WithoutCancel(ctx)); err != nil {
		r.log.Warn("which devices were removed cannot be read", "error", err)
	} else {
		r.removed = removed
	}
	r.announce(context.WithoutCancel(ctx), actor, steps)
	return after, nil
}

// announce publishes what has changed and says who did it.
func (r *Registry) announce(ctx context.Context, actor string, steps []step) {
	for _, s := range steps {
		if s.after != nil {
			r.publish(ctx, s.after.ID, s.after)
		} else {
			r.publish(ctx, s.before.ID, nil)
		}
		r.event(ctx, wattline.RegistryEvent{
			Device: s.id(), Change: s.change, Time: wattline.At(time.Now()), Actor: actor, Before: s.before, After: s.after,
		})
	}
	if len(steps) > 0 {
		r.log.Info("devices", "changes", len(steps), "now", len(r.devices), "actor", actor)
	}
}

// endLifts takes back the lifts that are over. Nobody waits for that: who enforces
// a protection goes by the time.
func (r *Registry) endLifts(ctx context.Context) {
	now := time.Now()
	over := func(device wattline.Device) bool {
		return device.Lifted != (wattline.Lift{}) && !device.Lifted.Holds(now)
	}
	if !slices.ContainsFunc(r.snapshot(), over) {
		return
	}
	_, err := r.commit(ctx, "", func(known []wattline.Device) ([]wattline.Device, error) { return ended(known, now), nil })
	if err != nil {
		r.log.Warn("a lift that is over is not taken back yet", "error", err)
	}
}

// unpublishRemoved keeps the list from changing meanwhile: a device that came
// back must not be taken away after that was said.
func (r *Registry) unpublishRemoved(ctx context.Context) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, id := range r.removed {
		r.publish(ctx, id, nil)
	}
}

// publish hands a device, or nil for one that is gone, to the bus, which says it
// again on every new connection.
func (r *Registry) publish(ctx context.Context, id string, device any) {
	topic := wattline.Topic{Kind: wattline.TopicDevice, Device: id}
	if err := r.options.Bus.Retain(ctx, topic, device); err != nil {
		r.log.Debug("device published later", "device", id, "error", err)
	}
}

func (r *Registry) event(ctx context.Context, event wattline.RegistryEvent) {
	topic := wattline.Topic{Kind: wattline.TopicEvent, Event: "registry"}
	if err := r.options.Bus.Publish(ctx, topic, event); err != nil {
		r.log.Debug("event not published", "device", event.Device, "error", err)
	}
}

func (r *Registry) snapshot() []wattline.Device {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.devices
}
