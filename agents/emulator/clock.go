package emulator

import (
	"time"
)

// clock is emulated time: it starts with the injected clock and may run faster.
type clock struct {
	now    func() time.Time
	origin time.Time
	base   int64 // emulated milliseconds at origin
	speed  float64
}

func newClock(now func() time.Time, speed float64) *clock {
	origin := now()
	return &clock{now: now, origin: origin, base: origin.UnixMilli(), speed: speed}
}

// notBefore makes accelerated time go on from where it was; time at its normal
// speed is what it is.
func (c *clock) notBefore(ms int64) {
	if c.speed != 1 {
		c.base = max(c.base, ms)
	}
}

// ms is the emulated instant, in milliseconds since the Unix epoch.
func (c *clock) ms() int64 {
	now := c.now()
	if c.speed == 1 {
		return now.UnixMilli()
	}
	return c.base + int64(float64(now.Sub(c.origin))/float64(time.Millisecond)*c.speed)
}

// calendar is the plug's own clock, which its statistics go by.
type calendar struct {
	zone     *time.Location
	offset   time.Duration // how far it is ahead of the true time
	unsynced bool          // it never heard of the true time
	bootMS   int64
}

// local is the plug's wall clock. Without NTP it counts from the year 2000.
func (c calendar) local(ms int64) time.Time {
	if c.unsynced {
		return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(ms-c.bootMS) * time.Millisecond)
	}
	return time.UnixMilli(ms).Add(c.offset).In(c.zone)
}

// day is the plug's date and the true instant at which that date ends.
func (c calendar) day(ms int64) (today date, end int64) {
	year, month, mday := c.local(ms).Date()
	midnight := time.Date(year, month, mday+1, 0, 0, 0, 0, c.zone).Add(-c.offset).UnixMilli()
	return date{year, int(month), mday}, max(midnight, ms+1)
}

type date struct{ year, month, day int }

// zoneIndex is the index in the plugs' table of zones for a zone's offset in whole
// hours in the northern winter; 38 is UTC, 39 London.
func zoneIndex(zone *time.Location) int64 {
	_, seconds := time.Date(2026, 1, 15, 0, 0, 0, 0, zone).Zone()
	_, summer := time.Date(2026, 7, 15, 0, 0, 0, 0, zone).Zone()
	switch seconds / 3600 {
	case 0:
		if summer > 0 {
			return 39
		}
	case -8:
		return 6
	case -6:
		return 13
	case -5:
		return 18
	case -3:
		return 28
	case 1:
		return 43
	case 2:
		return 54
	case 3:
		return 62
	case 8:
		return 84
	case 9:
		return 90
	case 10:
		return 96
	}
	return 38
}
