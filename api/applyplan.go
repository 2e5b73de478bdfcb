package api

import (
	"fmt"
	"maps"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/config"
)

// plan is how a list is applied.
type plan struct {
	changes []wattline.DeviceChange
	// listed are the entries that the first changes come from.
	listed []config.Listed
	result ApplyResult
}

// applying is who applies a list to what: the devices that there are, and those that
// there were before of other ids of the list.
type applying struct {
	who           access.Principal
	known, former map[string]wattline.Device
}

// taken tells whether an id is that of a device that is not theirs.
func (a applying) taken(id string) bool {
	had, there := a.known[id]
	if there {
		return access.Decide(a.who, access.See, had) != access.Allowed
	}
	was, gone := a.former[id]
	return gone && access.Decide(a.who, access.Change, was) != access.Allowed
}

// unknown is the ids of a list that no device has.
func unknown(listed []config.Listed, known map[string]wattline.Device) (ids []string) {
	for _, entry := range listed {
		if _, there := known[entry.ID]; !there {
			ids = append(ids, entry.ID)
		}
	}
	return ids
}

// planOf is the changes that make of the devices what a list says, or an error with
// all that somebody may not or cannot do of it.
func planOf(a applying, listed []config.Listed) (*plan, error) {
	p := &plan{result: ApplyResult{Devices: []DeviceChange{}}}
	var faults []wattline.FieldError
	code := wattline.CodeConflict
	for _, entry := range listed {
		had, there := a.known[entry.ID]
		fields := differences(had, entry.Device)
		switch {
		case access.Decide(a.who, access.Change, entry.Device) != access.Allowed:
			code = wattline.CodeForbidden
			faults = append(faults, entry.Fault("", fmt.Sprintf("is not within what %s may change: %s of %s", a.who.Name, a.who.Role, a.who.Scope)))
		case a.taken(entry.ID):
			faults = append(faults, entry.Fault("id", "is taken already"))
		case there && len(fields) == 0:
			p.result.Unchanged++
		case there && had.Source != wattline.SourceAPI:
			faults = append(faults, entry.Fault("", "is declared otherwise in the configuration file, and is changed there: "+detailOf(fields)))
		default:
			p.put(entry, had, fields)
		}
	}
	if len(faults) > 0 {
		message := fmt.Sprintf("%d devices of the list cannot be applied, so none was", len(faults))
		return nil, &wattline.Error{Code: code, Message: message, Fields: faults}
	}
	return p, nil
}

func (p *plan) put(entry config.Listed, had wattline.Device, fields []FieldChange) {
	change := wattline.DeviceChanged
	if had.ID == "" {
		change = wattline.DeviceAdded
	}
	device := entry.Device
	p.listed = append(p.listed, entry)
	p.changes = append(p.changes, wattline.DeviceChange{Device: device.ID, Version: had.Version, Put: &device})
	p.result.Devices = append(p.result.Devices, DeviceChange{Device: device.ID, Change: string(change), Fields: fields})
}

// prune removes the devices that somebody may change and that the list has not.
func (p *plan) prune(who access.Principal, listed []config.Listed, known map[string]wattline.Device) {
	keep := map[string]bool{}
	for _, entry := range listed {
		keep[entry.ID] = true
	}
	for _, id := range slices.Sorted(maps.Keys(known)) {
		device := known[id]
		if keep[id] || device.Source != wattline.SourceAPI || access.Decide(who, access.Change, device) != access.Allowed {
			continue
		}
		p.changes = append(p.changes, wattline.DeviceChange{Device: id, Version: device.Version})
		p.result.Devices = append(p.result.Devices, DeviceChange{Device: id, Change: string(wattline.DeviceRemoved)})
	}
}
