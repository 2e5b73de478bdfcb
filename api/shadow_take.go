package api

import (
	"errors"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// maxClockAhead is how far ahead of ours a time may be and still keep live
// values with older times out.
const maxClockAhead = time.Minute

// maxPayload of a message about a device; real ones have a few hundred bytes.
const maxPayload = 64 << 10

// take puts one message into the shadow, or refuses it.
func (s *shadow) take(message bus.Message, now time.Time) {
	if message.Retained {
		s.arrived.Store(&now)
	}
	err := s.apply(message, now)
	var known *wattline.Error
	switch {
	case errors.As(err, &known):
		s.refuse(message, "invalid", err)
	case err != nil:
		s.refuse(message, "full", err)
	}
}

// apply decodes a message and updates its device. A *wattline.Error says that
// the message is wrong, any other that there is no room for it.
func (s *shadow) apply(message bus.Message, now time.Time) error {
	topic := message.Topic
	if len(message.Payload) > maxPayload {
		return wattline.Errorf(wattline.CodeInvalid, "payload of %d bytes", len(message.Payload))
	}
	switch topic.Kind {
	case wattline.TopicDevice:
		device, err := decode[wattline.Device](message, func(d wattline.Device) string { return d.ID })
		if err != nil {
			return err
		}
		return s.putDevice(topic.Device, device)
	case wattline.TopicState:
		state, err := decode[wattline.State](message, func(v wattline.State) string { return v.Device })
		if err != nil {
			return err
		}
		return s.putState(topic, state, !message.Retained, now)
	case wattline.TopicData:
		reading, err := decode[wattline.Reading](message, func(v wattline.Reading) string { return v.Device })
		if err != nil {
			return err
		}
		unnumber(reading)
		return s.putReading(topic, reading, !message.Retained, now)
	}
	return wattline.Errorf(wattline.CodeInvalid, "topic of kind %.20q", topic.Kind)
}

// unnumber takes away a reading's number in its collector's journal. It is for hooks:
// it counts the readings of all devices, those that somebody may not see included.
func unnumber(reading *wattline.Reading) {
	if reading != nil {
		reading.Stream, reading.Seq = "", 0
	}
}

// decode reads a payload and holds it against its topic; an empty payload is
// nil: the value was taken back.
func decode[T interface{ Validate() error }](message bus.Message, id func(T) string) (*T, error) {
	if len(message.Payload) == 0 {
		return nil, nil //nolint:nilnil // no value and no fault: the documented meaning
	}
	var value T
	if err := strictjson.DecodeLoose(message.Payload, &value); err != nil {
		return nil, err
	}
	if err := value.Validate(); err != nil {
		return nil, err
	}
	if id(value) != message.Topic.Device {
		return nil, wattline.Invalid(wattline.FieldError{
			Field: "device", Reason: fmt.Sprintf("is %.80q on the topic of %.80q", id(value), message.Topic.Device),
		})
	}
	return &value, nil
}

// putDevice sets or, with nil, takes back a description. One that is older than what
// is known does not count: an answer may come after the message of a later change,
// and rights go by the description. What a device of another site left behind is not
// this one's.
func (s *shadow) putDevice(id string, device *wattline.Device) error {
	return s.update(id, func(f *facts) bool {
		if device == nil {
			*f = facts{id: id, learnt: f.learnt}
			return true
		}
		if f.device != nil && device.Version != 0 && device.Version < f.device.Version {
			return false
		}
		if f.site != device.Site {
			f.site, f.state, f.reading = device.Site, nil, nil
		}
		f.device, f.confirmed = device, time.Now()
		return true
	})
}

// dropDevice takes back a description that was removed, unless the device was made
// anew meanwhile.
func (s *shadow) dropDevice(removed wattline.Device) error {
	return s.update(removed.ID, func(f *facts) bool {
		if f.device != nil && f.device.Version > removed.Version {
			return false
		}
		*f = facts{id: removed.ID, learnt: f.learnt}
		return true
	})
}

// putState sets or takes back a state, unless a newer one is there.
func (s *shadow) putState(topic wattline.Topic, state *wattline.State, live bool, now time.Time) error {
	return s.update(topic.Device, func(f *facts) bool {
		if !f.at(topic.Site) ||
			state != nil && f.state != nil && !supersedes(f.state.Time, state.Time, live, now) {
			return false
		}
		f.state = state
		return true
	})
}

// putReading sets or takes back the last reading, unless a newer one is there.
func (s *shadow) putReading(topic wattline.Topic, reading *wattline.Reading, live bool, now time.Time) error {
	return s.update(topic.Device, func(f *facts) bool {
		if !f.at(topic.Site) ||
			reading != nil && f.reading != nil && !supersedes(f.reading.Time, reading.Time, live, now) {
			return false
		}
		f.reading = reading
		return true
	})
}

// supersedes tells whether a value takes the place of the one that is there. An
// older one never does, except a live one of something that claims to come from
// the future: a clock was wrong, and the value would stay for ever.
func supersedes(had, came wattline.Time, live bool, now time.Time) bool {
	return !came.Before(had.Time) || live && had.After(now.Add(maxClockAhead))
}

// switched notes what a command's answer says of the relay and the LED, so that
// whoever reads the state after switching sees it. The time stays: the state
// that the controller publishes must not look older.
func (s *shadow) switched(result wattline.Result) {
	_ = s.update(result.Device, func(f *facts) bool { // a device that is there needs no room
		if f.state == nil || result.Time.Before(f.state.Time.Time) {
			return false
		}
		state := *f.state
		if result.Relay.Valid() {
			state.Relay = result.Relay
		}
		if result.LED.Valid() {
			state.LED = result.LED
		}
		f.state = &state
		return true
	})
}
