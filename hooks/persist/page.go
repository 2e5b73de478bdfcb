package persist

import (
	"errors"
	"fmt"

	"github.com/wattline/wattline"
)

// question is a range of numbers that a collector is asked for.
type question struct {
	stream   string
	instance string
	from, to uint64
}

// answerOf is a page, judged: the readings for the store, those that can never
// be stored, and how far the question is answered.
type answerOf struct {
	question
	readings []wattline.Reading
	refused  []refusal
	// through is the last number that the page speaks about; 0 if it says that
	// there is nothing from question.from on.
	through uint64
	// last is the newest number that the collector has given.
	last uint64
}

type refusal struct {
	reading wattline.Reading
	reason  string
}

var errNothingGiven = errors.New("the page is empty, though it says that there are readings")

// judge checks a page against the question. Numbers between question.from and
// through that are not in it are nowhere any more. An error says that the page
// cannot be believed.
func judge(q question, page wattline.ReplayPage) (answerOf, error) {
	a := answerOf{question: q, last: page.Last}
	switch {
	case page.Stream != q.stream:
		return a, fmt.Errorf("the page is of stream %.80q, not %s", page.Stream, q.stream)
	case page.Last > maxSeq || page.First == 0 || page.First > page.Last+1:
		return a, fmt.Errorf("the page says that %d to %d are held", page.First, page.Last)
	}
	next := q.from
	for _, r := range page.Readings {
		if r.Stream != q.stream || r.Seq < next || r.Seq > page.Last {
			return a, fmt.Errorf("the page has reading %d of stream %.80q where %d or later of %s belongs",
				r.Seq, r.Stream, next, q.stream)
		}
		next = r.Seq + 1
		if r.Seq > q.to {
			break
		}
		a.through = r.Seq
		if err := r.Validate(); err != nil {
			a.refused = append(a.refused, refusal{reading: r, reason: err.Error()})
			continue
		}
		a.readings = append(a.readings, r)
	}
	switch {
	case a.through != 0:
	// What is no longer held may reach far beyond what was asked for.
	case len(page.Readings) > 0:
		a.through = page.Readings[0].Seq - 1
	case page.First > q.from:
		a.through = page.First - 1
	case q.from <= page.Last:
		return a, errNothingGiven
	}
	return a, nil
}
