package api

import (
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// instant is an RFC 3339 time, or a date, which is its midnight in zone.
func (p *params) instant(name string, zone *time.Location) (at wattline.Time, given bool) {
	value, given := p.text(name)
	if !given {
		return wattline.Time{}, false
	}
	at, reason := parseInstant(value, zone)
	if reason != "" {
		p.fail(name, "%s", reason)
		return wattline.Time{}, false
	}
	return at, true
}

// parseInstant gives the reason where the text is neither a time nor a date.
func parseInstant(value string, zone *time.Location) (at wattline.Time, reason string) {
	if date, err := time.Parse(time.DateOnly, value); err == nil {
		value = wattline.At(startOfDay(date, zone)).String()
	}
	at, err := wattline.ParseTime(value)
	switch {
	case err == nil:
		return at, ""
	case isTime(value): // and lies where none can
		return at, err.Error()
	case strings.Contains(value, " "):
		return at, err.Error() + " or a date; a + in the query must be written %2B"
	}
	return at, err.Error() + ", or a date"
}

func isTime(value string) bool {
	_, err := time.Parse(time.RFC3339Nano, value)
	return err == nil
}

// period is [from, to). Without to it ends now; without from it begins at the
// midnight before its end, in zone.
func (p *params) period(zone *time.Location, now wattline.Time) (from, to wattline.Time) {
	from, fromGiven := p.instant("from", zone)
	to, toGiven := p.instant("to", zone)
	if !toGiven {
		to = now
	}
	if !fromGiven {
		from = midnightBefore(to, zone)
	}
	if len(p.faults) == 0 && !from.Before(to.Time) {
		p.fail("from", "must come before to, which is %s", to)
	}
	return from, to
}

// midnightBefore is the last start of a day of a zone's calendar that lies before
// an instant.
func midnightBefore(at wattline.Time, zone *time.Location) wattline.Time {
	return wattline.At(startOfDay(at.Add(-time.Millisecond).In(zone), zone))
}

// startOfDay is the start in zone of the day that a time shows.
func startOfDay(shows time.Time, zone *time.Location) time.Time {
	year, month, day := shows.Date()
	return wattline.StartOfDay(year, month, day, zone)
}
