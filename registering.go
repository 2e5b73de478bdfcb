package wattline

// The verbs by which the registry is changed.
const (
	VerbPut    = "put"    // registry: PutQuery → Device
	VerbDelete = "delete" // registry: DeleteQuery → Device, as it was
	VerbApply  = "apply"  // registry: ApplyQuery → Applied
	VerbLift   = "lift"   // registry: LiftQuery → Device
	VerbFormer = "former" // registry: FormerQuery → DevicePage
)

// PutQuery gives a device a description, or adds it. What the registry itself keeps
// of a device (source, version, lifted) is not taken from it.
type PutQuery struct {
	Device Device `json:"device"`
	// Version is that of the description which this one takes the place of; 0 where
	// there is none. If the device has another one by now the answer is CodeConflict,
	// and CodeNotFound if it is gone.
	Version uint64 `json:"version"`
}

// DeleteQuery removes a device. What was measured of it stays in the store.
type DeleteQuery struct {
	Device string `json:"device"`
	// Version is as in PutQuery, and not 0.
	Version uint64 `json:"version"`
}

// DeviceChange is one of many: Put as in PutQuery or, where it is absent, a removal
// as in DeleteQuery.
type DeviceChange struct {
	Device  string  `json:"device"`
	Version uint64  `json:"version"`
	Put     *Device `json:"put,omitempty"`
}

// ApplyQuery asks for many changes, all of them or none. A fault of the change
// Changes[3] is one of the field changes[3] or below.
type ApplyQuery struct {
	Changes []DeviceChange `json:"changes"`
	// DryRun checks all of it and changes nothing.
	DryRun bool `json:"dry_run,omitempty"`
}

// Applied is the answer: the devices that were put, in the order of the changes. A
// dry run gives them without versions.
type Applied struct {
	Devices []Device `json:"devices"`
}

// FormerQuery asks for devices that there are no more, as they were when they were
// removed: whoever makes a device of such an id gets to see what was measured then.
type FormerQuery struct {
	Devices []string `json:"devices"`
}

// LiftQuery sets a device's protection aside, or lets it hold again.
type LiftQuery struct {
	Device string `json:"device"`
	// ForS is for how many seconds, from MinLift to MaxLift; 0 ends the lift.
	ForS   Milli  `json:"for_s"`
	Reason string `json:"reason,omitempty"`
	// By is whom everybody is shown as the one who lifted it; the actor if empty.
	By string `json:"by,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (q LiftQuery) Validate() error {
	var found Faults
	found.Check("device", CheckID(q.Device))
	if q.ForS != 0 {
		if q.ForS < Milli(MinLift.Milliseconds()) || q.ForS > Milli(MaxLift.Milliseconds()) {
			found.Add("for_s", "must lie between %v and %v", MinLift.Seconds(), MaxLift.Seconds())
		}
		found.Check("reason", CheckReason(q.Reason))
	}
	if len(q.By) > maxActor {
		found.Add("by", "must be at most %d bytes", maxActor)
	}
	return found.Err()
}

// Registering is what happened to a device's description.
type Registering string

// What can happen.
const (
	DeviceAdded   Registering = "added"
	DeviceChanged Registering = "changed"
	DeviceRemoved Registering = "removed"
	// DeviceLifted: its protection was set aside for a time.
	DeviceLifted Registering = "lifted"
	// DeviceLiftEnded: its protection holds again.
	DeviceLiftEnded Registering = "lift_ended"
)

// RegistryEvent is the payload of …/event/registry.
type RegistryEvent struct {
	Device string      `json:"device"`
	Change Registering `json:"change"`
	Time   Time        `json:"time"`
	// Actor is who did it; empty for the configuration file and for a lift that ran
	// out.
	Actor string `json:"actor,omitempty"`
	// Before and After are the device's description; nil where there was none.
	Before *Device `json:"before,omitempty"`
	After  *Device `json:"after,omitempty"`
}
