package history

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// use is what a device used in one window.
type use struct {
	// known: something is known of the window.
	known bool
	// energy is what the counter went forward; observed is the part of it that
	// went while somebody was reading, over the time that took.
	energy, observed wattline.Milli
	over             time.Duration
	// estimated: some of it went while nobody was reading, or how much is not known.
	estimated bool
	// covered is the time of the window under observation.
	covered time.Duration
	// read: there are readings in the window, of which lowest and highest are the
	// powers.
	read            bool
	lowest, highest wattline.Milli
}

type span struct{ start, end time.Time }

// overlap is how much two spans have in common.
func (s span) overlap(other span) time.Duration {
	if other.start.After(s.start) {
		s.start = other.start
	}
	return max(0, earlier(s.end, other.end).Sub(s.start))
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// useOf is what was used within a window: w is nil where it has no readings, last is the reading before it, next
// the one after it, nil where there is none.
func useOf(w *wattline.Summary, within span, last, next *wattline.Point) use {
	var u use
	first, final := next, last
	if w != nil {
		u.read, u.lowest, u.highest = true, w.MinW, w.MaxW
		first, final = &w.First, &w.Last
		u.covered = time.Duration(w.CoveredS)*time.Millisecond - overlap(w.First, span{time.Time{}, within.start})
	}
	reachesEnd := next != nil && final != nil && store.CoversEdge(*next, within.end)
	if reachesEnd {
		u.covered += overlap(*next, within)
	}
	u.covered = min(u.covered, within.end.Sub(within.start)) // two may have read the device at once
	afterGap := w != nil && (w.GapS > 0 || last != nil && w.First.CoversS == 0)
	if u.known = u.covered > 0 || afterGap; !u.known {
		return u
	}
	u.energy = counterAt(within.end, final, next) - counterAt(within.start, last, first)
	// What was observed begins and ends with the window, or within it.
	began, ended := within.start, within.end
	var unread, fell wattline.Milli // in the gaps
	if last == nil || !store.CoversEdge(*first, within.start) {
		began = first.Time.Time
		before := first.EnergyWh - counterAt(within.start, last, first)
		unread, fell = max(0, before), max(0, -before)
	}
	if w != nil {
		unread += w.GapWh
		fell += w.FellWh
	}
	// A counter that fell while nobody was reading has begun anew: nothing was used.
	u.energy += fell
	u.observed = u.energy - unread
	u.estimated = unread > 0 || fell > 0
	if !reachesEnd {
		ended = final.Time.Time
	}
	u.over = ended.Sub(began)
	if w != nil {
		u.over -= time.Duration(w.GapS) * time.Millisecond
	}
	return u
}

// overlap is how much of a span a reading observed.
func overlap(point wattline.Point, within span) time.Duration {
	return within.overlap(span{point.Time.Add(-time.Duration(point.CoversS) * time.Millisecond), point.Time.Time})
}

// counterAt is the counter at an edge between two neighbouring readings.
func counterAt(edge time.Time, before, after *wattline.Point) wattline.Milli {
	switch {
	case before == nil && after == nil:
		return 0
	case before == nil:
		return after.EnergyWh
	case after == nil || !store.CoversEdge(*after, edge):
		return before.EnergyWh
	}
	began := after.Time.Add(-time.Duration(after.CoversS) * time.Millisecond)
	if before.Time.After(began) {
		began = before.Time.Time
	}
	between := after.Time.Sub(began).Milliseconds()
	passed := edge.Sub(began).Milliseconds()
	if between <= 0 || passed <= 0 {
		return before.EnergyWh
	}
	return before.EnergyWh + (after.EnergyWh-before.EnergyWh)*wattline.Milli(passed)/wattline.Milli(between)
}

// meanPower is energy by time: 1 mWh is 3,600,000 mW·ms.
func meanPower(energy wattline.Milli, over time.Duration) wattline.Milli {
	const mWmsPerMWh = 3_600_000
	ms := wattline.Milli(over.Milliseconds())
	return (energy*mWmsPerMWh + ms/2) / ms
}

// leastForMean is how long has to be under observation for a mean power: the meter
// counts in steps, and a step within seconds would look like kilowatts.
const leastForMean = time.Minute

// total adds up the uses of a group's devices in one window.
type total struct {
	known, read, estimated bool
	energy, mean           wattline.Milli
	hasMean                bool
	// coveredMS is in milliseconds: 300 devices and a year are too many nanoseconds.
	coveredMS       int64
	lowest, highest wattline.Milli
}

func (t *total) add(u use) {
	t.coveredMS += u.covered.Milliseconds()
	if u.known {
		t.known = true
		t.energy += u.energy
		t.estimated = t.estimated || u.estimated
	}
	if u.known && u.over >= leastForMean {
		t.hasMean = true
		t.mean += meanPower(u.observed, u.over)
	}
	if !u.read {
		return
	}
	if !t.read || u.lowest < t.lowest {
		t.lowest = u.lowest
	}
	if !t.read || u.highest > t.highest {
		t.highest = u.highest
	}
	t.read = true
}

// row is the answer for a group of so many devices.
func (t *total) row(group string, devices int, window span) wattline.Consumption {
	row := wattline.Consumption{
		Group: group, Start: wattline.At(window.start), End: wattline.At(window.end), Estimated: t.estimated,
	}
	if t.coveredMS > 0 {
		lengthMS := window.end.Sub(window.start).Milliseconds() * int64(devices)
		// Rounded down, so that 1 is all of it; and 0 is nothing of it.
		row.Coverage = wattline.Milli(max(1, 1000*t.coveredMS/lengthMS))
	}
	if t.known {
		row.EnergyWh = &t.energy
	}
	if t.hasMean {
		row.MeanW = &t.mean
	}
	if t.read {
		row.MinW, row.MaxW = &t.lowest, &t.highest
	}
	return row
}
