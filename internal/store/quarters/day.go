package quarters

import (
	"math/bits"
	"time"
)

// The parts of a day.
const (
	PerDay   = 96
	perHour  = 4
	hours    = PerDay / perHour
	perByte  = 8
	dayMS    = int64(24 * time.Hour / time.Millisecond)
	hourMS   = int64(time.Hour / time.Millisecond)
	quartMS  = hourMS / perHour
	allInDay = PerDay / perByte
)

// Day is a UTC day: how many came before it since the Unix epoch.
type Day int32

// DayOf is the day of an instant.
func DayOf(at time.Time) Day { return dayOf(at.UnixMilli()) }

func dayOf(ms int64) Day {
	day := ms / dayMS
	if ms%dayMS < 0 {
		day--
	}
	return Day(day)
}

// Start is the day's first instant.
func (d Day) Start() time.Time { return time.UnixMilli(d.milli()).UTC() }

func (d Day) milli() int64 { return int64(d) * dayMS }

// String is the date.
func (d Day) String() string { return d.Start().Format(time.DateOnly) }

// quarterOf is which of its day's quarter-hours an instant lies in, from 0.
func quarterOf(ms int64) int { return int((ms - dayOf(ms).milli()) / quartMS) }

// Set is a set of a day's quarter-hours, numbered from 0. It is kept as it is:
// quarter-hour q is bit q%8, from the lowest, of byte q/8.
type Set [allInDay]byte

// Has tells whether a quarter-hour is in the set.
func (s Set) Has(quarter int) bool { return s[quarter/perByte]>>(quarter%perByte)&1 == 1 }

// Add puts one into the set.
func (s *Set) Add(quarter int) { s[quarter/perByte] |= 1 << (quarter % perByte) }

// Len is how many are in the set.
func (s Set) Len() int {
	n := 0
	for _, b := range s {
		n += bits.OnesCount8(b)
	}
	return n
}

// And are those that are in both.
func (s Set) And(other Set) Set {
	for i := range s {
		s[i] &= other[i]
	}
	return s
}

// Or are those that are in either.
func (s Set) Or(other Set) Set {
	for i := range s {
		s[i] |= other[i]
	}
	return s
}

// Without are those that are not in the other.
func (s Set) Without(other Set) Set {
	for i := range s {
		s[i] &^= other[i]
	}
	return s
}

// span is the first of the set's quarter-hours and the one after its last; equal
// where it is empty.
func (s Set) span() (first, end int) {
	for q := range PerDay {
		if s.Has(q) {
			if end == 0 {
				first = q
			}
			end = q + 1
		}
	}
	return first, end
}

// among counts those from one quarter-hour on and before another.
func (s Set) among(first, end int) int {
	n := 0
	for q := first; q < end; q++ {
		if s.Has(q) {
			n++
		}
	}
	return n
}
