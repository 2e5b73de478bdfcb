package api

import (
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// The most that a selection may name in one query.
const (
	maxDeviceParams = 500
	maxLabelParams  = 32
)

// place is the selector of the parameters location, kind, label, row and column; its zero
// value means every device.
func (p *params) place() wattline.Selector {
	var selector wattline.Selector
	selector.Location = p.checked("location", wattline.CheckLocation)
	selector.Kind = p.checked("kind", wattline.CheckID)
	selector.Labels = p.labels()
	selector.Row = p.checked("row", wattline.CheckGridNumber)
	selector.Column = p.checked("column", wattline.CheckGridNumber)
	return selector
}

// gridType is the parameter type, which is no part of place: events have types too.
func (p *params) gridType() string { return p.checked("type", wattline.CheckGridType) }

// checked is a parameter that a check may refuse.
func (p *params) checked(name string, check func(string) error) string {
	value, given := p.text(name)
	if !given {
		return ""
	}
	if err := check(value); err != nil {
		p.fail(name, "%s", err)
	}
	return value
}

// labels are label=name:value, repeated for each name.
func (p *params) labels() map[string]string {
	given := p.list("label", maxLabelParams)
	if len(given) == 0 {
		return nil
	}
	labels := make(map[string]string, len(given))
	for _, pair := range given {
		name, value, ok := strings.Cut(pair, ":")
		if !ok || wattline.CheckID(name) != nil {
			p.fail("label", "must be name:value")
			continue
		}
		if _, twice := labels[name]; twice {
			p.fail("label", "%.80q is given two values", name)
		}
		labels[name] = value
	}
	return labels
}

// selection is place together with device, repeated for each id.
func (p *params) selection() wattline.Selector {
	ids := p.list("device", maxDeviceParams)
	for _, id := range ids {
		if err := wattline.CheckID(id); err != nil {
			p.fail("device", "%s", err)
			break
		}
	}
	selector := p.place()
	selector.IDs = ids
	return selector
}

// metered leaves out the devices that are known to have no meter: nothing can be
// said of what they use, and they would look like a lack of readings.
func (s *shadow) metered(devices []wattline.Device) []wattline.Device {
	return slices.DeleteFunc(slices.Clone(devices), func(device wattline.Device) bool {
		snap, known := s.find(device.ID)
		return known && snap.state != nil && len(snap.state.Capabilities) > 0 && !snap.state.Can(wattline.CapabilityMeter)
	})
}

// complete is a broker_down error until all devices are known: what is not there yet
// may exist.
func (s *shadow) complete() error {
	if s.loaded.Load() {
		return nil
	}
	return wattline.Errorf(wattline.CodeBrokerDown, "the gateway has just started and the broker has not told it of all devices yet; try again soon")
}

func noDevice(id string) error {
	return wattline.Errorf(wattline.CodeNotFound, "there is no device %.80q", id)
}

func idsOf(devices []wattline.Device) []string {
	ids := make([]string, len(devices))
	for i, device := range devices {
		ids[i] = device.ID
	}
	return ids
}
