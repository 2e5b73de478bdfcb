package emulator

import (
	"errors"
	"slices"
	"time"
)

// maxChanges is how many changes of the relay, and of the current behind it, an
// outlet remembers.
const maxChanges = 1024

// ErrSpan means that the energy of a span is not known: it reaches into the future, or
// before the outlet's memory.
var ErrSpan = errors.New("span is not remembered")

// RelayChange is a relay that was switched.
type RelayChange struct {
	At    time.Time
	On    bool
	Cause Cause
}

// Cause is who switched a relay.
type Cause string

// The causes.
const (
	ByCommand   Cause = "command"
	ByButton    Cause = "button"
	ByCountdown Cause = "countdown"
)

// outlet is one socket: its relay, its load and its meter. The Plug guards it.
type outlet struct {
	load    Load
	alias   string
	relay   bool
	onSince int64
	truth   Energy // since the outlet was first made
	meter   Energy // since it last got power
	stats   ledger
	supply  []supplyEdge // when current began and ceased to reach the load
	known   int64        // supply is complete from here on
	changes []RelayChange
	rule    *countdown
}

type supplyEdge struct {
	at int64
	on bool
}

// countdown is the one rule that a plug's timer holds.
type countdown struct {
	ID      string `json:"id"`
	Name    string `json:"name"`
	Enable  int    `json:"enable"`
	Delay   int64  `json:"delay"`
	Act     int    `json:"act"`
	StartMS int64  `json:"start_ms"`
}

// due is when the rule fires; ok is false for one that is not enabled.
func (r *countdown) due() (at int64, ok bool) {
	if r == nil || r.Enable == 0 {
		return 0, false
	}
	return r.StartMS + r.Delay*second, true
}

// integrate adds the energy over [from, to), day by day of the plug's calendar.
func (o *outlet) integrate(from, to int64, cal calendar) {
	for from < to {
		end := to
		var today date
		if !cal.unsynced {
			today, end = cal.day(from)
			end = min(end, to)
		}
		energy := energyOf(o.load, from, end)
		o.truth += energy
		o.meter += energy
		if !cal.unsynced {
			o.stats.add(today, energy, end-from)
		}
		from = end
	}
}

// feed notes that current began or ceased to reach the load.
func (o *outlet) feed(at int64, on bool) {
	if n := len(o.supply); n > 0 && o.supply[n-1].on == on {
		return
	}
	o.supply = append(o.supply, supplyEdge{at, on})
	if len(o.supply) > maxChanges {
		o.supply = slices.Delete(o.supply, 0, len(o.supply)-maxChanges)
		o.known = o.supply[0].at
	}
}

func (o *outlet) fed() bool { return len(o.supply) > 0 && o.supply[len(o.supply)-1].on }

// between is the energy over [from, to) as the supply had it; up to is how far
// the outlet has been integrated.
func (o *outlet) between(from, to, upTo int64) (Energy, error) {
	if from < o.known || to > upTo || from > to {
		return 0, ErrSpan
	}
	var sum Energy
	for i, edge := range o.supply {
		end := upTo
		if i+1 < len(o.supply) {
			end = o.supply[i+1].at
		}
		if edge.on {
			sum += energyOf(o.load, max(edge.at, from), min(end, to))
		}
	}
	return sum, nil
}

// set moves the relay and tells whether that changed it; powered is whether the
// plug has mains.
func (o *outlet) set(on bool, at int64, powered bool, by Cause) bool {
	if o.relay == on {
		return false
	}
	o.relay = on
	o.onSince = at
	o.feed(at, on && powered)
	o.changes = append(o.changes, RelayChange{time.UnixMilli(at).UTC(), on, by})
	if len(o.changes) > maxChanges {
		o.changes = slices.Delete(o.changes, 0, len(o.changes)-maxChanges)
	}
	return true
}

// onSeconds is how long the relay has been closed; 0 when it is open.
func (o *outlet) onSeconds(now int64) int64 {
	if !o.relay {
		return 0
	}
	return max(0, now-o.onSince) / second
}
