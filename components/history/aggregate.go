package history

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// cell takes what an operation needs of a row's readings, and says what it makes
// of them.
type cell interface {
	result(row *wattline.Aggregate)
}

// aggregate answers with one operation's results per window and group.
func (h *History) aggregate(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.AggregateQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	operation := query.Operation()
	whole, row, err := gridOf(question{
		query.Groups, query.From, query.To, query.Window, query.Timezone, query.Cursor, query.After, query.Limit,
	}, operation.Faults())
	if err != nil {
		return nil, err
	}
	if row == whole.rows() {
		return wattline.AggregatePage{Rows: []wattline.Aggregate{}}, nil
	}
	if operation.Op == wattline.OpDistinct && operation.N == 0 {
		operation.N = defaultDistinct
	}
	page := summarizable(whole.page(row, limitOf(query.Limit)), rowBytes+valueBytes*operation.N)
	var cells []cell
	if summarized(operation) {
		cells, err = h.aggregateSummaries(ctx, page, operation)
	} else {
		page, cells, err = h.aggregateReadings(ctx, part{whole: whole, page: page, first: row == 0}, operation)
	}
	if err != nil {
		return nil, err
	}
	answer := wattline.AggregatePage{Rows: make([]wattline.Aggregate, len(cells)), Next: whole.next(row, page)}
	for i, c := range cells {
		window := page.window(i / len(page.groups))
		answer.Rows[i] = wattline.Aggregate{
			Group: page.groups[i%len(page.groups)].Name, Start: wattline.At(window.start), End: wattline.At(window.end),
		}
		c.result(&answer.Rows[i])
	}
	return answer, nil
}

const (
	defaultDistinct = 100
	valueBytes      = 160 // one of a row's values in JSON
)

// summarized tells whether summaries hold all that an operation needs. The others
// look at every reading.
func summarized(o wattline.Operation) bool {
	switch o.Op {
	case wattline.OpCount, wattline.OpIntegral, wattline.OpMean, wattline.OpSum, wattline.OpMin, wattline.OpMax, wattline.OpSpread:
		return true
	case wattline.OpFirst, wattline.OpLast:
		return o.Field != wattline.FieldRelay
	}
	return false
}

func (h *History) aggregateSummaries(ctx context.Context, page grid, operation wattline.Operation) ([]cell, error) {
	sums := make([]summed, page.rows())
	cells := make([]cell, len(sums))
	for i := range sums {
		sums[i].operation = operation
		cells[i] = &sums[i]
	}
	err := h.summaries(ctx, page, true, func(row int, device string, w *wattline.Summary, u use) { sums[row].add(device, w, u) })
	return cells, err
}

// aggregateReadings shrinks the page to what may be read for it.
func (h *History) aggregateReadings(ctx context.Context, of part, operation wattline.Operation) (grid, []cell, error) {
	select {
	case h.raw <- struct{}{}:
		defer func() { <-h.raw }()
	default:
		return grid{}, nil, wattline.Errorf(wattline.CodeBusy,
			"%s has to look at every reading, and %d such questions are being answered: ask again in some seconds; %s do not have to wait",
			operation.Op, cap(h.raw), cheap(operation.Field))
	}
	page, err := h.affordable(ctx, of, operation)
	if err != nil {
		return grid{}, nil, err
	}
	owed, err := h.counted(ctx, page)
	if err != nil {
		return grid{}, nil, err
	}
	cells := make([]cell, page.rows())
	takers := make([]interface{ take(valued) }, len(cells))
	for i := range cells {
		if ranking, ok := rankingOf(operation); ok {
			r := &ranked{ranking: ranking, operation: operation}
			cells[i], takers[i] = r, r
		} else {
			l := &listed{operation: operation}
			cells[i], takers[i] = l, l
		}
	}
	taken := 0
	err = h.eachReading(ctx, page.widened(), func(rows []int, r wattline.Reading) error {
		v := valued{value: operation.Field.Of(r), at: r.Time, device: r.Device}
		asked := page.holds(r.Time.Time)
		for _, row := range rows {
			owed[row]--
			if asked {
				takers[row].take(v)
			}
		}
		if taken += len(rows); taken > worstEstimate*h.maxReadings {
			return tooMany(operation, "more than %d readings were found, and %d are the most", taken, h.maxReadings)
		}
		return nil
	})
	if err != nil {
		return grid{}, nil, err
	}
	if row := slices.IndexFunc(owed, func(n int64) bool { return n > 0 }); row >= 0 {
		return grid{}, nil, h.refuseGone(ctx, gone{whole: of.whole, page: page, row: row, readings: owed[row]}, operation)
	}
	return page, cells, nil
}

// valued is a reading's value of the field.
type valued struct {
	value  wattline.Milli
	at     wattline.Time
	device string
}

// number is a value in the field's unit.
func number(m wattline.Milli) *float64 { return new(m.Float()) }

// cheap names the operations of a field that take any number of readings.
func cheap(field wattline.Field) string {
	var names []string
	for _, op := range wattline.Ops() {
		if op.Takes(field) && summarized(wattline.Operation{Field: field, Op: op}) {
			names = append(names, string(op))
		}
	}
	return strings.Join(names, ", ")
}
