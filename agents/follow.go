package agents

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/pause"
	"github.com/wattline/wattline/internal/roster"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/wake"
)

const (
	// deviceQueue holds the retained devices of a whole site while they arrive.
	deviceQueue = 16_384
	// maxDevices is more than all sites together have.
	maxDevices = 1_000_000
	// settling is how long what the broker retains may be on its way after a new
	// connection: MQTT has no mark for its end.
	settling = time.Second
	// askAgain is when the registry is asked again that did not answer.
	askAgain = 15 * time.Second
)

// Following is what Follow needs.
type Following struct {
	Bus  Bus
	Site string
	// Name tells the followers of one process apart.
	Name    string
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Change is a device of the site that is new or different, or is gone.
type Change struct {
	Device  wattline.Device
	Removed bool
}

// Follow calls change for each device of the site that the registry adds,
// changes or removes, from its retained messages. Repeats are left out. A
// device that moves to another site is removed here. So is, once and with no more
// than its id and our site, one that is not known here at all: it may have been
// ours, and have gone while this process was away.
//
// After each new connection the registry is asked for its list, and what it has not is
// removed: no message tells of a device that was deleted while there was no connection,
// and under its new name the plug would be read twice. change is called once at a time;
// cancel ends the calls and waits for the last one.
func Follow(f Following, change func(context.Context, Change)) (cancel func(), err error) {
	ctx, end := context.WithCancel(context.Background())
	follower := &follower{
		Following: f, change: change, granted: make(chan struct{}, 1),
		known: map[string]known{}, gone: map[string]bool{}, complain: rate.Sometimes{First: 1, Interval: time.Minute},
		bad: f.Metrics.CounterVec("wattline_agents_bad_devices_total", "Retained devices that could not be read.", "agent").WithLabelValues(f.Name).Inc,
	}
	stop, err := f.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicDevice}, Queue: deviceQueue, Name: f.Name + "-devices",
		Granted: func() { wake.Up(follower.granted) },
	}, follower.hear)
	if err != nil {
		end()
		return nil, err
	}
	var reconciling sync.WaitGroup
	reconciling.Go(func() { follower.reconcile(ctx) })
	return func() {
		stop()
		end()
		reconciling.Wait()
	}, nil
}

// known is a device of our site, and when the registry last told of it live; what the
// broker retains may be older than the registry's list.
type known struct {
	device wattline.Device
	told   time.Time
}

type follower struct {
	Following

	change   func(context.Context, Change)
	granted  chan struct{}
	bad      func()
	complain rate.Sometimes

	mu    sync.Mutex // held during change
	known map[string]known
	gone  map[string]bool
}

// hear takes a device in, or its deletion.
func (f *follower) hear(ctx context.Context, message bus.Message) {
	device, err := readDevice(message)
	if err != nil {
		f.bad()
		f.complain.Do(func() {
			f.Log.Warn("a device is not readable and left as it was; more like it are only counted for a minute",
				"device", message.Topic.Device, "error", err)
		})
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	had, have := f.known[message.Topic.Device]
	now := known{told: had.told}
	if !message.Retained {
		now.told = time.Now()
	}
	switch ours := device != nil && device.Site == f.Site; {
	case ours:
		now.device = *device
		f.known[device.ID] = now
		delete(f.gone, device.ID)
		if !have || !device.Equal(had.device) {
			f.change(ctx, Change{Device: *device})
		}
	case have:
		f.remove(ctx, had.device)
	case device == nil && !f.gone[message.Topic.Device] && len(f.gone) < deviceQueue:
		f.gone[message.Topic.Device] = true
		f.change(ctx, Change{Device: wattline.Device{ID: message.Topic.Device, Site: f.Site}, Removed: true})
	}
}

func (f *follower) remove(ctx context.Context, device wattline.Device) {
	delete(f.known, device.ID)
	f.change(ctx, Change{Device: device, Removed: true})
}

// reconcile asks for the registry's list after each new connection, until ctx ends.
func (f *follower) reconcile(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case <-f.granted:
		}
		for wait := settling; pause.For(ctx, wait) == nil; wait = askAgain {
			err := f.removeUnlisted(ctx)
			if err == nil {
				break
			}
			f.Log.Debug("the registry's list could not be had", "error", err)
		}
	}
}

// removeUnlisted removes the devices that the registry does not list at our site,
// except those that it told of since it was asked.
func (f *follower) removeUnlisted(ctx context.Context) error {
	asked := time.Now()
	devices, err := roster.Devices(ctx, f.Bus, f.Name, maxDevices)
	if err != nil {
		return err
	}
	listed := make(map[string]bool, len(devices))
	for _, device := range devices {
		listed[device.ID] = device.Site == f.Site
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	for id, known := range f.known {
		if !listed[id] && known.told.Before(asked) {
			f.remove(ctx, known.device)
		}
	}
	return nil
}
