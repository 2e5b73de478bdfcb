package api

import (
	"context"
	"encoding/json"
	"log/slog"
	"reflect"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// news passes on to whoever listens what the shadow and the bus learn. The shadow
// calls it in the order of its changes.
type news struct {
	hub *live.Hub
	log *slog.Logger
}

// changed tells of what is known of a device now and was not before.
func (n news) changed(before, now facts, collectorAlive bool) {
	if before.device != nil && (now.device == nil || before.site != now.site) {
		n.hub.Forget(before.id)
		before = facts{}
	}
	if now.device == nil {
		return
	}
	isNew := before.device == nil
	if isNew || !before.device.Equal(*now.device) {
		n.say(n.hub.Describe(*now.device))
	}
	if isNew || !reflect.DeepEqual(before.state, now.state) {
		n.state(now, collectorAlive)
	}
	// A reading is identified by its time: a retained one comes again and again.
	if now.reading != nil && (isNew || before.reading == nil || !before.reading.Time.Equal(now.reading.Time.Time)) {
		n.say(n.hub.Publish(live.Reading, now.id, now.reading))
	}
}

func (n news) state(now facts, collectorAlive bool) {
	n.say(n.hub.Publish(live.State, now.id, now.fresh(collectorAlive).State))
}

func (n news) say(err error) {
	if err != nil {
		n.log.Error("an event could not be encoded", "error", err)
	}
}

// eventQueue holds what happens while the one before is passed on.
const eventQueue = 4096

// subscribe listens to the events on the bus until it is undone.
func (n news) subscribe(b Bus) (undo func(), err error) {
	options := bus.SubscribeOptions{Filter: wattline.Topic{Kind: wattline.TopicEvent}, Queue: eventQueue, Name: "live-events"}
	return b.Subscribe(options, func(_ context.Context, message bus.Message) { n.hear(message) })
}

// The types of events that are alerts.
const (
	eventCommand        = "command"
	eventAlert          = "alert"
	eventJournalDropped = "journal_dropped"
)

// hear passes on results of commands and alerts. The registry's events are those of
// the shadow, and the rest is not for everybody's eyes.
func (n news) hear(message bus.Message) {
	if message.Retained || len(message.Payload) == 0 || len(message.Payload) > maxPayload {
		return
	}
	var err error
	switch message.Topic.Event {
	case eventCommand:
		err = n.command(message.Payload)
	case eventAlert, eventJournalDropped, bus.EventClockSkew:
		err = n.alert(message.Topic.Event, message.Payload)
	}
	if err != nil {
		n.log.Debug("an event was not passed on", "event", message.Topic.Event, "error", err)
	}
}

func (n news) command(payload []byte) error {
	var result wattline.Result
	if err := strictjson.DecodeLoose(payload, &result); err != nil {
		return err
	}
	return n.hub.Publish(live.Command, result.Device, result)
}

// alert is for those who may see the device that it names, or else all devices.
func (n news) alert(name string, payload []byte) error {
	var about struct {
		Device string `json:"device,omitempty"`
	}
	if err := strictjson.DecodeLoose(payload, &about); err != nil {
		return err
	}
	alarm := live.Alarm{Alert: name, Device: about.Device, Details: json.RawMessage(payload)}
	if about.Device != "" {
		return n.hub.Publish(live.Alert, about.Device, alarm)
	}
	return n.hub.Announce(alarm)
}
