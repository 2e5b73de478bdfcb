package emulator

import (
	"fmt"

	"github.com/wattline/wattline"
)

// place is one socket of the floor plan.
type place struct {
	name, kind string
	room       int
	model      Model
	profile    Profile
	protected  wattline.Protection
}

// plan is two floors of twelve plugs each; a larger office repeats it upwards. A
// smaller one takes the first so many, which is why the kinds alternate.
func plan() []place {
	const (
		desk     = "desk"
		station  = "workstation"
		free     = wattline.ProtectionNone
		alwaysOn = wattline.ProtectionAlwaysOn
		locked   = wattline.ProtectionLocked
	)
	return []place{
		{desk, station, 1, HS110HW1, Workstation, free},
		{desk, station, 1, HS110HW4, Workstation, free},
		{"meeting", "meeting-room", 3, HS110HW4, MeetingRoom, free},
		{"printer", "printer", 4, HS110HW1, Printer, free},
		{desk, station, 1, HS110HW1, Workstation, free},
		{desk, station, 1, HS110HW4, Workstation, free},
		{desk, station, 2, HS110HW1, Workstation, free},
		{desk, station, 2, HS110HW4, Workstation, free},
		{"lamp", "lighting", 2, HS100, Lamp, free},
		{"fridge", "kitchen", 5, HS110HW1, Fridge, alwaysOn},
		{desk, station, 2, HS110HW1, Workstation, free},
		{desk, station, 2, HS110HW4, Workstation, free},

		{desk, station, 1, HS110HW4, Workstation, free},
		{desk, station, 1, HS110HW1, Workstation, free},
		{"printer", "printer", 4, HS110HW4, Printer, free},
		{"network", "network", 4, HS110HW4, Network, locked},
		{desk, station, 1, HS110HW4, Workstation, free},
		{desk, station, 1, HS110HW1, Workstation, free},
		{desk, station, 2, HS110HW4, Workstation, free},
		{desk, station, 2, HS110HW1, Workstation, free},
		{"display", "display", 3, HS110HW4, MeetingRoom, free},
		{"coffee", "kitchen", 5, HS110HW1, Coffee, free},
		{desk, station, 2, HS110HW4, Workstation, free},
		{desk, station, 2, HS110HW1, Workstation, free},
	}
}

// stripPlan is what the six outlets of a strip feed: the table of a meeting room.
func stripPlan() []OutletSpec {
	return []OutletSpec{
		{Alias: "Table screen", Profile: MeetingRoom},
		{Alias: "Video bar", Profile: MeetingRoom},
		{Alias: "Charger left", Profile: Charger},
		{Alias: "Charger right", Profile: Charger},
		{Alias: "Table lamp", Profile: Lamp},
		{Alias: "Spare", Profile: Nothing},
	}
}

// stripNames are the outlets' last levels of location.
func stripNames() []string {
	return []string{"screen", "video-bar", "charger-left", "charger-right", "lamp", "spare"}
}

// spot is where a plug of the office stands.
type spot struct {
	id, kind, location string
	labels             map[string]string
	protected          wattline.Protection
	place              place
}

// spots lays out so many plugs and strips, in a stable order.
func spots(site string, plugs, strips int) []spot {
	places := plan()
	perFloor := len(places) / 2
	numbers := map[string]int{}
	out := make([]spot, 0, plugs+strips)
	for i := range plugs {
		of := places[i%len(places)]
		numbers[of.name]++
		out = append(out, newSpot(site, 1+i/perFloor, of, numbers[of.name]))
	}
	for i := range strips {
		of := place{name: "strip", kind: "meeting-room", room: 3, model: HS300}
		out = append(out, newSpot(site, 1+i, of, i+1))
	}
	return out
}

func newSpot(site string, floor int, of place, number int) spot {
	id := fmt.Sprintf("%s-%d", of.name, number)
	return spot{
		id: id, kind: of.kind, place: of, protected: of.protected,
		location: fmt.Sprintf("%s/f%d/r%d%02d/%s", site, floor, floor, of.room, id),
		labels:   map[string]string{"cost-centre": fmt.Sprint(4000 + 100*floor + 10*of.room), "model": string(of.model)},
	}
}
