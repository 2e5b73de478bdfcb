package wattline

import (
	"fmt"
	"slices"
)

const maxSelectorIDs = 10_000

// Selector chooses devices: all that match every part that is given. One with
// no part chooses none; All must be said.
type Selector struct {
	IDs      []string          `json:"ids,omitempty"`
	Location string            `json:"location,omitempty"`
	Kind     string            `json:"kind,omitempty"`
	Labels   map[string]string `json:"labels,omitempty"`
	// Row, Column and Type are those of Device.GridPlace: whole numbers, and w, g, m or p.
	Row    string `json:"row,omitempty" example:"1"`
	Column string `json:"column,omitempty" example:"2"`
	Type   string `json:"type,omitempty" example:"w"`
	All    bool   `json:"all,omitempty"`
}

// IsZero tells whether no part is given.
func (s Selector) IsZero() bool {
	return len(s.IDs) == 0 && s.Location == "" && s.Kind == "" && len(s.Labels) == 0 && s.grid() == (GridPlace{}) && !s.All
}

func (s Selector) grid() GridPlace { return GridPlace{s.Type, s.Row, s.Column} }

// Validate reports every fault as a CodeInvalid error, an empty selector among
// them.
func (s Selector) Validate() error {
	var found Faults
	if s.IsZero() {
		found.Add("selector", `must name ids, a location, a kind, labels, a row, a column or a type, or say "all": true`)
	}
	if len(s.IDs) > maxSelectorIDs {
		found.Add("ids", "must be at most %d", maxSelectorIDs)
		return found.Err()
	}
	for i, id := range s.IDs {
		found.Check(fmt.Sprintf("ids[%d]", i), CheckID(id))
	}
	if s.Location != "" {
		found.Check("location", CheckLocation(s.Location))
	}
	if s.Kind != "" {
		found.Check("kind", CheckID(s.Kind))
	}
	checkLabels(s.Labels, &found)
	if s.Row != "" {
		found.Check("row", CheckGridNumber(s.Row))
	}
	if s.Column != "" {
		found.Check("column", CheckGridNumber(s.Column))
	}
	if s.Type != "" {
		found.Check("type", CheckGridType(s.Type))
	}
	return found.Err()
}

// Select is the devices that match, in the order given.
func (s Selector) Select(devices []Device) []Device {
	var wanted map[string]bool
	if len(s.IDs) > 0 {
		wanted = make(map[string]bool, len(s.IDs))
		for _, id := range s.IDs {
			wanted[id] = true
		}
	}
	var chosen []Device
	for _, device := range devices {
		if (wanted == nil || wanted[device.ID]) && s.matchesRest(device) {
			chosen = append(chosen, device)
		}
	}
	return chosen
}

// Matches tells whether a device is one of those that the selector chooses.
func (s Selector) Matches(device Device) bool {
	return (len(s.IDs) == 0 || slices.Contains(s.IDs, device.ID)) && s.matchesRest(device)
}

func (s Selector) matchesRest(device Device) bool {
	if s.IsZero() {
		return false
	}
	if s.Location != "" && !Within(device.Location, s.Location) {
		return false
	}
	if s.Kind != "" && device.Kind != s.Kind {
		return false
	}
	for name, value := range s.Labels {
		if had, has := device.Labels[name]; !has || had != value {
			return false
		}
	}
	return s.grid() == (GridPlace{}) || device.matches(s.grid())
}
