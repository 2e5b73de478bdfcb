package collector

import (
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// mark is where a plug's own statistics of the day stood when energy_wh stood at
// EnergyWh: what they show later on was used since.
type mark struct {
	// asked is when the plug was last asked for them, in vain or not.
	asked    wattline.Time
	date     kasa.Date
	zone     string // of the plug's calendar; empty where nothing is known
	statWh   wattline.Milli
	energyWh wattline.Milli
}

const (
	// A plug is asked for its statistics after an outage, and once a day for a mark
	// to reckon from; sooner while there is none. One that comes and goes is not
	// asked each time.
	askedEvery    = 24 * time.Hour
	askedAgain    = time.Hour
	askedAtMost   = 10 * time.Minute
	maxClockError = 2 * time.Minute
	// daysPatience is how long the reading after an outage waits for them: a plug that
	// got its power back has to find a time server first. Its counter goes on meanwhile.
	daysPatience = 2 * time.Minute
	// maxDayWh is what a plug can at most give on a day of 25 hours.
	maxDayWh = 25 * maxPlausibleW
)

// daysDue tells whether a plug that has just been read is to be asked for its
// statistics.
func daysDue(next *counted) bool {
	since := next.Time.Sub(next.mark.asked.Time)
	return since < 0 || since >= askedEvery || since >= askedAgain && next.mark.zone == "" ||
		since >= askedAtMost && next.followsOutage()
}

// followsOutage: nobody read the plug for a while, or it had lost its power.
func (c *counted) followsOutage() bool {
	return c.Quality&(wattline.QualityAfterGap|wattline.QualityMeterReset) != 0
}

// awaitsDays tells whether a reading is to wait for the statistics, for they are asked
// about an outage only at its end: of a plug that knew the time before, the counter
// began anew, or a day ended, while nobody read it.
func (c *counted) awaitsDays(from *counted) bool {
	if from == nil || from.mark.zone == "" || c.CoversS > 0 || c.replaces(*from) {
		return false
	}
	zone, err := time.LoadLocation(from.mark.zone)
	return c.anew || err == nil && kasa.DateOf(from.Time.Time, zone) != kasa.DateOf(c.Time.Time, zone)
}

// trustworthy tells whether statistics are of days that are known: those of a clock
// that was told the time.
func trustworthy(days kasa.Days) bool {
	for _, energy := range days.Wh {
		if energy > maxDayWh {
			return false
		}
	}
	return days.Ahead.Abs() <= maxClockError
}

// reconcile completes a reading by the plug's statistics of the days since the
// reading before, and gives the readings that belong between the two. What the
// counter lost is added where both ends of the outage are known.
func (c *counted) reconcile(from *counted, days kasa.Days) []wattline.Reading {
	c.mark = mark{asked: c.Time}
	if !trustworthy(days) {
		return nil
	}
	today := kasa.DateOf(c.Time.Time, days.Zone)
	var estimated []wattline.Reading
	if from != nil && !c.replaces(*from) && c.followsOutage() {
		if c.anew {
			c.addLost(*from, days, today)
		}
		estimated = endsOfDays(*from, c.Reading, days)
	}
	c.mark = mark{asked: c.Time, date: today, zone: days.Zone.String(), statWh: days.Wh[today], energyWh: c.EnergyWh}
	return estimated
}

// addLost adds what the plug's counter lost with its power and the statistics,
// which outlive that, have counted since the mark, or at least on the days after
// that of the last reading. They are in steps of a watt-hour for each day, so that
// what is less may not be lost at all.
func (c *counted) addLost(from counted, days kasa.Days, today kasa.Date) {
	since := from.mark
	used, steps := since.usedSince(days, today)
	if steps == 0 && (since.zone == "" || since.zone == days.Zone.String()) {
		// Of the day of the last reading it is not known what was used after that one.
		since = mark{date: kasa.DateOf(from.Time.Time, days.Zone).Next(), zone: days.Zone.String(), energyWh: from.EnergyWh}
		used, steps = since.usedSince(days, today)
	}
	energy := since.energyWh + used + (steps-1)*meterStep/2
	lost := energy - c.EnergyWh
	doubt := meterStep * 3 / 4
	if c.CoversS > 0 || over(max(from.PowerW, c.PowerW), c.Time.Sub(from.Time.Time)) < doubt { // little was lost
		doubt = 2 * meterStep
	}
	if steps == 0 || lost < doubt || energy-from.EnergyWh > most(c.Time.Sub(from.Time.Time)) {
		return
	}
	c.EnergyWh = energy
	c.phase.low, c.phase.high, c.phase.home = c.phase.low+lost, c.phase.high+lost, c.phase.home+lost
}

// usedSince adds up the statistics from the mark on. The truth is less than a step
// below it, and less than steps above; steps is 0 where they do not tell.
func (m mark) usedSince(days kasa.Days, today kasa.Date) (used, steps wattline.Milli) {
	if m.zone == "" || m.zone != days.Zone.String() || m.date.Before(days.First) || days.Wh[m.date] < m.statWh {
		return 0, 0 // it was erased, or set to another zone
	}
	for day := m.date; !today.Before(day); day = day.Next() {
		if energy, ok := days.Wh[day]; ok {
			used += energy
			steps++
		}
	}
	return used - m.statWh, steps
}

// endsOfDays are readings for the last moment of each day of the plug's calendar
// that ended between two readings of it. Their energy is reckoned backwards from
// the end, for the statistics say what was used on each of the days after them.
func endsOfDays(from counted, to wattline.Reading, days kasa.Days) []wattline.Reading {
	ends := midnights(from.Time, to.Time, days)
	if len(ends) == 0 {
		return nil
	}
	cut := cutOff(from, to.EnergyWh-ends[0].later, ends[0], days)
	readings := make([]wattline.Reading, len(ends))
	before := from.Reading
	for i, end := range ends {
		readings[i] = estimate(before, end.at, max(from.EnergyWh, to.EnergyWh-end.later-end.steps*cut))
		before = readings[i]
	}
	return readings
}

// cutOff is what each day after the first midnight had besides the whole steps that
// the statistics tell: half a step as a rule. energy is what there was at that
// midnight if they had nothing. The mark tells as well what there was, and the more
// days came after it, the more it is to be believed.
func cutOff(from counted, energy wattline.Milli, first midnight, days kasa.Days) wattline.Milli {
	cut := meterStep / 2
	used, steps := from.mark.usedSince(days, kasa.DateOf(first.at.Time, days.Zone))
	if steps > 0 && first.steps > 0 {
		marked := from.mark.energyWh + used + (steps-1)*meterStep/2
		cut = (2*cut + energy - marked) / (2 + first.steps)
	}
	atMost := max(0, energy-from.EnergyWh) / max(1, first.steps)
	return min(max(cut, 0), meterStep-1, atMost)
}

// midnight is the end of a day: later is what the statistics, of as many days as
// there are steps, count from then to the end of the outage.
type midnight struct {
	at           wattline.Time
	later, steps wattline.Milli
}

// midnights are those between two instants, as far as there are statistics.
func midnights(from, to wattline.Time, days kasa.Days) []midnight {
	var ends []midnight
	var end midnight
	for day := kasa.DateOf(to.Time, days.Zone); !day.Before(days.First); day = kasa.DateOf(end.at.Time, days.Zone) {
		end.at = wattline.At(wattline.StartOfDay(day.Year, day.Month, day.Day, days.Zone).Add(-time.Millisecond))
		if !end.at.After(from.Time) {
			break
		}
		if used := days.Wh[day]; used > 0 {
			end.later, end.steps = end.later+used, end.steps+1
		}
		ends = append(ends, end)
	}
	slices.Reverse(ends)
	return ends
}

// estimate repeats a reading at a later time, when nobody read the plug.
func estimate(from wattline.Reading, at wattline.Time, energy wattline.Milli) wattline.Reading {
	from.PowerW = meanPower(energy-from.EnergyWh, at.Sub(from.Time.Time))
	from.Time, from.EnergyWh, from.CoversS, from.Quality = at, energy, 0, wattline.QualityEstimated
	from.Stream, from.Seq = "", 0
	return from
}

// meanPower is energy by time: 1 mWh is 3,600,000 mW·ms.
func meanPower(energy wattline.Milli, length time.Duration) wattline.Milli {
	const mWmsPerMWh = 3_600_000
	return energy * mWmsPerMWh / max(1, wattline.Milli(length.Milliseconds()))
}
