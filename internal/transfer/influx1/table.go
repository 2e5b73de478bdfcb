package influx1

import (
	"bytes"
	"encoding/csv"
	"slices"
	"strconv"
	"strings"
	"time"
)

// table reads what the influx shell prints with -format csv: rows under a header,
// which comes again where the columns change. Tags are columns, or all of them are
// in the one column tags where the query says GROUP BY *.
type table struct{ header []string }

// isHeader tells a header from a row: it begins with the name of a measurement.
func isHeader(line []byte) bool {
	fields, err := fieldsOf(line)
	return err == nil && fields[0] == "name" && slices.Contains(fields, "time")
}

// fieldsOf takes a line apart. (A reader for the whole file would take all that
// follows a lost quotation mark for one field.)
func fieldsOf(line []byte) ([]string, error) {
	reader := csv.NewReader(bytes.NewReader(line))
	fields, err := reader.Read()
	if err != nil {
		return nil, bad("it is no CSV")
	}
	return fields, nil
}

func (t *table) parse(line []byte) (p point, err error) {
	fields, err := fieldsOf(line)
	if err != nil {
		return p, err
	}
	if fields[0] == "name" && slices.Contains(fields, "time") {
		if t.header = fields; !slices.Contains(fields, "value") {
			t.header = nil
			return p, bad("the header has no column value")
		}
		return p, errNoPoint
	}
	if len(fields) != len(t.header) {
		return p, bad("it has %d columns and its header %d", len(fields), len(t.header))
	}
	measurement := fields[0]
	if measurement != power && measurement != status {
		return p, errOther
	}
	for i, name := range t.header {
		if err := t.column(&p, measurement, name, fields[i]); err != nil {
			return p, err
		}
	}
	return p, nil
}

func (t *table) column(p *point, measurement, name, text string) error {
	switch name {
	case "name":
	case "tags":
		for tag := range strings.SplitSeq(text, ",") {
			key, value, _ := strings.Cut(tag, "=")
			p.tag(key, value)
		}
	case "time":
		if at, err := time.Parse(time.RFC3339Nano, text); err == nil {
			return p.instant(at)
		}
		return p.nanoseconds(text)
	case "value":
		value, err := strconv.ParseFloat(text, 64)
		if err != nil {
			return bad("the value %.40q is not a number", text)
		}
		return p.measure(measurement, value)
	default:
		p.tag(name, text)
	}
	return nil
}
