package registry

import (
	"slices"
	"strings"

	"github.com/wattline/wattline"
)

// step is what becomes of one device. One of before and after may be nil.
type step struct {
	change        wattline.Registering
	before, after *wattline.Device
}

func (s step) id() string {
	if s.after != nil {
		return s.after.ID
	}
	return s.before.ID
}

// differ is the steps from one list of devices to another, both sorted by id. The
// devices of after get their versions: their own of before where the description is
// the same, else the new one, which is the same for all: versions that were counted
// through would tell whoever sees some of the devices how many there are between them.
// A lift is no change of the description.
func differ(before, after []wattline.Device, version uint64) []step {
	var steps []step
	had := 0
	remove := func(until string) {
		for ; had < len(before) && before[had].ID < until; had++ {
			steps = append(steps, step{change: wattline.DeviceRemoved, before: &before[had]})
		}
	}
	for i := range after {
		device := &after[i]
		remove(device.ID)
		if had == len(before) || before[had].ID != device.ID {
			device.Version = version
			steps = append(steps, step{change: wattline.DeviceAdded, after: device})
			continue
		}
		old := &before[had]
		had++
		device.Version = old.Version
		if change := compare(*old, *device); change != "" {
			if change == wattline.DeviceChanged {
				device.Version = version
			}
			steps = append(steps, step{change: change, before: old, after: device})
		}
	}
	const beyondAll = "~"
	remove(beyondAll)
	return steps
}

// compare tells what makes one description of a device into another; empty for
// nothing.
func compare(old, device wattline.Device) wattline.Registering {
	unlifted := device
	unlifted.Lifted = old.Lifted
	switch {
	case !old.Equal(unlifted), old.Version == 0:
		return wattline.DeviceChanged
	case old.Lifted == device.Lifted:
		return ""
	case device.Lifted == (wattline.Lift{}):
		return wattline.DeviceLiftEnded
	}
	return wattline.DeviceLifted
}

// declare is the devices once the configuration declares these: they take the place
// of all that it declared before, and of those of the same id from elsewhere. Lifts
// stay.
func declare(known, declared []wattline.Device) []wattline.Device {
	after := make([]wattline.Device, 0, len(declared))
	for _, device := range declared {
		device.Source, device.Version, device.Lifted = wattline.SourceConfiguration, 0, wattline.Lift{}
		had, there := find(known, device.ID)
		if there && device.Protected != wattline.ProtectionNone {
			device.Lifted = had.Lifted
		}
		if there && had.DeclaredAddress == device.Address && device.Address != "" {
			device.Address, device.DeclaredAddress = had.Address, had.DeclaredAddress // it was found there
		}
		after = append(after, device)
	}
	slices.SortFunc(after, byID)
	for _, device := range known {
		if _, taken := find(after[:len(declared)], device.ID); !taken && device.Source == wattline.SourceAPI {
			after = append(after, device)
		}
	}
	slices.SortFunc(after, byID)
	return after
}

// find looks an id up in a sorted list.
func find(devices []wattline.Device, id string) (wattline.Device, bool) {
	at, found := slices.BinarySearchFunc(devices, wattline.Device{ID: id}, byID)
	if !found {
		return wattline.Device{}, false
	}
	return devices[at], true
}

func byID(a, b wattline.Device) int { return strings.Compare(a.ID, b.ID) }
