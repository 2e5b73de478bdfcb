package registry

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wattline/wattline"
)

// faultsOf is all that is wrong with changes by themselves.
func faultsOf(changes []wattline.DeviceChange, place func(i int) string) []wattline.FieldError {
	var faults wattline.Faults
	seen := make(map[string]int, len(changes))
	for i, change := range changes {
		for _, fault := range faultsOfOne(change) {
			faults.Add(place(i)+"."+fault.Field, "%s", fault.Reason)
		}
		if first, twice := seen[change.Device]; twice {
			faults.Add(place(i)+".id", "is that of %s already", place(first))
		}
		seen[change.Device] = i
	}
	return faults
}

func faultsOfOne(change wattline.DeviceChange) []wattline.FieldError {
	if change.Put == nil {
		if change.Version == 0 {
			return []wattline.FieldError{{Field: "version", Reason: "must be that of the device"}}
		}
		return nil
	}
	if change.Put.ID != change.Device {
		return []wattline.FieldError{{Field: "id", Reason: fmt.Sprintf("must be %.80q", change.Device)}}
	}
	var faults wattline.Faults
	if err := change.Put.Validate(); err != nil {
		faults = wattline.AsError(err).Fields
	}
	if _, err := wattline.ParseAddress(change.Put.Address); err != nil && change.Put.Address != "" {
		faults.Check("address", err)
	}
	return faults
}

// deciding is what a decision on changes goes by.
type deciding struct {
	changing
	names meanings
}

// changed is the devices after the changes, or an error that says all that stands
// against them.
func changed(known []wattline.Device, changes []wattline.DeviceChange, how deciding) ([]wattline.Device, error) {
	var against wattline.Faults
	after := make(map[string]wattline.Device, len(known)+len(changes))
	for _, device := range known {
		after[device.ID] = device
	}
	for i, change := range changes {
		had, there := after[change.Device]
		if err := obstacle(change, had, there); err != nil {
			if how.alone {
				return nil, err
			}
			against.Add(how.place(i), "%s", err.Message)
			continue
		}
		if change.Put == nil {
			delete(after, change.Device)
			continue
		}
		after[change.Device] = registered(*change.Put, had)
	}
	sorted := slices.SortedFunc(maps.Values(after), byID)
	clashes := taken(known, sorted, how.names)
	for i, change := range changes {
		if !clashes[change.Device] {
			continue
		}
		if how.alone {
			return nil, errTaken()
		}
		against.Add(how.place(i), "%s", errTaken().Message)
	}
	switch {
	case len(against) == 1:
		return nil, &wattline.Error{Code: wattline.CodeConflict, Message: against[0].Reason, Fields: against}
	case len(against) > 0:
		return nil, &wattline.Error{Code: wattline.CodeConflict, Message: fmt.Sprintf("%d changes cannot be made, so none was", len(against)), Fields: against}
	case len(after) > maxDevices && len(after) > len(known):
		return nil, wattline.Errorf(wattline.CodeConflict, "there would be %d devices; %d is the most", len(after), maxDevices)
	}
	return sorted, nil
}

// registered is a description as the registry keeps it. A lift stays as long as
// there is something to lift.
func registered(put, had wattline.Device) wattline.Device {
	put.Source, put.Version, put.Lifted, put.DeclaredAddress = wattline.SourceAPI, 0, wattline.Lift{}, ""
	if put.Protected != wattline.ProtectionNone {
		put.Lifted = had.Lifted
	}
	return put
}

// obstacle is what stands against a change of a device as it is now.
func obstacle(change wattline.DeviceChange, had wattline.Device, there bool) *wattline.Error {
	switch {
	case there && change.Version == 0:
		return wattline.Errorf(wattline.CodeConflict, "the id %q is taken already", had.ID)
	case there && had.Source != wattline.SourceAPI:
		return wattline.Errorf(wattline.CodeConflict, "device %q is declared in the configuration file and is changed there", had.ID)
	case there && change.Version != had.Version:
		return wattline.Errorf(wattline.CodeConflict, "device %q has changed meanwhile: it has the version %d now, not %d", had.ID, had.Version, change.Version)
	case !there && change.Version != 0:
		return wattline.Errorf(wattline.CodeNotFound, "there is no device %.80q", change.Device)
	}
	return nil
}

// lifted is the devices with the lift of one of them changed.
func lifted(known []wattline.Device, id string, lift wattline.Lift) ([]wattline.Device, error) {
	at, there := slices.BinarySearchFunc(known, wattline.Device{ID: id}, byID)
	if !there {
		return nil, wattline.Errorf(wattline.CodeNotFound, "there is no device %.80q", id)
	}
	if known[at].Protected == wattline.ProtectionNone {
		return nil, wattline.Errorf(wattline.CodeConflict, "device %q is not protected", id)
	}
	after := slices.Clone(known)
	after[at].Lifted = lift
	return after, nil
}

// ended is the devices without the lifts that are over.
func ended(known []wattline.Device, now time.Time) []wattline.Device {
	after := slices.Clone(known)
	for i := range after {
		if !after[i].Lifted.Holds(now) {
			after[i].Lifted = wattline.Lift{}
		}
	}
	return after
}
