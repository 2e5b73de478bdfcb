package influx1

import (
	"bytes"
	"errors"
	"slices"

	"github.com/influxdata/line-protocol/v2/lineprotocol"
)

// protocol reads the line protocol of influx_inspect export: points, one field
// each, with comments that say of which database they are.
type protocol struct {
	// wanted is the database to read. Points before the first comment that names
	// one are taken for it: an export without headers has none.
	wanted string
	other  bool
	// others are the first of the databases that are not wanted.
	others []string
}

// maxOthers bounds how many other databases are named.
const maxOthers = 20

// begin takes the comment that names the database of the points that follow.
func (p *protocol) begin(name string) {
	p.other = name != p.wanted
	if p.other && len(p.others) < maxOthers && !slices.Contains(p.others, name) {
		p.others = append(p.others, name)
	}
}

func (p *protocol) parse(line []byte) (point, error) {
	switch {
	case line[0] == '#':
		if name, ok := bytes.CutPrefix(line, []byte("# CONTEXT-DATABASE:")); ok {
			p.begin(string(bytes.TrimSpace(name)))
		}
		return point{}, errNoPoint
	case bytes.HasPrefix(line, []byte("CREATE ")): // of the section DDL
		return point{}, errNoPoint
	case bytes.HasPrefix(line, []byte("skipped missing file")): // a point may be on the same line
		return point{}, bad("%.120q: the export lacks a file", line)
	case p.other:
		return point{}, errOther
	}
	found, err := protocolPoint(lineprotocol.NewDecoderWithBytes(line))
	if known, ok := errors.AsType[*lineprotocol.DecodeError](err); ok {
		return point{}, bad("column %d: %w", known.Column, known.Err) // its line is always 1
	}
	return found, err
}

func protocolPoint(decoder *lineprotocol.Decoder) (p point, err error) {
	if !decoder.Next() {
		return p, errNoPoint
	}
	name, err := decoder.Measurement()
	if err != nil {
		return p, err
	}
	measurement := string(name)
	if measurement != power && measurement != status {
		return p, errOther
	}
	for {
		key, value, err := decoder.NextTag()
		if err != nil {
			return p, err
		}
		if key == nil {
			break
		}
		p.tag(string(key), string(value))
	}
	if err := protocolField(decoder, measurement, &p); err != nil {
		return p, err
	}
	at, err := decoder.TimeBytes()
	if err != nil {
		return p, err
	}
	return p, p.nanoseconds(string(at))
}

// protocolField takes the field value, which must be there and alone.
func protocolField(decoder *lineprotocol.Decoder, measurement string, p *point) error {
	key, value, err := decoder.NextField()
	if err != nil {
		return err
	}
	if string(key) != "value" {
		return bad("the field is %q, not value", key)
	}
	number, ok := numberOf(value)
	if !ok {
		return bad("the value is of type %v, not a number", value.Kind())
	}
	if err := p.measure(measurement, number); err != nil {
		return err
	}
	key, _, err = decoder.NextField()
	if err == nil && key != nil {
		return bad("there is a field %q besides value", key)
	}
	return err
}

func numberOf(value lineprotocol.Value) (float64, bool) {
	switch number := value.Interface().(type) {
	case float64:
		return number, true
	case int64:
		return float64(number), true
	case uint64:
		return float64(number), true
	case bool:
		if number {
			return 1, true
		}
		return 0, true
	}
	return 0, false
}
