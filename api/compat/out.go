package compat

import (
	"fmt"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/wattline/wattline"
)

// Out answers a question: GET /api/out/ and the path, influx_query/sp/power or
// influx_query/sp/status. An error is one of the request; nothing is written then.
func (l *Layer) Out(w http.ResponseWriter, r *http.Request, path string) error {
	measurement, is := strings.CutPrefix(strings.Trim(path, "/"), "influx_query/sp/")
	if !is || measurement != "power" && measurement != "status" {
		return wattline.Errorf(wattline.CodeNotFound, "there is nothing at this path: it is influx_query/sp/power or influx_query/sp/status")
	}
	asked, err := readQuestion(r.URL.RawQuery, measurement)
	if err != nil {
		return err
	}
	if asked.operation == "" {
		return l.readings(w, r, asked)
	}
	return l.aggregate(w, r, asked)
}

// question is an older one.
type question struct {
	measurement string
	operation   wattline.Op
	id          string
	// query is what the API is asked: selection and period.
	query url.Values
	// p and n are of operations that need them.
	p, n string
}

// readQuestion reads the parameters. An empty one is not given.
func readQuestion(raw, measurement string) (q question, err error) {
	given, err := url.ParseQuery(raw)
	if err != nil {
		return q, invalid("query", "must be name=value pairs with & between them, special characters written as %XX")
	}
	q = question{measurement: measurement, query: url.Values{"from": {"2000-01-01T00:00:00Z"}, "to": {"now"}}}
	for name, values := range given {
		if len(values) > 1 {
			return q, invalid(name, "is given more than once")
		}
		if values[0] == "" {
			continue
		}
		if err := q.take(name, values[0]); err != nil {
			return q, err
		}
	}
	if q.id != "" && (q.query.Has("row") || q.query.Has("column")) {
		return q, invalid("id", "does not go with row or column")
	}
	return q, nil
}

func (q *question) take(name, value string) error {
	switch name {
	case "operation":
		q.operation = wattline.Op(strings.ToLower(value))
		if !slices.Contains(wattline.Ops(), q.operation) {
			return invalid(name, "must be one of "+strings.Trim(fmt.Sprint(wattline.Ops()), "[]"))
		}
	case "id":
		q.id = value
		q.query.Set("device", value)
	case "type", "row", "column":
		q.query.Set(name, value)
	case "p":
		q.p = value
	case "n":
		q.n = value
	case "from", "to":
		at, err := instant(value)
		if err != nil {
			return invalid(name, err.Error())
		}
		q.query.Set(name, at.String())
	default:
		const longest = 80
		return invalid(name[:min(len(name), longest)], "is not a parameter: they are operation, id, type, row, column, from, to, p and n")
	}
	return nil
}

// instant is seconds since 1970, with decimals, or RFC 3339.
func instant(value string) (wattline.Time, error) {
	if seconds, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(seconds) && math.Abs(seconds) < 1e12 {
		at := wattline.AtMilli(int64(math.Round(seconds * 1000)))
		return at, at.Check()
	}
	return wattline.ParseTime(value)
}

// record appends one of SenML: the name after power or status, the time, and the value.
func (q question) record(text []byte, device string, at wattline.Time, value []byte) []byte {
	text = append(text, ",\n{"...)
	if device != "" {
		text = append(append(append(text, `"n":"/`...), device...), `",`...)
	}
	if unit := q.unit(); unit != "" {
		text = append(append(append(text, `"u":"`...), unit...), `",`...)
	}
	text = wattline.Milli(at.UnixMilli()).Append(append(text, `"t":`...))
	text = append(append(text, `,"v":`...), value...)
	return append(text, '}')
}

// unit is that of the values.
func (q question) unit() string {
	switch {
	case q.operation == wattline.OpCount:
		return "count"
	case q.operation == wattline.OpIntegral && q.measurement == "power":
		return "J"
	case q.operation == wattline.OpIntegral:
		return "s"
	case q.measurement == "power":
		return "W"
	}
	return ""
}

// head begins the pack.
func (q question) head() []byte { return []byte(`[{"bn":"` + q.measurement + `"}`) }
