package influx1

import (
	"strconv"
	"time"

	"github.com/wattline/wattline"
)

// The measurements.
const (
	power  = "power"
	status = "status"
)

// point is a value of one of the two measurements.
type point struct {
	id, kind, row, column string
	at                    wattline.Time
	// Of the two that a reading takes one is there.
	power *wattline.Milli
	relay wattline.Relay
}

// tag takes a tag that is known; others are let pass.
func (p *point) tag(name, value string) {
	switch name {
	case "id":
		p.id = value
	case "type":
		p.kind = value
	case "row":
		p.row = value
	case "column":
		p.column = value
	}
}

// measure takes the value of a measurement.
func (p *point) measure(measurement string, value float64) error {
	if measurement == status {
		if value != 0 && value != 1 {
			return bad("the status is %v, neither 0 nor 1", value)
		}
		p.relay = wattline.RelayOf(value == 1)
		return nil
	}
	watts, err := wattline.MilliOf(value)
	if err != nil {
		return bad("the power %w", err)
	}
	p.power = &watts
	return nil
}

// instant takes the time.
func (p *point) instant(at time.Time) error {
	if year := at.UTC().Year(); year < 2000 || year > 2199 {
		return bad("the time lies outside the years 2000 to 2199; it must be RFC 3339 or in nanoseconds")
	}
	p.at = wattline.At(at)
	return nil
}

// nanoseconds takes the time as a count since 1970.
func (p *point) nanoseconds(text string) error {
	ns, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return bad("the time %.40q is neither RFC 3339 nor in nanoseconds", text)
	}
	return p.instant(time.Unix(0, ns))
}
