package wattline

import (
	"errors"
	"time"
)

// The years within which an instant is taken to be meant. Stores keep
// nanoseconds in 64 bits, and a reading far outside is a broken clock.
const (
	minYear = 2000
	maxYear = 2199
)

var (
	errTimeSyntax = errors.New("must be an RFC 3339 time such as 2026-03-29T02:30:00Z")
	errTimeRange  = errors.New("must lie between the years 2000 and 2199")
)

// Time is an instant in UTC, to the millisecond. Its JSON form is RFC 3339 with
// three decimals and a Z. Compare with Equal, Before and After.
type Time struct{ time.Time }

// At truncates an instant to the millisecond and puts it in UTC.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Millisecond)} }

// AtMilli is the instant of so many milliseconds since the Unix epoch.
func AtMilli(ms int64) Time { return Time{time.UnixMilli(ms).UTC()} }

// ParseTime reads an RFC 3339 instant in any zone and checks its year.
func ParseTime(text string) (Time, error) {
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return Time{}, errTimeSyntax
	}
	at := At(parsed)
	if err := at.Check(); err != nil {
		return Time{}, err
	}
	return at, nil
}

// Check tells why an instant cannot be meant: its year.
func (t Time) Check() error {
	if !t.isMeant() {
		return errTimeRange
	}
	return nil
}

// isMeant tells whether the year is one that is taken to be meant.
func (t Time) isMeant() bool { return t.UTC().Year() >= minYear && t.UTC().Year() <= maxYear }

// StartOfDay is the first instant at which a zone's calendar shows a day or a later
// one. Midnight itself may be left out, or come twice; time.Date does not promise
// which side of the change it gives then.
func StartOfDay(year int, month time.Month, day int, zone *time.Location) time.Time {
	const step = 15 * time.Minute // the offsets of all zones since 2000 are whole ones
	wanted := time.Date(year, month, day, 0, 0, 0, 0, time.UTC)
	reached := func(at time.Time) bool {
		y, m, d := at.In(zone).Date()
		return !time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Before(wanted)
	}
	start := time.Date(year, month, day, 0, 0, 0, 0, zone)
	for !reached(start) {
		start = start.Add(step)
	}
	for reached(start.Add(-step)) {
		start = start.Add(-step)
	}
	return start
}

// String is the wire form.
func (t Time) String() string { return string(t.Append(nil)) }

// Append appends the wire form.
func (t Time) Append(dst []byte) []byte {
	utc := t.UTC()
	dst = utc.AppendFormat(dst, time.RFC3339) // which is much faster than a layout of one's own
	ms := utc.Nanosecond() / int(time.Millisecond)
	return append(dst[:len(dst)-1], '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), 'Z')
}

// MarshalJSON writes the wire form as a JSON string.
func (t Time) MarshalJSON() ([]byte, error) {
	const longest = len(`"2006-01-02T15:04:05.000Z"`)
	text := append(make([]byte, 0, longest), '"')
	return append(t.Append(text), '"'), nil
}

// UnmarshalJSON reads a JSON string with ParseTime; null is an error.
func (t *Time) UnmarshalJSON(data []byte) error {
	if len(data) < 2 || data[0] != '"' {
		return errTimeSyntax
	}
	parsed, err := ParseTime(string(data[1 : len(data)-1]))
	if err != nil {
		return err
	}
	*t = parsed
	return nil
}
