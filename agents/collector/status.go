package collector

import (
	"errors"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// stateHeartbeat is how old a published state may become: who reads it can trust
// its time.
const stateHeartbeat = time.Minute

// answered is the state of a device that has just answered.
func answered(state wattline.State, m kasa.Measurement) wattline.State {
	state = turned(state, wattline.AvailabilityUp, m.At)
	state.Error = stateError(m.MeterErr)
	state.Relay, state.LED = m.Relay, m.LED
	state.Model, state.Firmware, state.MAC = m.Info.Model, m.Info.Firmware, m.Info.MAC
	state.Capabilities = capabilities(m.Info)
	return state
}

// unanswered is the state after so many failures in a row.
func unanswered(state wattline.State, failures int, err error, at time.Time) wattline.State {
	availability := wattline.AvailabilityStale
	if failures >= failuresUntilDown || state.Availability == wattline.AvailabilityUnknown {
		availability = wattline.AvailabilityDown
	}
	state = turned(state, availability, at)
	state.Error = stateError(err)
	return state
}

// switchedSince takes over the positions that a controller read from the plug
// after the collector's last poll, which a plug that fails now cannot tell again.
func switchedSince(state, told wattline.State) wattline.State {
	if told.Time.After(state.Time.Time) && told.Relay != "" {
		state.Relay, state.LED = told.Relay, told.LED
	}
	return state
}

func turned(state wattline.State, to wattline.Availability, at time.Time) wattline.State {
	if state.Availability != to {
		state.Availability = to
		state.Since = wattline.At(at)
	}
	state.Time = wattline.At(at)
	return state
}

func stateError(err error) *wattline.StateError {
	if err == nil {
		return nil
	}
	if known, ok := errors.AsType[*kasa.Error](err); ok {
		return &wattline.StateError{Class: string(known.Class), Message: known.Message}
	}
	return &wattline.StateError{Class: string(kasa.ClassLocal), Message: err.Error()}
}

func capabilities(info *kasa.Info) []wattline.Capability {
	can := []wattline.Capability{wattline.CapabilityRelay}
	if info.HasMeter {
		can = append(can, wattline.CapabilityMeter)
	}
	if info.HasLED {
		can = append(can, wattline.CapabilityLED)
	}
	return can
}

// worthPublishing tells whether a state says anything that the published one
// does not, or is due again.
func worthPublishing(published, state wattline.State) bool {
	if state.Time.Sub(published.Time.Time).Abs() >= stateHeartbeat { // Abs: clocks are set back
		return true
	}
	sameError := (published.Error == nil) == (state.Error == nil) &&
		(state.Error == nil || published.Error.Class == state.Error.Class)
	return !sameError || published.Availability != state.Availability ||
		published.Relay != state.Relay || published.LED != state.LED ||
		published.Model != state.Model || published.Firmware != state.Firmware || published.MAC != state.MAC || published.Address != state.Address ||
		!slices.Equal(published.Capabilities, state.Capabilities)
}
