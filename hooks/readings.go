package hooks

import (
	"cmp"
	"context"
	"log/slog"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// Readings subscribes to the data topics and gives take what is valid there, on
// one goroutine. What is not is counted and logged once a minute.
func Readings(o Options, take func(context.Context, wattline.Reading)) (cancel func(), err error) {
	if o.Queue <= 0 {
		o.Queue = defaultQueue
	}
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	invalid := o.Metrics.CounterVec("wattline_hooks_invalid_total",
		"Messages on data topics that are not valid readings.", "hook").WithLabelValues(o.Name)
	complain := rate.Sometimes{Interval: complainEvery}
	subscribe := bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicData}, Queue: o.Queue, Name: "hook-" + o.Name,
	}
	return o.Bus.Subscribe(subscribe, func(ctx context.Context, message bus.Message) {
		if len(message.Payload) == 0 {
			return // the device was removed
		}
		reading, err := Decode(message)
		if err != nil {
			invalid.Inc()
			complain.Do(func() {
				o.Log.Warn("message is not a valid reading", "hook", o.Name,
					"site", message.Topic.Site, "device", message.Topic.Device, "error", err)
			})
			return
		}
		take(ctx, reading)
	})
}

// Decode reads the payload of a data topic. The error is of CodeInvalid and
// names each fault; fields that are not known are let pass, for a later
// version's collector may add some.
func Decode(message bus.Message) (wattline.Reading, error) {
	var reading wattline.Reading
	if err := strictjson.DecodeLoose(message.Payload, &reading); err != nil {
		return wattline.Reading{}, err
	}
	if err := reading.Validate(); err != nil {
		return wattline.Reading{}, err
	}
	if reading.Device != message.Topic.Device {
		return wattline.Reading{}, wattline.Invalid(wattline.FieldError{
			Field: "device", Reason: "is not the device of the topic",
		})
	}
	return reading, nil
}
