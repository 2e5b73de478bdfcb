package quarters

import (
	"fmt"

	"github.com/wattline/wattline"
)

// Record is what is kept of a device's UTC day.
type Record struct {
	Device string
	Day    Day
	// Sealed are those of Quarters that say what the readings say. The others are of
	// readings that there were, though there may be more.
	Sealed Set
	// Quarters are complete summaries, with Values.
	Quarters [PerDay]wattline.Summary
}

// Pack makes the kept form of a record, all of its levels.
func (r *Record) Pack() Packed {
	var byHour [hours]wattline.Summary
	var day [1]wattline.Summary
	for q, summary := range r.Quarters {
		byHour[q/perHour] = byHour[q/perHour].Merge(summary)
	}
	for _, summary := range byHour {
		day[0] = day[0].Merge(summary)
	}
	return Packed{
		Device: r.Device, Day: r.Day, Sealed: r.Sealed,
		DayLevel:     encode(day[:], r.Day.milli()),
		HourLevel:    encode(byHour[:], r.Day.milli()),
		QuarterLevel: encode(r.Quarters[:], r.Day.milli()),
	}
}

// Unpack is the record of a Packed with its QuarterLevel. Bytes that Pack did not
// make are an error.
func Unpack(p *Packed) (*Record, error) {
	r := &Record{Device: p.Device, Day: p.Day, Sealed: p.Sealed}
	if err := decode(r.Quarters[:], p.QuarterLevel, part{start: p.Day.milli(), values: true}); err != nil {
		return nil, fmt.Errorf("record of %s on %v: %w", p.Device, p.Day, err)
	}
	return r, nil
}

// level is the bytes of a level and how many summaries they hold.
func (p *Packed) level(level Level) (data []byte, cells int) {
	switch level {
	case Days:
		return p.DayLevel, 1
	case Hours:
		return p.HourLevel, hours
	case Quarters:
		return p.QuarterLevel, PerDay
	}
	return nil, 0
}
