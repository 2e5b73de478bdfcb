package collector

import (
	"time"

	"github.com/wattline/wattline"
)

// longestOutage is how long a plug may have been unread before the process began. The
// clock does not tell: one without a battery begins where it stopped.
const longestOutage = 31 * 24 * time.Hour

// unread is for how long at most nobody has read the plug, whatever the clock says.
func (c *counted) unread(now time.Time) time.Duration {
	if c.read.IsZero() {
		return longestOutage
	}
	return now.Sub(c.read)
}

// hasLeapt tells whether a plug's counter went further than any plug can in a time.
// What it leapt over was not used.
func hasLeapt(from counted, to wattline.Reading, within time.Duration) bool {
	went := to.MeterWh
	if to.MeterWh >= from.MeterWh {
		went -= from.MeterWh
	}
	return went > most(within)
}

// leapt goes on from a counter that shows nonsense, or did so before.
func (c *counted) leapt(from counted, s stretch) {
	c.Quality |= wattline.QualityImplausible
	c.EnergyWh = from.EnergyWh
	if s.observed {
		c.EnergyWh += s.used
	}
	c.phase = unknownPhase(c.Reading)
}

// doubtfulPolls is how many polls in a row a counter is not believed.
const doubtfulPolls = 4

// doubt is about a counter that went further than the clock did: that one may be
// behind, or the counter show nonsense. It is believed when two polls in a row agree.
// What is held back is on no disk, so whoever goes on after a crash doubts anew.
type doubt struct {
	seen  *counted // at the poll before
	polls int
}

// holdsBack tells whether a reading is to be recorded only by the next poll. One that
// polls never agree on is recorded in the end, and what its counter says not counted.
func (d *doubt) holdsBack(next *counted, from *counted) bool {
	seen := d.seen
	d.seen = next
	switch {
	case !next.doubtful || seen != nil && next.agrees(*seen):
		return false
	case d.polls < doubtfulPolls:
		d.polls++
		return true
	}
	next.leapt(*from, stretch{})
	return false
}

// agrees tells whether a counter can have come from where it was seen before.
func (c *counted) agrees(seen counted) bool {
	return seen.doubtful && c.MeterWh >= seen.MeterWh && !hasLeapt(seen, c.Reading, c.read.Sub(seen.read))
}
