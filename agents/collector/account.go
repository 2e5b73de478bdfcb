package collector

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/store"
)

// gapPolls is how many polls may be missed before the time between two readings
// counts as unobserved.
const gapPolls = 3

// meterStep is the resolution of a plug's counter: 1 Wh.
const meterStep wattline.Milli = 1000

// What the mains and a plug of 16 A can give; beyond it a value is flagged.
const (
	maxPlausibleW wattline.Milli = 4_000_000
	maxPlausibleA wattline.Milli = 20_000
	minPlausibleV wattline.Milli = 80_000
	maxPlausibleV wattline.Milli = 300_000
)

// counted is a reading with what its energy leaves out: power that was integrated
// and does not make up a whole mWh yet, in mW by half a millisecond. Without it a
// plug of 2 W that is read every second would use nothing until its counter steps.
type counted struct {
	wattline.Reading
	rest wattline.Milli
}

// account turns a measurement into the reading that follows previous, which is
// nil for a device's first.
//
// EnergyWh is carry + meter + fraction: carry is what the counter showed before
// its resets, in whole steps, which leaps of the counter make smaller; fraction, within one step, is power integrated
// since the counter last moved. Both can be had back from a reading, so that a
// collector which starts again needs nothing but the last one; the rest, less than
// 1 mWh, is lost then.
func account(device string, previous *counted, m kasa.Measurement, interval time.Duration) counted {
	reading := counted{Reading: wattline.Reading{
		Device: device, Time: wattline.At(m.At),
		PowerW: m.Meter.PowerW, VoltageV: m.Meter.VoltageV, CurrentA: m.Meter.CurrentA,
		// Where in its step the counter stands is not known yet: the middle is never far.
		MeterWh: m.Meter.TotalWh, EnergyWh: m.Meter.TotalWh + meterStep/2,
		Relay: m.Relay, RSSIdBm: m.RSSIdBm,
	}}
	if !plausible(reading.Reading) {
		reading.Quality |= wattline.QualityImplausible
	}
	if previous == nil {
		return reading
	}
	// The clock may have been set back. Time must go on all the same, for it is half
	// of a reading's identity; unless the clock was so wrong before that no store
	// takes what goes on from there.
	if back := previous.Time.Sub(reading.Time.Time); back >= 0 && back <= store.FutureTolerance {
		reading.Time = wattline.At(previous.Time.Add(time.Millisecond))
	}
	elapsed := reading.Time.Sub(previous.Time.Time)
	observed := elapsed > 0 && elapsed <= gapPolls*interval
	if observed {
		reading.CoversS = wattline.Milli(elapsed.Milliseconds())
	} else {
		reading.Quality |= wattline.QualityAfterGap
	}
	estimate := previous.EnergyWh
	if observed {
		used, rest := integrate(previous.PowerW, reading.PowerW, elapsed, previous.rest)
		estimate += used
		reading.rest = rest
	}
	if counterLeapt(previous.Reading, reading.Reading, elapsed) {
		// Another plug behind the name, or a counter that showed nonsense before.
		reading.Quality |= wattline.QualityImplausible
		reading.EnergyWh = estimate
		return reading
	}
	if reading.MeterWh < previous.MeterWh {
		reading.rest = 0
		reading.Quality |= wattline.QualityMeterReset
		carry := (previous.EnergyWh + meterStep/2) / meterStep * meterStep
		reading.EnergyWh = max(previous.EnergyWh, carry+reading.MeterWh)
		return reading
	}
	floor := wholeSteps(previous.EnergyWh-previous.MeterWh) + reading.MeterWh
	reading.EnergyWh = min(max(estimate, floor), floor+meterStep-1)
	if reading.EnergyWh != estimate { // the counter knows better
		reading.rest = 0
	}
	return reading
}

// integrate is the energy between two readings in whole mWh, by the mean of their
// powers, and what is left over of it and of the rest before.
func integrate(before, after wattline.Milli, elapsed time.Duration, rest wattline.Milli) (used, left wattline.Milli) {
	perMilliwattHour := 2 * wattline.Milli(time.Hour.Milliseconds())
	rest += (bounded(before) + bounded(after)) * wattline.Milli(elapsed.Milliseconds())
	return rest / perMilliwattHour, rest % perMilliwattHour
}

// wholeSteps rounds down, below zero too: a plug that took another's place may
// have counted more than was used under the name.
func wholeSteps(energy wattline.Milli) wattline.Milli {
	steps := energy / meterStep
	if energy%meterStep < 0 {
		steps--
	}
	return steps * meterStep
}

// counterLeapt tells whether a plug's counter went further than any plug can in
// that time. What it leapt over was not used.
func counterLeapt(before, after wattline.Reading, elapsed time.Duration) bool {
	went := after.MeterWh
	if after.MeterWh >= before.MeterWh {
		went -= before.MeterWh
	}
	most, _ := integrate(maxPlausibleW, maxPlausibleW, max(elapsed, 0), 0)
	return went > most+2*meterStep
}

func bounded(power wattline.Milli) wattline.Milli { return min(max(power, 0), maxPlausibleW) }

func plausible(r wattline.Reading) bool {
	return r.PowerW >= 0 && r.PowerW <= maxPlausibleW && r.CurrentA >= 0 && r.CurrentA <= maxPlausibleA &&
		r.VoltageV >= minPlausibleV && r.VoltageV <= maxPlausibleV
}
