package calendar

import (
	"time"

	"github.com/wattline/wattline"
)

// Clock is what relative times are relative to.
type Clock struct {
	Now  time.Time
	Zone *time.Location
}

// Instant is what a text means as one instant: an RFC 3339 time, a date for its first
// instant in the zone, so long ago (-24h), or words (last month) for the first instant
// of what they name.
func (c Clock) Instant(text string) (wattline.Time, error) {
	found, err := c.parse(text)
	if err != nil {
		return wattline.Time{}, err
	}
	return meant(found.start)
}

// Period is [From, To).
type Period struct{ From, To wattline.Time }

// Period is what from and to mean, each empty where it is not given. Where from is
// a word for a stretch, such as last month, and there is no to, it is the whole of
// it as far as it has passed. Without to it ends now otherwise; without from it
// begins at the midnight before its end. The faults are those of from and to.
func (c Clock) Period(from, to string) (p Period, faults wattline.Faults) {
	first, err := c.optional(from)
	faults.Check("from", err)
	last, err := c.optional(to)
	faults.Check("to", err)
	if len(faults) > 0 {
		return p, faults
	}
	end := last.start
	if to == "" {
		end = c.Now
		if !first.end.IsZero() && first.end.Before(end) {
			end = first.end
		}
	}
	start := first.start
	if from == "" {
		start = Start(wattline.WindowDay, end.Add(-time.Millisecond), c.Zone)
	}
	p = Period{wattline.At(start), wattline.At(end)}
	if !p.From.Before(p.To.Time) {
		faults.Add("from", "must come before to, which is %s", p.To)
	}
	return p, faults
}

func (c Clock) optional(text string) (span, error) {
	if text == "" {
		return span{}, nil
	}
	found, err := c.parse(text)
	if err == nil {
		_, err = meant(found.start)
	}
	return found, err
}

// meant refuses what lies where no time of ours can.
func meant(at time.Time) (wattline.Time, error) {
	checked := wattline.At(at)
	return checked, checked.Check()
}
