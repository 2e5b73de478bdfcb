package agents

import (
	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

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
