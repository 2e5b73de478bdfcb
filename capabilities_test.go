package wattline_test

import (
	"slices"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func TestWhatAProtectionForbidsIsNotOffered(t *testing.T) {
	now := time.Date(2026, 3, 29, 12, 0, 0, 0, time.UTC)
	all := wattline.State{Capabilities: []wattline.Capability{wattline.CapabilityRelay, wattline.CapabilityMeter, wattline.CapabilityLED}}
	lift := wattline.Lift{Until: wattline.At(now.Add(time.Minute)), Reason: "moved"}
	for name, c := range map[string]struct {
		device wattline.Device
		want   []string
	}{
		"free":      {wattline.Device{}, []string{"on", "off"}},
		"always on": {wattline.Device{Protected: wattline.ProtectionAlwaysOn}, []string{"on"}},
		"locked":    {wattline.Device{Protected: wattline.ProtectionLocked}, nil},
		"lifted":    {wattline.Device{Protected: wattline.ProtectionLocked, Lifted: lift}, []string{"on", "off"}},
	} {
		t.Run(name, func(t *testing.T) {
			got := c.device.Capabilities(all, now)
			if len(got) != 3 {
				t.Fatalf("%+v", got)
			}
			if relay := got[0].Properties[0].Settable; !slices.Equal(relay, c.want) {
				t.Errorf("the relay may be set to %v", relay)
			}
			if led := got[2].Properties[0].Settable; len(led) != 2 {
				t.Errorf("the light may be set to %v", led)
			}
		})
	}
	if got := (wattline.Device{}).Capabilities(wattline.State{}, now); len(got) != 0 {
		t.Errorf("of a device that has not been heard of: %+v", got)
	}
}

func TestCapabilitiesNameTheFieldsOfTheWire(t *testing.T) {
	var names []string
	for _, capability := range wattline.Capabilities() {
		for _, property := range capability.Properties {
			names = append(names, property.Name)
			isNumber := property.Type == wattline.PropertyNumber
			if isNumber != (property.Unit != "") || isNumber != (property.Minimum != nil) || isNumber == (len(property.Values) > 0) {
				t.Errorf("%+v", property)
			}
		}
	}
	if want := []string{"relay", "power_w", "voltage_v", "current_a", "energy_wh", "led"}; !slices.Equal(names, want) {
		t.Errorf("%v", names)
	}
}
