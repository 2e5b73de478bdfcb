package live

import (
	"encoding/json"
	"slices"
	"sync/atomic"

	"github.com/wattline/wattline"
)

// Kind is what an event is about.
type Kind string

// The kinds.
const (
	// Registry: a device was added, changed or removed. The data is a [Change].
	Registry Kind = "registry"
	// State: the availability or a position of a device. The data is a wattline.State.
	State Kind = "state"
	// Reading: the data is a wattline.Reading.
	Reading Kind = "reading"
	// Command: what became of a command. The data is a wattline.Result.
	Command Kind = "command"
	// Alert: something is to be looked after. The data is an [Alarm].
	Alert Kind = "alert"
)

// Kinds are all of them.
func Kinds() []Kind { return []Kind{Registry, State, Reading, Command, Alert} }

// values is the number of kinds of which a newer event replaces the older ones of
// the same device.
const values = 3

// slot is the place of a kind among the values of a device.
func (k Kind) slot() (at int, isValue bool) {
	at = slices.Index(Kinds()[:values], k)
	return at, at >= 0
}

// The changes of a device, as a subscriber sees them: one that comes into view is
// added, one that goes out of it is removed.
const (
	Added   = "added"
	Changed = "changed"
	Removed = "removed"
)

// Change is the data of an event of the registry.
type Change struct {
	Change string `json:"change" enums:"added,changed,removed"`
	ID     string `json:"id"`
	// Device is absent where it was removed.
	Device *wattline.Device `json:"device,omitempty"`
}

// Alarm is the data of an alert.
type Alarm struct {
	// Alert is its type: journal_dropped, clock_skew, …
	Alert string `json:"alert"`
	// Device is the one that it is about, if it is about one.
	Device string `json:"device,omitempty"`
	// Details are as they were published.
	Details json.RawMessage `json:"details" swaggertype:"object"`
}

// subject is a device's place. What it holds changes, it does not; a device that is
// removed and comes back is another subject.
type subject struct {
	id string
	// now is the description; nil once it was removed.
	now atomic.Pointer[wattline.Device]
	// latest are the newest events of the kinds that are values.
	latest [values]atomic.Pointer[event]
}

// event is something that happened. It is not changed once it is in the ring.
type event struct {
	number uint64
	id     string
	kind   Kind
	// about is nil for what is about no device.
	about *subject
	// before and after are the device's description: the same, except for the
	// registry's own events, where nil is not there.
	before, after *wattline.Device
	// data is encoded; of the registry's events, as each of the changes.
	data  []byte
	views views
	// marked is the id for the first rights that it was given out for.
	marked atomic.Pointer[marked]
}

// marked is an id with the mark of somebody's rights.
type marked struct{ mark, id string }

// idFor is the id of the event for somebody's rights, which are nearly always the same.
func (e *event) idFor(mark string) string {
	if made := e.marked.Load(); made != nil && made.mark == mark {
		return made.id
	}
	made := &marked{mark, e.id + mark}
	e.marked.CompareAndSwap(nil, made)
	return made.id
}

// views are the forms of a change of the registry.
type views struct{ added, changed, removed []byte }

// overhead is what an event takes besides its data, roughly.
const overhead = 256

func (e *event) size() int {
	return overhead + len(e.data) + len(e.views.added) + len(e.views.changed) + len(e.views.removed)
}

// superseded tells whether a newer value has taken the place of this one. Changes of
// the registry are no values in this sense: each is told.
func (e *event) superseded() bool {
	at, isValue := e.kind.slot()
	return isValue && e.kind != Registry && e.about != nil && e.about.latest[at].Load() != e
}

func viewsOf(device wattline.Device) (views, error) {
	var encoded views
	var err error
	encode := func(change string, of *wattline.Device) (data []byte) {
		if err == nil {
			data, err = json.Marshal(Change{Change: change, ID: device.ID, Device: of})
		}
		return data
	}
	encoded.added, encoded.changed, encoded.removed = encode(Added, &device), encode(Changed, &device), encode(Removed, nil)
	return encoded, err
}
