package kasa

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline"
)

// Date is a day of a plug's calendar.
type Date struct {
	Year  int
	Month time.Month
	Day   int
}

// DateOf is the date of an instant in a zone.
func DateOf(at time.Time, zone *time.Location) Date {
	year, month, day := at.In(zone).Date()
	return Date{year, month, day}
}

// Next is the day after.
func (d Date) Next() Date {
	return DateOf(time.Date(d.Year, d.Month, d.Day+1, 0, 0, 0, 0, time.UTC), time.UTC)
}

// Before tells whether it is an earlier day than another.
func (d Date) Before(other Date) bool {
	return slices.Compare([]int{d.Year, int(d.Month), d.Day}, []int{other.Year, int(other.Month), other.Day}) < 0
}

// Days are a plug's own statistics: what its meter counted on each day of its
// calendar. They outlive the loss of power that starts its counter again.
type Days struct {
	// Zone is that of the plug's calendar, and Ahead by how much its wall clock was
	// ahead of the time there: years behind, if nobody told it the time.
	Zone  *time.Location
	Ahead time.Duration
	// First is the first day that was asked for.
	First Date
	// Wh has the days of which there is a record, in steps of 1 Wh. A day from
	// First on that has none is a day on which nothing was counted.
	Wh map[Date]wattline.Milli
}

// maxMonths is how many months of statistics are asked for at most: the last.
const maxMonths = 2

// Days asks for a plug's clock and for its statistics of the days since an
// instant: one request, and one more where that lies in the month before. Every
// request waits for a turn of its own, behind commands. A plug whose clock is not
// that of its zone is asked once, for its days mean nothing.
func (c *Client) Days(ctx context.Context, target Target, since time.Time) (Days, error) {
	found := Days{Wh: map[Date]wattline.Milli{}}
	asked := monthOf(DateOf(time.Now(), time.UTC)) // the zone is not known yet
	at, err := c.askDays(ctx, target, daysQuestion{month: asked, clock: true}, &found)
	if err != nil {
		return Days{}, err
	}
	first := monthOf(DateOf(since, found.Zone))
	last := monthOf(DateOf(at, found.Zone))
	if found.First = asked; found.Ahead.Abs() > 24*time.Hour {
		return found, nil
	}
	for months := 0; months < maxMonths && !last.Before(first); months++ {
		if last != asked {
			if _, err := c.askDays(ctx, target, daysQuestion{month: last}, &found); err != nil {
				return Days{}, err
			}
		}
		found.First = last
		last = monthOf(DateOf(time.Date(last.Year, last.Month, 0, 0, 0, 0, 0, time.UTC), time.UTC))
	}
	return found, nil
}

// monthOf is the first day of a day's month.
func monthOf(day Date) Date { return Date{day.Year, day.Month, 1} }

// daysQuestion is for a month, which is its first day, and perhaps for the clock.
type daysQuestion struct {
	month Date
	clock bool
}

func (c *Client) askDays(ctx context.Context, target Target, question daysQuestion, into *Days) (at time.Time, err error) {
	err = c.turn(ctx, target, poll, func(t *turn) error {
		at, err = t.days(ctx, question, into)
		return err
	})
	return at, err
}

func (t *turn) days(ctx context.Context, question daysQuestion, into *Days) (time.Time, error) {
	if t.plug.info == nil {
		if _, err := t.identify(ctx); err != nil {
			return time.Time{}, err
		}
	}
	if info := t.plug.info; !info.HasMeter {
		return time.Time{}, unsupported("%s has no meter", info.describe())
	}
	outlet, err := t.plug.info.outlet(t.target.Outlet)
	if err != nil {
		return time.Time{}, err
	}
	t.scratch.request = appendDaysRequest(t.scratch.request[:0], outlet.id, question)
	var reply daysReply
	at, err := t.askInto(ctx, reply.decode)
	if err != nil {
		return at, err
	}
	if question.clock {
		if err := reply.readClock(at, into); err != nil {
			return at, err
		}
	}
	return at, reply.readDays(question.month, into)
}
