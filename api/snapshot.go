package api

import (
	"encoding/json"
	"sync/atomic"
	"time"

	"github.com/wattline/wattline"
)

// facts are what is known of a device.
type facts struct {
	id string
	// site is that of the device, or of the first message before it is known.
	site   string
	learnt wattline.Time
	// confirmed is when the description was last given.
	confirmed time.Time
	device    *wattline.Device // nil: not in the registry
	state     *wattline.State
	reading   *wattline.Reading
}

// at takes the site of the first message, and tells whether one of another site
// is meant for this device.
func (f *facts) at(site string) bool {
	if f.site == "" {
		f.site = site
	}
	return f.site == site
}

// collector is the instance that polls the device, as far as it is known.
func (f *facts) collector() string {
	if f.state == nil {
		return ""
	}
	return f.state.Collector
}

func (f *facts) empty() bool { return f.device == nil && f.state == nil && f.reading == nil }

// fresh is the state and the last reading. Where the collector has gone, what
// it said last may be old, and that is said.
func (f *facts) fresh(collectorAlive bool) wattline.FreshState {
	state := wattline.State{
		Device: f.id, Availability: wattline.AvailabilityUnknown, Since: f.learnt, Time: f.learnt,
	}
	if f.state != nil {
		state = *f.state
	}
	if !collectorAlive && state.Availability == wattline.AvailabilityUp {
		state.Availability = wattline.AvailabilityStale
		state.Error = &wattline.StateError{
			Class:   "no_collector",
			Message: "the collector that polls the device is not heard of; this is what it said last",
		}
	}
	return wattline.FreshState{State: state, Reading: f.reading}
}

// snapshot is the facts of one moment. They are not changed once it is in the
// shadow.
type snapshot struct {
	facts
	// encoded is the answer to GET state, made when first asked for: with the
	// collector gone, and alive.
	encoded [2]atomic.Pointer[[]byte]
}

// body is fresh as JSON.
func (s *snapshot) body(collectorAlive bool) ([]byte, error) {
	cached := &s.encoded[count(collectorAlive)]
	if body := cached.Load(); body != nil {
		return *body, nil
	}
	body, err := json.Marshal(s.fresh(collectorAlive))
	if err != nil {
		return nil, err
	}
	cached.Store(&body)
	return body, nil
}
