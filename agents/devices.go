package agents

import (
	"context"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
	"github.com/wattline/wattline/internal/telemetry"
)

// deviceQueue holds the retained devices of a whole site while they arrive.
const deviceQueue = 16_384

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
// changes or removes, from its retained messages alone. Repeats are left out. A
// device that moves to another site is removed here. So is, once and with no more
// than its id and our site, one that is not known here at all: it may have been
// ours, and have gone while this process was away. change is called by one
// goroutine; cancel ends the calls.
func Follow(f Following, change func(context.Context, Change)) (cancel func(), err error) {
	known := map[string]wattline.Device{}
	gone := map[string]bool{}
	bad := f.Metrics.CounterVec("wattline_agents_bad_devices_total", "Retained devices that could not be read.", "agent").WithLabelValues(f.Name)
	complain := rate.Sometimes{First: 1, Interval: time.Minute}
	handle := func(ctx context.Context, message bus.Message) {
		device, err := readDevice(message)
		if err != nil {
			bad.Inc()
			complain.Do(func() {
				f.Log.Warn("a device is not readable and left as it was; more like it are only counted for a minute",
					"device", message.Topic.Device, "error", err)
			})
			return
		}
		had, have := known[message.Topic.Device]
		switch ours := device != nil && device.Site == f.Site; {
		case ours && have && device.Equal(had):
		case ours:
			known[device.ID] = *device
			delete(gone, device.ID)
			change(ctx, Change{Device: *device})
		case have:
			delete(known, had.ID)
			change(ctx, Change{Device: had, Removed: true})
		case device == nil && !gone[message.Topic.Device] && len(gone) < deviceQueue:
			gone[message.Topic.Device] = true
			change(ctx, Change{Device: wattline.Device{ID: message.Topic.Device, Site: f.Site}, Removed: true})
		}
	}
	return f.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicDevice}, Queue: deviceQueue, Name: f.Name + "-devices",
	}, handle)
}

// ReadState is the state in a message that is not a deletion, checked.
func ReadState(message bus.Message) (wattline.State, error) {
	var state wattline.State
	if err := strictjson.DecodeLoose(message.Payload, &state); err != nil {
		return state, err
	}
	if err := state.Validate(); err != nil {
		return state, err
	}
	if state.Device != message.Topic.Device {
		return state, wattline.Invalid(wattline.FieldError{Field: "device", Reason: "is not the one in the topic"})
	}
	return state, nil
}

// readDevice is nil for a device that was deleted.
func readDevice(message bus.Message) (*wattline.Device, error) {
	if len(message.Payload) == 0 {
		return nil, nil
	}
	var device wattline.Device
	if err := strictjson.DecodeLoose(message.Payload, &device); err != nil {
		return nil, err
	}
	if err := device.Validate(); err != nil {
		return nil, err
	}
	if device.ID != message.Topic.Device {
		return nil, wattline.Invalid(wattline.FieldError{Field: "id", Reason: "is not the one in the topic"})
	}
	return &device, nil
}
