package compat

import (
	"encoding/json"
	"math"
	"net/http"
	"strconv"

	"github.com/wattline/wattline"
)

const perHour = 3600

// aggregate answers with an operation's one value over all that is chosen, or with the
// points that it picks.
func (l *Layer) aggregate(w http.ResponseWriter, r *http.Request, q question) error {
	asked := q.operation
	counted := q.measurement == "status" && overPositions(asked)
	if counted {
		asked = wattline.OpDistinct
	}
	q.query.Set("field", map[string]string{"power": "power", "status": "relay"}[q.measurement])
	q.query.Set("op", string(asked))
	q.query.Set("group_by", "all")
	if q.p != "" && !counted {
		q.query.Set("p", q.p)
	}
	if q.n != "" && !counted {
		q.query.Set("n", q.n)
	}
	a := l.ask(r, inner{method: http.MethodGet, path: "/api/v1/aggregate", query: q.query})
	if a.status != http.StatusOK {
		a.pass(w)
		return nil
	}
	var page struct{ Rows []wattline.Aggregate }
	if err := json.Unmarshal(a.body.Bytes(), &page); err != nil {
		return err
	}
	text := q.head()
	for _, row := range page.Rows {
		if counted {
			value, err := q.ofPositions(row)
			if err != nil {
				return err
			}
			row = wattline.Aggregate{Start: row.Start, Value: value}
		}
		text = q.append(text, row)
	}
	w.Header().Set("Content-Type", jsonType)
	_, _ = w.Write(append(text, "]\n"...)) // a client that has gone is not our error
	return nil
}

// append appends a row's records.
func (q question) append(text []byte, row wattline.Aggregate) []byte {
	for _, value := range row.Values {
		at := row.Start
		if value.Time != nil {
			at = *value.Time
		}
		text = q.record(text, value.Device, at, value.Value.Append(nil))
	}
	if row.Value == nil || len(row.Values) > 0 {
		return text
	}
	number := *row.Value
	if q.operation == wattline.OpIntegral { // of hours here, of seconds there
		number *= perHour
	}
	return q.record(text, q.id, row.Start, strconv.AppendFloat(nil, number, 'g', -1, 64))
}

// overPositions tells whether an operation of a relay's positions follows from how many
// readings have each.
func overPositions(op wattline.Op) bool {
	switch op {
	case wattline.OpSum, wattline.OpMin, wattline.OpMax, wattline.OpSpread, wattline.OpMedian, wattline.OpStddev, wattline.OpPercentile:
		return true
	}
	return false
}

// ofPositions makes such an operation of the numbers of readings that are on and off.
func (q question) ofPositions(row wattline.Aggregate) (*float64, error) {
	var on, all float64
	for _, position := range row.Values {
		all += float64(position.Count)
		if position.Value != 0 {
			on += float64(position.Count)
		}
	}
	if all == 0 {
		return nil, nil
	}
	off := all - on
	positive := func(yes bool) float64 {
		if yes {
			return 1
		}
		return 0
	}
	least, greatest := positive(off == 0), positive(on > 0)
	var value float64
	switch q.operation {
	case wattline.OpSum:
		value = on
	case wattline.OpMin:
		value = least
	case wattline.OpMax:
		value = greatest
	case wattline.OpSpread:
		value = greatest - least
	case wattline.OpMedian:
		value = (positive(on >= off) + positive(on > off)) / 2
	case wattline.OpStddev:
		if all == 1 {
			return nil, nil
		}
		value = math.Sqrt(on * off / all / (all - 1))
	case wattline.OpPercentile:
		percent, err := strconv.ParseFloat(q.p, 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return nil, invalid("p", "must be given and lie between 0 and 100")
		}
		value = positive(off < max(1, math.Ceil(percent/100*all)))
	}
	return &value, nil
}
