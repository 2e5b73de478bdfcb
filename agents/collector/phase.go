package collector

import "github.com/wattline/wattline"

// meterStep is the resolution of a plug's counter: 1 Wh.
const meterStep wattline.Milli = 1000

// phase is how far energy_wh is ahead of what has in truth gone through the plug's
// counter, of which the counter shows the whole steps. It lies between low and
// high: a step apart at first, and closer with every reading, for power that is
// integrated says how far the counter must be and the counter's steps say how far
// it is. So nothing jumps when the first step is seen.
type phase struct {
	low, high wattline.Milli
	// home is the phase from before energy was used that nobody could follow within
	// its step. Differences are right without it; it keeps what is not known of one
	// such stretch from adding up with that of the next.
	home    wattline.Milli
	strayed bool // home is of use
}

// unknownPhase is all that a single reading can tell.
func unknownPhase(r wattline.Reading) phase {
	return phase{low: r.EnergyWh - r.MeterWh - (meterStep - 1), high: r.EnergyWh - r.MeterWh}
}

// knownPhase is that of a counter that began when energy_wh stood there.
func knownPhase(began wattline.Milli) phase { return phase{low: began, high: began} }

// middle is the best guess.
func (p phase) middle() wattline.Milli { return (p.low + p.high) / 2 }

func (p phase) narrowed(by phase) phase {
	p.low, p.high = max(p.low, by.low), min(p.high, by.high)
	return p
}

// astray is the phase where only a reading tells of it, and what it was at home.
func astray(r wattline.Reading, home wattline.Milli) phase {
	p := unknownPhase(r).narrowed(phase{low: home - meterStep, high: home + meterStep})
	p.home, p.strayed = home, true
	return p
}

// follow goes on from a reading of the same counter. What was integrated counts as
// long as it stays within the counter's step; the counter knows better otherwise.
// Where the two are far apart the middle of the step is the best guess.
func (c *counted) follow(from counted, s stretch) {
	if !s.observed && max(c.MeterWh-from.MeterWh, s.used) > meterStep {
		c.stray(from)
		return
	}
	estimate := from.EnergyWh + s.used
	lowest := c.MeterWh + from.phase.low
	highest := c.MeterWh + from.phase.high + meterStep - 1
	switch {
	case estimate < lowest-meterStep, estimate > highest+meterStep:
		c.EnergyWh = max(from.EnergyWh, c.MeterWh+from.phase.middle()+meterStep/2)
	case estimate < lowest:
		c.EnergyWh = lowest
	case estimate > highest:
		c.EnergyWh = highest
	default:
		c.EnergyWh, c.rest = estimate, s.rest
	}
	c.phase = from.phase.narrowed(unknownPhase(c.Reading))
}

// stray goes on after energy was used that nobody could follow within its step.
func (c *counted) stray(from counted) {
	home := from.phase.middle()
	if from.phase.strayed {
		home = from.phase.home
	}
	c.EnergyWh = max(from.EnergyWh, c.MeterWh+home+meterStep/2)
	c.phase = astray(c.Reading, home)
}
