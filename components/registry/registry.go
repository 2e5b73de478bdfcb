// Package registry is the component that knows the devices. It takes them from
// the configuration, keeps them in SQLite, publishes each one retained, and
// unpublishes those that are gone, also if they went while it was not running.
// It answers the queries list and get.
package registry

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
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
	Log     *slog.Logger
}

// Registry publishes the devices. Make it with Open and end it with Close.
type Registry struct {
	options Options
	log     *slog.Logger
	file    file

	mu      sync.RWMutex
	devices []wattline.Device // sorted by id, replaced as a whole
	removed []string
}

// Event is the payload of …/event/registry: what happened to a device.
type Event struct {
	Device string `json:"device"`
	// Change is added, changed or removed.
	Change string `json:"change"`
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
			repeat.Reset(repeatRemoved)
		}
	}
}

// Declare replaces the devices: it keeps the new list on disk, publishes what is
// new or different and unpublishes what is gone. On an error nothing changes.
func (r *Registry) Declare(ctx context.Context, devices []wattline.Device) error {
	for _, device := range devices {
		if err := device.Validate(); err != nil {
			return err
		}
	}
	sorted := slices.SortedFunc(slices.Values(devices), byID)
	r.mu.Lock()
	defer r.mu.Unlock()
	change := differ(r.devices, sorted)
	if err := r.file.apply(ctx, change, time.Now()); err != nil {
		return err
	}
	removed, err := r.file.removed(ctx)
	if err != nil {
		return err
	}
	r.devices, r.removed = sorted, removed
	r.announce(ctx, change)
	return nil
}

func (r *Registry) announce(ctx context.Context, change difference) {
	for _, device := range change.added {
		r.publish(ctx, device.ID, device)
		r.event(ctx, Event{Device: device.ID, Change: "added"})
	}
	for _, device := range change.changed {
		r.publish(ctx, device.ID, device)
		r.event(ctx, Event{Device: device.ID, Change: "changed"})
	}
	for _, id := range r.removed {
		r.publish(ctx, id, nil)
	}
	for _, id := range change.removed {
		r.event(ctx, Event{Device: id, Change: "removed"})
	}
	if !change.isZero() {
		r.log.Info("devices", "added", len(change.added), "changed", len(change.changed), "removed", len(change.removed), "now", len(r.devices))
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

func (r *Registry) event(ctx context.Context, event Event) {
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
