package wattline

import (
	"slices"
	"time"
)

// CapabilitySchema says what a capability is and which properties it gives a device,
// for those who show and switch devices without knowing their kind.
type CapabilitySchema struct {
	Name       Capability       `json:"name"`
	Label      string           `json:"label" example:"Power meter"`
	Properties []PropertySchema `json:"properties"`
}

// PropertySchema is one property of a device.
type PropertySchema struct {
	// Name is that of the field in states and readings.
	Name  string       `json:"name" example:"power_w"`
	Label string       `json:"label" example:"Power"`
	Type  PropertyType `json:"type" enums:"number,text"`
	// Unit is that of a number, as people write it.
	Unit string `json:"unit,omitempty" example:"W"`
	// Minimum and Maximum are what a number lies between in all likelihood, for a
	// scale; values beyond them are given all the same.
	Minimum *Milli `json:"minimum,omitempty" example:"0"`
	Maximum *Milli `json:"maximum,omitempty" example:"3680"`
	// Values are all that a text can be.
	Values []string `json:"values,omitempty" example:"on,off"`
	// Settable are the values that a command can give it now; none for what is only
	// measured.
	Settable []string `json:"settable,omitempty" example:"on,off"`
}

// PropertyType is what a property's values are.
type PropertyType string

// The types.
const (
	PropertyNumber PropertyType = "number"
	PropertyText   PropertyType = "text"
)

// What the mains can give through one plug: 16 A at 230 V.
const (
	maxPlugW Milli = 3_680_000
	maxPlugV Milli = 264_000
	maxPlugA Milli = 16_000
)

// Capabilities are all that there are, in the order of a device's list.
func Capabilities() []CapabilitySchema {
	number := func(name, label, unit string, maximum Milli) PropertySchema {
		property := PropertySchema{Name: name, Label: label, Type: PropertyNumber, Unit: unit, Minimum: new(Milli(0))}
		if maximum != 0 {
			property.Maximum = &maximum
		}
		return property
	}
	positions := []string{string(RelayOn), string(RelayOff)}
	return []CapabilitySchema{
		{CapabilityRelay, "Switch", []PropertySchema{
			{Name: "relay", Label: "Power supply", Type: PropertyText, Values: positions, Settable: positions},
		}},
		{CapabilityMeter, "Power meter", []PropertySchema{
			number("power_w", "Power", "W", maxPlugW),
			number("voltage_v", "Voltage", "V", maxPlugV),
			number("current_a", "Current", "A", maxPlugA),
			number("energy_wh", "Energy", "Wh", 0),
		}},
		{CapabilityLED, "Light", []PropertySchema{
			{Name: "led", Label: "Light of the plug", Type: PropertyText, Values: positions, Settable: positions},
		}},
	}
}

// Capabilities are those that a device of a state has, with the values that may be
// set at an instant: what its protection does not permit is not among them. Of a
// device that has not been heard of they are not known: none.
func (d Device) Capabilities(state State, now time.Time) []CapabilitySchema {
	has := slices.DeleteFunc(Capabilities(), func(c CapabilitySchema) bool { return !state.Can(c.Name) })
	for _, capability := range has {
		for i := range capability.Properties {
			property := &capability.Properties[i]
			property.Settable = slices.DeleteFunc(slices.Clone(property.Settable), func(value string) bool {
				return d.Permits(actionOf(capability.Name, value), now) != nil
			})
		}
	}
	return has
}

// actionOf is what gives a capability's property a value.
func actionOf(capability Capability, value string) Action {
	isLED := capability == CapabilityLED
	switch {
	case isLED && value == string(RelayOn):
		return ActionLEDOn
	case isLED:
		return ActionLEDOff
	case value == string(RelayOn):
		return ActionOn
	}
	return ActionOff
}
