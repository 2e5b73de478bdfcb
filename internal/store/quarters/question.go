package quarters

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// oldest is before every reading: stores take none from before the year 2000.
const oldest = 946_684_800_000

// question is a SummaryQuery in whole milliseconds, and which records it needs.
type question struct {
	store.SummaryQuery
	from, to, latest int64 // latest is up to where Series.After is looked for
	every            int64
	level            Level
	first, last      Day // of the records
}

// newQuestion reads the records as coarsely as the spans allow.
func newQuestion(query store.SummaryQuery) question {
	q := question{SummaryQuery: query, from: ceilMilli(query.From), to: ceilMilli(query.To), every: query.Every.Milliseconds()}
	q.latest = q.to + store.AfterWithin.Milliseconds()
	switch {
	case q.every%dayMS == 0:
		q.level = Days
	case q.every%hourMS == 0:
		q.level = Hours
	default:
		q.level = Quarters
	}
	// The day of the instant before, where the last reading before the range mostly
	// is.
	q.first, q.last = dayOf(q.from-1), dayOf(q.latest-1)
	return q
}

// further looks for the last reading before a question's records, so many days
// back: a question without spans.
func (q question) further(days Day) question {
	edge := q.first.milli()
	q.from, q.to, q.latest = edge, edge, edge
	q.level, q.Values = Days, false
	q.first, q.last = max(q.first-days, dayOf(oldest)), q.first-1
	return q
}

// fine are the days that are better read by quarter-hours from the start: those
// in which the range begins or ends within a part, and the last one, which is
// mostly today and half sealed.
func (q question) fine() []Day {
	var days []Day
	width := q.width()
	if q.level == Quarters || q.from == q.latest {
		return nil
	}
	if q.from%width != 0 {
		days = append(days, dayOf(q.from))
	}
	if last := dayOf(q.to); (q.to%width != 0 || q.level == Days) && (days == nil || days[0] != last) {
		days = append(days, last)
	}
	return days
}

// width is how long a part of the question's level is.
func (q question) width() int64 {
	switch q.level {
	case Days:
		return dayMS
	case Hours:
		return hourMS
	}
	return quartMS
}

// start is where the span that holds an instant of the range begins.
func (q question) start(ms int64) int64 { return max(q.from, ms-ms%q.every) }

// startTime is a start as the answer has it.
func (q question) startTime(start int64) time.Time {
	if start == q.from {
		return q.From.UTC()
	}
	return time.UnixMilli(start).UTC()
}

// ceilMilli is the first whole millisecond that is not before an instant.
func ceilMilli(at time.Time) int64 {
	ms := at.UnixMilli()
	if at.After(time.UnixMilli(ms)) {
		ms++
	}
	return ms
}

func pointAt(p *wattline.Point) int64 { return p.Time.UnixMilli() }
