package wattline

import (
	"time"
)

// VerbWatch has a collector poll a device every second for a while: WatchQuery →
// Watch.
const VerbWatch = "watch"

// MaxWatch is how long a device is watched unless it is asked for again.
const MaxWatch = time.Minute

// WatchQuery asks for a device to be watched, or no longer.
type WatchQuery struct {
	Device string `json:"device"`
	// Holder is who watches. The device is watched as long as anybody does.
	Holder string `json:"holder"`
	// LeaseS is for how many seconds; 0 ends it for this holder.
	LeaseS Milli `json:"lease_s"`
}

// Validate reports every fault as a CodeInvalid error.
func (q WatchQuery) Validate() error {
	var found Faults
	found.Check("device", CheckID(q.Device))
	if q.Holder == "" || len(q.Holder) > maxActor {
		found.Add("holder", "must be 1 to %d bytes", maxActor)
	}
	if q.LeaseS < 0 || q.LeaseS > Milli(MaxWatch.Milliseconds()) {
		found.Add("lease_s", "must lie between 0 and %.0f", MaxWatch.Seconds())
	}
	return found.Err()
}

// Watch is how a device is watched.
type Watch struct {
	Device string `json:"device"`
	// Until is when the holder's lease ends; absent if it has none.
	Until Time `json:"until,omitzero" validate:"optional"`
	// PollS is how often the device is polled now, in seconds.
	PollS Milli `json:"poll_s"`
}
