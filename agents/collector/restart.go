package collector

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// hardware is what tells a plug, or an outlet, from another one behind the same
// name; empty where the plug does not say.
func (s subject) hardware(mac string) string {
	if mac == "" || s.outlet == "" {
		return mac
	}
	const suffix = 2 // an outlet may be named in full
	return mac + "/" + s.outlet[max(0, len(s.outlet)-suffix):]
}

// replaces tells whether another plug was read than before.
func (c *counted) replaces(from counted) bool {
	return from.plug != "" && c.plug != "" && from.plug != c.plug
}

// onTimeJitter: plugs tell for how long the relay has been closed in whole seconds,
// and not too exactly.
const onTimeJitter = 2 * time.Second

// closedWithin is how long ago the relay closed, if that was within the stretch: a
// plug closes it when it gets its power. It is 0 where the relay has been closed for
// longer, and where it is open.
func closedWithin(m kasa.Measurement, s stretch) time.Duration {
	if m.OnTime < s.elapsed-onTimeJitter {
		return m.OnTime
	}
	return 0
}

// mayHaveRestarted tells whether the counter, which has not fallen, may have: the
// relay was closed all the time and closed anew, and the counter stands so low that
// this was time enough to bring it there.
func (c *counted) mayHaveRestarted(from counted, closed time.Duration) bool {
	return closed > 0 && from.Relay == wattline.RelayOn && c.MeterWh <= over(max(from.PowerW, c.PowerW), closed)+meterStep
}

// followPerhapsAnew goes on from a counter of which it is not known whether it began
// anew. Either way no more was used since the relay closed than it shows, and a step.
func (c *counted) followPerhapsAnew(from counted, closed time.Duration, s stretch) {
	used := beforeRestart(from, closed, s) + min(over(c.PowerW, closed), c.MeterWh+meterStep-1)
	c.EnergyWh = from.EnergyWh + max(used, c.MeterWh-from.MeterWh-(meterStep-1))
	c.phase = unknownPhase(c.Reading)
}

// restarted goes on from a counter that began anew: the plug lost its power, was
// erased, or was reset. Only here is known where in its step the counter stands.
func (c *counted) restarted(from counted, closed time.Duration, s stretch) {
	c.Quality |= wattline.QualityMeterReset
	switch {
	case closed > 0:
		c.begin(from.EnergyWh+beforeRestart(from, closed, s), over(c.PowerW, closed))
	case s.observed: // without a break, as when it was erased
		c.begin(from.EnergyWh+s.used/2, s.used-s.used/2)
	default:
		c.begin(from.EnergyWh+beforeRestart(from, 0, s), 0)
	}
}

// beforeRestart is what was used from the last reading to the loss of power. If no
// poll was missed, it was a short one. Otherwise it happened before the next poll,
// sooner or later.
func beforeRestart(from counted, since time.Duration, s stretch) wattline.Milli {
	if s.elapsed <= s.interval*9/8 {
		return over(from.PowerW, s.elapsed-since)
	}
	return over(from.PowerW, min(s.elapsed-since, s.interval)) / 2
}

// begin goes on from a counter that was zero when the energy stood there, and that
// must have come so far since, if that fits with what it shows.
func (c *counted) begin(at, counter wattline.Milli) {
	known := counter <= 4*meterStep && counter >= c.MeterWh-meterStep && counter < c.MeterWh+2*meterStep
	switch {
	case known:
		counter = min(max(counter, c.MeterWh), c.MeterWh+meterStep-1)
	case counter > 0:
		counter = c.MeterWh + meterStep/2
	default:
		counter = c.MeterWh
	}
	c.EnergyWh = at + counter
	c.phase = knownPhase(at)
	if !known {
		c.phase = astray(c.Reading, at)
	}
}

// replaced goes on from another plug. What that one counted was used here only if
// it got its power here.
func (c *counted) replaced(from counted, m kasa.Measurement, s stretch) {
	c.Quality |= wattline.QualityMeterReset
	c.mark = mark{asked: from.mark.asked}
	closed := closedWithin(m, s)
	before := over(from.PowerW, min(s.elapsed-closed, s.interval)) / 2
	if closed > 0 && c.MeterWh <= most(closed) {
		c.begin(from.EnergyWh+before, over(c.PowerW, closed))
		return
	}
	c.EnergyWh = from.EnergyWh + before
	c.phase = unknownPhase(c.Reading)
}
