package wattline

import (
	"fmt"
	"strings"
)

// Relay is the position of a plug's relay. The zero value is not a position: a
// relay whose state is missing is never taken to be off.
type Relay string

// The two positions.
const (
	RelayOn  Relay = "on"
	RelayOff Relay = "off"
)

// RelayOf is RelayOn for true.
func RelayOf(on bool) Relay {
	if on {
		return RelayOn
	}
	return RelayOff
}

// Valid tells whether it is one of the two positions.
func (r Relay) Valid() bool { return r == RelayOn || r == RelayOff }

// Reading is what a device with a meter measured at one instant. (Device, Time)
// identifies it: a store takes the same reading twice without harm.
type Reading struct {
	Device string `json:"device"`
	// Time is the instant at which the plug's answer had arrived.
	Time     Time  `json:"time"`
	PowerW   Milli `json:"power_w"`
	VoltageV Milli `json:"voltage_v"`
	CurrentA Milli `json:"current_a"`
	// EnergyWh never falls: it carries the meter across its resets and fills in
	// between its steps of 1 Wh by integrating power. It is below 0 before what was
	// known when it began, in readings that were imported later.
	EnergyWh Milli `json:"energy_wh"`
	// MeterWh is the plug's own counter, which starts again at 0 when the plug
	// loses power.
	MeterWh Milli `json:"meter_wh"`
	Relay   Relay `json:"relay"`
	RSSIdBm int   `json:"rssi_dbm"`
	// CoversS is the time since the reading before, in seconds: 0 for the first
	// one and for the first after a gap of more than three polls.
	CoversS Milli `json:"covers_s"`
	// Quality flags what is doubtful; the values themselves are not changed.
	Quality Quality `json:"quality,omitempty"`
	// Stream and Seq number the reading in its collector's journal, from 1. A
	// reading of somebody else's collector may go without.
	Stream string `json:"stream,omitempty"`
	Seq    uint64 `json:"seq,omitempty"`
}

// Validate reports every fault as a CodeInvalid error.
func (r Reading) Validate() error {
	var found Faults
	found.Check("device", CheckID(r.Device))
	switch {
	case r.Time.IsZero():
		found.Add("time", "is missing")
	case !r.Time.isMeant():
		found.Check("time", errTimeRange) // nobody could read it back
	}
	if !r.Relay.Valid() {
		found.Add("relay", `must be "on" or "off"`)
	}
	if r.MeterWh < 0 {
		found.Add("meter_wh", "must not be negative")
	}
	if r.CoversS < 0 || r.CoversS > Milli(3*MaxPoll.Milliseconds()) {
		found.Add("covers_s", "must lie between 0 and %.0f", 3*MaxPoll.Seconds())
	}
	found.Check("power_w", r.PowerW.check())
	found.Check("voltage_v", r.VoltageV.check())
	found.Check("current_a", r.CurrentA.check())
	found.Check("energy_wh", r.EnergyWh.check())
	found.Check("meter_wh", r.MeterWh.check())
	if r.Quality > qualityAll {
		found.Add("quality", "must hold known doubts only")
	}
	if (r.Stream == "") != (r.Seq == 0) {
		found.Add("seq", "must come together with stream")
	}
	if r.Stream != "" {
		found.Check("stream", CheckID(r.Stream))
	}
	return found.Err()
}

// Quality is a set of doubts about a reading. Its JSON form is an array of
// names.
type Quality uint16

// The doubts.
const (
	// QualityImplausible: a value that the mains or the plug cannot have.
	QualityImplausible Quality = 1 << iota
	// QualityMeterReset: the plug's counter had fallen since the reading before.
	QualityMeterReset
	// QualityAfterGap: the energy since the reading before was used unobserved.
	QualityAfterGap
	// QualityEstimated: nobody read the plug then. The energy is that of the plug's
	// own day statistics; the power is the mean since the reading before, and the
	// other values are those of the reading before.
	QualityEstimated

	qualityAll = QualityImplausible | QualityMeterReset | QualityAfterGap | QualityEstimated
)

// qualityNames are the names of the bits, from the lowest.
func qualityNames() []string { return []string{"implausible", "meter_reset", "after_gap", "estimated"} }

// Has tells whether all of the given doubts are in the set.
func (q Quality) Has(doubts Quality) bool { return q&doubts == doubts }

// Names lists the doubts in a fixed order.
func (q Quality) Names() []string {
	names := []string{}
	for i, name := range qualityNames() {
		if q.Has(1 << i) {
			names = append(names, name)
		}
	}
	return names
}

// String is the names with a comma between them.
func (q Quality) String() string {
	if q == 0 {
		return "" // nearly always
	}
	return strings.Join(q.Names(), ",")
}

// MarshalText lets encoders that know no arrays write the names.
func (q Quality) MarshalText() ([]byte, error) { return []byte(q.String()), nil }

// MarshalJSON writes the names as an array.
func (q Quality) MarshalJSON() ([]byte, error) {
	if q == 0 {
		return []byte("[]"), nil
	}
	return []byte(`["` + strings.Join(q.Names(), `","`) + `"]`), nil
}

// UnmarshalJSON reads an array of known names; an unknown one is an error.
func (q *Quality) UnmarshalJSON(data []byte) error {
	inner, ok := strings.CutPrefix(strings.TrimSpace(string(data)), "[")
	inner, closed := strings.CutSuffix(inner, "]")
	if !ok || !closed {
		return fmt.Errorf("must be an array of %s", strings.Join(qualityNames(), ", "))
	}
	var parsed Quality
	for name := range strings.SplitSeq(inner, ",") {
		name = strings.TrimSpace(name)
		if name == "" && strings.TrimSpace(inner) == "" {
			break
		}
		bit, known := qualityBit(name)
		if !known {
			return fmt.Errorf("must be an array of %s", strings.Join(qualityNames(), ", "))
		}
		parsed |= bit
	}
	*q = parsed
	return nil
}

func qualityBit(quoted string) (Quality, bool) {
	for i, name := range qualityNames() {
		if quoted == `"`+name+`"` {
			return 1 << i, true
		}
	}
	return 0, false
}
