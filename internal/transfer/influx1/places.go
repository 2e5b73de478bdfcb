package influx1

import (
	"cmp"
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
	tags := wattline.GridPlace{Type: p.kind, Row: strings.TrimPrefix(p.row, "r"), Column: strings.TrimPrefix(p.column, "c")}
	grid := wattline.GridPlaceOf(p.id)
	tags.Type = cmp.Or(tags.Type, grid.Type)
	if p.row == "" && p.column == "" {
		tags.Row, tags.Column = grid.Row, grid.Column
	}
	place := Place{Device: p.id, Kind: wattline.KindOfGridType(tags.Type)}
	place.Location = cmp.Or(tags.Location(), place.Kind+"/"+strings.TrimPrefix(p.id, "sp_"))
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
