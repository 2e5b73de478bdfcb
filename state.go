package wattline

import "slices"

// Availability tells whether a device answers.
type Availability string

// The availabilities.
const (
	// AvailabilityUp: its last poll was answered.
	AvailabilityUp Availability = "up"
	// AvailabilityDown: it does not answer; the error's class says how.
	AvailabilityDown Availability = "down"
	// AvailabilityStale: a poll or two went unanswered; what is known may be old.
	AvailabilityStale Availability = "stale"
	// AvailabilityUnknown: nobody has asked it yet.
	AvailabilityUnknown Availability = "unknown"
)

// Valid tells whether it is one of the four.
func (a Availability) Valid() bool {
	switch a {
	case AvailabilityUp, AvailabilityDown, AvailabilityStale, AvailabilityUnknown:
		return true
	}
	return false
}

// Capability is something that a device can do.
type Capability string

// The capabilities of a plug.
const (
	CapabilityRelay Capability = "relay"
	CapabilityMeter Capability = "meter"
	CapabilityLED   Capability = "led"
)

// State is what is known of a device besides its readings, published retained
// under …/state/{site}/{device} whenever any of it changes.
type State struct {
	Device       string       `json:"device"`
	Availability Availability `json:"availability"`
	// Since is the instant of the last change of availability.
	Since Time `json:"since"`
	// Time is the instant at which this was true.
	Time Time `json:"time"`
	// Error is the last failure, while the device is not up.
	Error *StateError `json:"error,omitempty"`
	// Relay is the last known position; absent until the device has answered.
	Relay Relay `json:"relay,omitempty"`
	// LED tells whether the plug's light is on; absent until it has answered.
	LED          Relay        `json:"led,omitempty"`
	Capabilities []Capability `json:"capabilities,omitempty"`
	Model        string       `json:"model,omitempty"`
	Firmware     string       `json:"firmware,omitempty"`
	MAC          string       `json:"mac,omitempty"`
	// Address is where it answered last.
	Address string `json:"address,omitempty"`
	// Collector is the instance that polls the device and can be asked for a
	// fresh answer.
	Collector string `json:"collector,omitempty"`
}

// StateError is why a device does not answer.
type StateError struct {
	// Class is one word for programs: refused, no_route, timeout, reset, …
	Class string `json:"class"`
	// Message is a sentence for people.
	Message string `json:"message"`
}

// Validate reports every fault as a CodeInvalid error.
func (s State) Validate() error {
	var found Faults
	found.Check("device", CheckID(s.Device))
	if !s.Availability.Valid() {
		found.Add("availability", "must be up, down, stale or unknown")
	}
	if s.Relay != "" && !s.Relay.Valid() {
		found.Add("relay", `must be "on" or "off"`)
	}
	if s.LED != "" && !s.LED.Valid() {
		found.Add("led", `must be "on" or "off"`)
	}
	return found.Err()
}

// Can tells whether the device is known to have a capability.
func (s State) Can(capability Capability) bool {
	return slices.Contains(s.Capabilities, capability)
}
