package calendar

import (
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// span is what a word means: [start, end). An instant has no end.
type span struct{ start, end time.Time }

func instant(at time.Time) span { return span{start: at} }

var errWords = errors.New("must be an RFC 3339 time such as 2026-03-29T02:30:00Z, a date, " +
	"or one of now, -15m, -24h, -7d, -2w, -3mo, -1y, today, yesterday, this or last hour, day, week, month or year")

// parse reads a time, a date, or words. Their case does not matter, and a hyphen may
// stand for the space between two of them.
func (c Clock) parse(text string) (span, error) {
	if date, err := time.Parse(time.DateOnly, text); err == nil {
		return instant(wattline.StartOfDay(date.Year(), date.Month(), date.Day(), c.Zone)), nil
	}
	if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return instant(at), nil
	}
	text = strings.ToLower(text)
	if back, is := strings.CutPrefix(text, "-"); is {
		return c.ago(back)
	}
	switch text {
	case "now":
		return instant(c.Now), nil
	case "today":
		text = "this day"
	case "yesterday":
		text = "last day"
	}
	which, name, _ := strings.Cut(strings.Replace(text, "-", " ", 1), " ")
	window := wattline.Window(name)
	if !window.Valid() || window == wattline.WindowQuarter { // of an hour, or of a year?
		return span{}, errWords
	}
	start := Start(window, c.Now, c.Zone)
	switch which {
	case "this":
		return span{start, Next(window, c.Now, c.Zone)}, nil
	case "last":
		return span{Start(window, start.Add(-time.Millisecond), c.Zone), start}, nil
	}
	return span{}, errWords
}

// ago is so long before now. Seconds, minutes and hours are elapsed time; days and
// what is longer go by the calendar, to the same time of day.
func (c Clock) ago(text string) (span, error) {
	const most = 6 // digits: no overflow in any unit
	digits := strings.TrimRight(text, "smhdwoy")
	number, err := strconv.Atoi(digits)
	if err != nil || len(digits) > most || number < 0 || digits[0] == '+' {
		return span{}, errWords
	}
	elapsed := time.Duration(number)
	local := c.Now.In(c.Zone)
	const daysOfWeek = 7
	switch text[len(digits):] {
	case "s":
		return instant(c.Now.Add(-elapsed * time.Second)), nil
	case "m":
		return instant(c.Now.Add(-elapsed * time.Minute)), nil
	case "h":
		return instant(c.Now.Add(-elapsed * time.Hour)), nil
	case "d":
		return instant(local.AddDate(0, 0, -number)), nil
	case "w":
		return instant(local.AddDate(0, 0, -daysOfWeek*number)), nil
	case "mo":
		return instant(monthsBefore(local, number)), nil
	case "y":
		const monthsOfYear = 12
		return instant(monthsBefore(local, monthsOfYear*number)), nil
	}
	return span{}, errWords
}

// monthsBefore keeps the day of the month, or takes the last one of a month that is
// too short for it.
func monthsBefore(at time.Time, months int) time.Time {
	year, month, day := at.Date()
	lastDay := time.Time(dateOf(year, month-time.Month(months)+1, 0))
	hour, minute, second := at.Clock()
	return time.Date(lastDay.Year(), lastDay.Month(), min(day, lastDay.Day()), hour, minute, second, at.Nanosecond(), at.Location())
}
