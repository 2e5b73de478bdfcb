package history

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// edges cuts [from, to) at the starts of the calendar's windows, nowhere if no
// window is given: the first edge
// is from, the last one to, and each is later than the one before. Every instant
// of the range lies in exactly one window, whatever the zone's clocks do. At
// most limit+1 edges are made; more says that the range has more windows.
func edges(window wattline.Window, from, to time.Time, zone *time.Location, limit int) (cuts []time.Time, more bool) {
	cuts = []time.Time{from.UTC()}
	if window == "" {
		return append(cuts, to.UTC()), false
	}
	for next := nextStart(window, from, zone); next.Before(to); next = nextStart(window, next, zone) {
		if len(cuts) > limit-1 {
			return nil, true
		}
		cuts = append(cuts, next.UTC())
	}
	return append(cuts, to.UTC()), false
}

// nextStart is the first start of a window after an instant.
func nextStart(window wattline.Window, after time.Time, zone *time.Location) time.Time {
	switch window {
	case wattline.WindowQuarter:
		return nextQuarter(after)
	case wattline.WindowHour:
		// The hour strikes where the wall clock shows a full one; clocks that move
		// by half an hour make one hour of 90 minutes.
		next := nextQuarter(after)
		for next.In(zone).Minute() != 0 {
			next = next.Add(store.QuarterHour)
		}
		return next
	}
	year, month, day := after.In(zone).Date()
	for step := 1; ; step++ {
		// A day that the zone leaves out altogether starts where the next one does.
		if next := startOfDay(dayAfter(window, year, month, day, step), zone); next.After(after) {
			return next
		}
	}
}

// nextQuarter: the offsets of all zones since 2000 are whole quarter-hours.
func nextQuarter(after time.Time) time.Time {
	return after.Truncate(store.QuarterHour).Add(store.QuarterHour)
}

// date is a day of a calendar, as noon in UTC, where no clock moves.
type date time.Time

func dateOf(year int, month time.Month, day int) date {
	const noon = 12
	return date(time.Date(year, month, day, noon, 0, 0, 0, time.UTC))
}

// dayAfter is the first day of the step-th next day, week, month or year.
func dayAfter(window wattline.Window, year int, month time.Month, day, step int) date {
	switch window {
	case wattline.WindowWeek: // ISO 8601: weeks begin on Monday
		const daysOfWeek = 7
		sinceMonday := (int(time.Time(dateOf(year, month, day)).Weekday()) + daysOfWeek - 1) % daysOfWeek
		return dateOf(year, month, day-sinceMonday+daysOfWeek*step)
	case wattline.WindowMonth:
		return dateOf(year, month+time.Month(step), 1)
	case wattline.WindowYear:
		return dateOf(year+step, time.January, 1)
	}
	return dateOf(year, month, day+step)
}

func startOfDay(day date, zone *time.Location) time.Time {
	year, month, dayOfMonth := time.Time(day).Date()
	return wattline.StartOfDay(year, month, dayOfMonth, zone)
}

// every is the longest span, among a few, that is cut at all inner edges.
func every(cuts []time.Time) time.Duration {
	const day = 24 * time.Hour
	for _, span := range []time.Duration{day, day / 4, time.Hour} {
		fits := true
		for _, cut := range cuts[1 : len(cuts)-1] {
			fits = fits && cut.Unix()%int64(span.Seconds()) == 0
		}
		if fits {
			return span
		}
	}
	return store.QuarterHour
}
