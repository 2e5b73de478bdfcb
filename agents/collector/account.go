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

// What the mains and a plug of 16 A can give; beyond it a value is flagged.
const (
	maxPlausibleW wattline.Milli = 4_000_000
	maxPlausibleA wattline.Milli = 20_000
	minPlausibleV wattline.Milli = 80_000
	maxPlausibleV wattline.Milli = 300_000
)

// counted is a reading with what it takes to go on from it and is not in it.
type counted struct {
	wattline.Reading
	phase phase
	// rest was integrated and does not make up a whole mWh yet, in mW by half a
	// millisecond. Without it a plug of 2 W that is read every second would use
	// nothing until its counter steps.
	rest wattline.Milli
	// plug is the identity of the hardware that was read; empty if it has none.
	plug string
	// mark is where the plug's own statistics stood.
	mark mark
	// read is when, by this process's monotonic clock; zero if another process did.
	read time.Time
	// anew says that the counter may have begun anew since the reading before. It is
	// of no use afterwards.
	anew bool
	// doubtful says that the counter went further than the clock did. It is of no use
	// once the reading is recorded.
	doubtful bool
}

// stretch is the time between two readings of a device.
type stretch struct {
	elapsed, interval time.Duration
	// used is the energy by the powers at both ends, rest what is left of it.
	used, rest wattline.Milli
	observed   bool
}

// subject is what is read: a device, perhaps an outlet of a strip, so often.
type subject struct {
	device, outlet string
	interval       time.Duration
	// usual is the interval while nobody watches. A gap is longer than three of
	// these: to be watched makes none.
	usual time.Duration
}

// account turns a measurement into the reading that follows previous, which is
// nil for a device's first. Its energy is that of the plug's counter as far as
// that goes, filled in by integrating power.
func account(of subject, previous *counted, m kasa.Measurement) counted {
	next := counted{plug: of.hardware(m.Info.MAC), read: m.At, Reading: wattline.Reading{
		Device: of.device, Time: wattline.At(m.At),
		PowerW: m.Meter.PowerW, VoltageV: m.Meter.VoltageV, CurrentA: m.Meter.CurrentA,
		MeterWh: m.Meter.TotalWh, Relay: m.Relay, RSSIdBm: m.RSSIdBm,
	}}
	if !plausible(next.Reading) {
		next.Quality |= wattline.QualityImplausible
	}
	if previous == nil {
		// Where in its step the counter stands is not known: the middle is never far.
		next.EnergyWh = next.MeterWh + meterStep/2
		next.phase = unknownPhase(next.Reading)
		return next
	}
	next.Time = following(previous.Time, next.Time)
	next.mark = previous.mark
	if next.plug == "" {
		next.plug = previous.plug
	}
	s := between(*previous, next.Reading, of)
	leapt := hasLeapt(*previous, next.Reading, max(s.elapsed, s.interval))
	if leapt && !hasLeapt(*previous, next.Reading, previous.unread(m.At)) {
		leapt, s.observed = false, false // it was perhaps the clock that did not go as far
		next.doubtful = !next.replaces(*previous)
	}
	if s.observed {
		next.CoversS = wattline.Milli(s.elapsed.Milliseconds())
	} else {
		next.Quality |= wattline.QualityAfterGap
	}
	closed := closedWithin(m, s)
	next.anew = next.MeterWh < previous.MeterWh || closed > 0 && next.MeterWh <= most(closed)
	switch {
	case next.replaces(*previous):
		next.replaced(*previous, m, s)
	case leapt:
		next.leapt(*previous, s)
	case next.MeterWh < previous.MeterWh:
		next.restarted(*previous, closed, s)
	case (s.observed || previous.MeterWh < meterStep) && next.mayHaveRestarted(*previous, closed):
		next.followPerhapsAnew(*previous, closed, s)
	default:
		next.follow(*previous, s)
	}
	return next
}

// following is the time of a reading after another. The clock may have been set
// back. Time must go on all the same, for it is half of a reading's identity;
// unless the clock was so wrong before that no store takes what goes on from there.
func following(before, at wattline.Time) wattline.Time {
	if back := before.Sub(at.Time); back >= 0 && back <= store.FutureTolerance {
		return wattline.At(before.Add(time.Millisecond))
	}
	return at
}

func between(before counted, after wattline.Reading, of subject) stretch {
	s := stretch{elapsed: after.Time.Sub(before.Time.Time), interval: of.interval}
	s.observed = s.elapsed > 0 && s.elapsed <= gapPolls*max(of.interval, of.usual)
	s.elapsed = min(max(s.elapsed, 0), longest)
	s.used, s.rest = integrate(powers(before.PowerW, after.PowerW), s.elapsed, before.rest)
	return s
}

// longest bounds the time that is reckoned with, so that nothing overflows.
const longest = 10 * 365 * 24 * time.Hour

// powers is the sum of the powers at both ends of a stretch. What cannot be is
// taken to have been as at the other end, for plugs report spikes.
func powers(before, after wattline.Milli) wattline.Milli {
	switch {
	case possible(before) && possible(after):
		return before + after
	case possible(before):
		return 2 * before
	case possible(after):
		return 2 * after
	}
	return 0
}

func possible(power wattline.Milli) bool { return power >= 0 && power <= maxPlausibleW }

// integrate is the energy of a time in whole mWh, by the sum of the powers at its
// ends, and what is left over of it and of the rest before.
func integrate(ends wattline.Milli, elapsed time.Duration, rest wattline.Milli) (used, left wattline.Milli) {
	perMilliwattHour := 2 * wattline.Milli(time.Hour.Milliseconds())
	rest += ends * wattline.Milli(elapsed.Milliseconds())
	return rest / perMilliwattHour, rest % perMilliwattHour
}

// over is the energy of a steady power.
func over(power wattline.Milli, length time.Duration) wattline.Milli {
	used, _ := integrate(powers(power, power), length, 0)
	return used
}

// most is what can at most have been used in a time: two steps more than the mains
// can give, for a counter may step at both ends.
func most(length time.Duration) wattline.Milli { return over(maxPlausibleW, length) + 2*meterStep }

func plausible(r wattline.Reading) bool {
	return possible(r.PowerW) && r.CurrentA >= 0 && r.CurrentA <= maxPlausibleA &&
		r.VoltageV >= minPlausibleV && r.VoltageV <= maxPlausibleV
}
