// Package calendar knows the windows of a time zone's calendar, and what people
// mean by today or last month. All of it is pure.
package calendar

import (
	"time"

	"github.com/wattline/wattline"
)

// quarter: the offsets of all zones since 2000 are whole ones.
const quarter = 15 * time.Minute

// Next is the first start of a window after an instant.
func Next(window wattline.Window, after time.Time, zone *time.Location) time.Time {
	switch window {
	case wattline.WindowQuarter:
		return nextQuarter(after)
	case wattline.WindowHour:
		// The hour strikes where the wall clock shows a full one; clocks that move
		// by half an hour make one hour of 90 minutes.
		next := nextQuarter(after)
		for next.In(zone).Minute() != 0 {
			next = next.Add(quarter)
		}
		return next
	}
	for step := 1; ; step++ {
		// A day that the zone leaves out altogether starts where the next one does.
		if next := startOfDay(firstDay(window, after.In(zone), step), zone); next.After(after) {
			return next
		}
	}
}

// Start is the last start of a window that is not after an instant.
func Start(window wattline.Window, at time.Time, zone *time.Location) time.Time {
	switch window {
	case wattline.WindowQuarter:
		return at.Truncate(quarter)
	case wattline.WindowHour:
		start := at.Truncate(quarter)
		for start.In(zone).Minute() != 0 {
			start = start.Add(-quarter)
		}
		return start
	}
	return startOfDay(firstDay(window, at.In(zone), 0), zone)
}

func nextQuarter(after time.Time) time.Time {
	return after.Truncate(quarter).Add(quarter)
}

// date is a day of a calendar, as noon in UTC, where no clock moves.
type date time.Time

func dateOf(year int, month time.Month, day int) date {
	const noon = 12
	return date(time.Date(year, month, day, noon, 0, 0, 0, time.UTC))
}

// firstDay is the first day of the day, week, month or year that a time shows, or
// of the step-th one after it.
func firstDay(window wattline.Window, shows time.Time, step int) date {
	year, month, day := shows.Date()
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
