package influx1

import (
	"strings"

	"github.com/wattline/wattline"
)

// Place is what becomes of an id of the older system.
type Place struct {
	Device   string `json:"device"`
	Location string `json:"location"`
	Kind     string `json:"kind"`
}

// placeOf makes a place of a point's id and tags: sp_w.r1.c2 is a workstation at
// grid/r1/c2, in the one open-plan room that the older system knew, and sp_g0 the
// meeting room at meeting-room/g0. What is given of an override goes before that.
func placeOf(p point, override Place) (Place, error) {
	name := strings.TrimPrefix(p.id, "sp_")
	letter, row, column := p.kind, p.row, p.column
	if letter == "" {
		letter = name[:min(1, len(name))]
	}
	if grid := strings.Split(name, "."); len(grid) == 3 && row == "" && column == "" {
		row, column = grid[1], grid[2]
	}
	place := Place{Device: p.id, Kind: kindOf(letter)}
	place.Location = place.Kind + "/" + name
	if row != "" && column != "" {
		place.Location = "grid/r" + strings.TrimPrefix(row, "r") + "/c" + strings.TrimPrefix(column, "c")
	}
	if override.Device != "" {
		place.Device = override.Device
	}
	if override.Location != "" {
		place.Location = override.Location
	}
	if override.Kind != "" {
		place.Kind = override.Kind
	}
	return place, place.check()
}

// check wants what the configuration's devices must have.
func (p Place) check() error {
	if err := wattline.CheckID(p.Device); err != nil {
		return bad("the id %.80q %w: give it a device in the map file", p.Device, err)
	}
	if err := wattline.CheckLocation(p.Location); err != nil {
		return bad("the location %.80q of %s %w: give it one in the map file", p.Location, p.Device, err)
	}
	if err := wattline.CheckID(p.Kind); err != nil {
		return bad("the kind %.80q of %s %w", p.Kind, p.Device, err)
	}
	return nil
}

// kindOf is the word for a type of the older system; g was a group room.
func kindOf(letter string) string {
	switch letter {
	case "w":
		return "workstation"
	case "g", "m":
		return "meeting-room"
	case "p":
		return "printer"
	}
	return "other"
}
