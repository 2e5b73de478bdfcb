package api

import (
	"slices"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// view is what somebody may see of the shadow: for them, a device out of their scope
// does not exist. All that is answered of devices goes through a view.
type view struct {
	shadow *shadow
	who    access.Principal
}

func (g *Gateway) view(c *gin.Context) view { return view{g.shadow, g.who(c)} }

func (v view) sees(device wattline.Device) bool {
	return access.Decide(v.who, access.See, device) == access.Allowed
}

// find is a device's snapshot.
func (v view) find(id string) (*snapshot, bool) {
	snap, known := v.shadow.find(id)
	if !known || !v.sees(*snap.device) {
		return nil, false
	}
	return snap, true
}

// device is that of an id, which may be anything.
func (v view) device(id string) (*snapshot, error) {
	if snap, known := v.find(id); known {
		return snap, nil
	}
	if err := wattline.CheckID(id); err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "id", Reason: err.Error()})
	}
	return nil, v.missing(id)
}

// list is the devices in the order of ids, as they are now.
func (v view) list() []*snapshot {
	return slices.DeleteFunc(v.shadow.list(), func(snap *snapshot) bool { return !v.sees(*snap.device) })
}

// devices is the descriptions alone, in the order of ids.
func (v view) devices() []wattline.Device {
	return slices.DeleteFunc(v.shadow.devices(), func(device wattline.Device) bool { return !v.sees(device) })
}

// choose is the devices that a selector means, in the order of ids. A device
// that it names and that is not there is a not_found error; before all are known,
// only what it names can be chosen.
func (v view) choose(selector wattline.Selector) ([]wattline.Device, error) {
	for _, id := range selector.IDs {
		if _, known := v.find(id); !known {
			return nil, v.missing(id)
		}
	}
	if len(selector.IDs) == 0 {
		if err := v.shadow.complete(); err != nil {
			return nil, err
		}
	}
	if selector.IsZero() {
		return v.devices(), nil
	}
	return selector.Select(v.devices()), nil
}

// holding gives an error from when one of some devices is no longer in view. It may be
// asked often, and by several at once: it looks again only where descriptions have changed.
func (v view) holding(ids []string) func() error {
	var looked atomic.Uint64 // the changes that there had been at the last look, and one more
	return func() error {
		changes := v.shadow.changes.Load() + 1
		if looked.Load() == changes || v.who.Scope.IsEverything() {
			return nil
		}
		for _, id := range ids {
			if _, known := v.find(id); !known {
				return noDevice(id)
			}
		}
		looked.Store(changes)
		return nil
	}
}

// targets is the ids that a selector means, in order: the devices that it
// chooses, and the ids that it names and nobody has. It is an error before all
// devices are known, unless the ids are all that is asked for.
func (v view) targets(selector wattline.Selector) ([]string, error) {
	if len(selector.IDs) == 0 {
		if err := v.shadow.complete(); err != nil {
			return nil, err
		}
	}
	ids := idsOf(selector.Select(v.devices()))
	for _, id := range selector.IDs {
		if _, known := v.find(id); !known {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return slices.Compact(ids), nil
}

// missing is the error of an id that is not to be found.
func (v view) missing(id string) error {
	if err := v.shadow.complete(); err != nil {
		return err
	}
	return noDevice(id)
}
