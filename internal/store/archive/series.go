package archive

import (
	"fmt"
	"strings"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"

	"github.com/wattline/wattline"
)

// field is one of the series that make up a reading.
type field int

// The fields. The first three are what summaries need, the first six what they
// need with their values.
const (
	fieldEnergy field = iota
	fieldCovers
	fieldPower
	fieldVoltage
	fieldCurrent
	fieldRelay
	fieldMeter
	fieldRSSI
	fieldQuality
	fieldCount

	summaryFields = fieldPower + 1
	valueFields   = fieldRelay + 1
)

const (
	labelName   = "__name__" // where PromQL looks for it
	labelDevice = "device"
)

// name is the series' name: what it is and its unit, thousandths of which are
// kept.
func (f field) name() string {
	return [fieldCount]string{
		fieldEnergy:  "energy_mwh",
		fieldCovers:  "covers_ms",
		fieldPower:   "power_mw",
		fieldVoltage: "voltage_mv",
		fieldCurrent: "current_ma",
		fieldMeter:   "meter_mwh",
		fieldRelay:   "relay",
		fieldRSSI:    "rssi_dbm",
		fieldQuality: "quality",
	}[f]
}

// fieldNamed is the field of a series' name, or fieldCount.
func fieldNamed(name string) field {
	for f := range fieldCount {
		if f.name() == name {
			return f
		}
	}
	return fieldCount
}

// sample is a reading as the TSDB takes it.
type sample [fieldCount]float64

func sampleOf(r *wattline.Reading) sample {
	var relay float64
	if r.Relay == wattline.RelayOn {
		relay = 1
	}
	return sample{
		fieldEnergy:  float64(r.EnergyWh),
		fieldCovers:  float64(r.CoversS),
		fieldPower:   float64(r.PowerW),
		fieldVoltage: float64(r.VoltageV),
		fieldCurrent: float64(r.CurrentA),
		fieldMeter:   float64(r.MeterWh),
		fieldRelay:   relay,
		fieldRSSI:    float64(r.RSSIdBm),
		fieldQuality: float64(r.Quality),
	}
}

func (s sample) reading(device string, at int64) wattline.Reading {
	return wattline.Reading{
		Device:   device,
		Time:     wattline.AtMilli(at),
		PowerW:   wattline.Milli(s[fieldPower]),
		VoltageV: wattline.Milli(s[fieldVoltage]),
		CurrentA: wattline.Milli(s[fieldCurrent]),
		EnergyWh: wattline.Milli(s[fieldEnergy]),
		MeterWh:  wattline.Milli(s[fieldMeter]),
		Relay:    wattline.RelayOf(s[fieldRelay] == 1),
		RSSIdBm:  int(s[fieldRSSI]),
		CoversS:  wattline.Milli(s[fieldCovers]),
		Quality:  wattline.Quality(s[fieldQuality]),
	}
}

// device is what is remembered of one between writes.
type device struct {
	newest int64 // nothing of it is later
	labels [fieldCount]labels.Labels
	refs   [fieldCount]storage.SeriesRef
}

func newDevice(id string, newest int64) *device {
	d := &device{newest: newest}
	for f := range fieldCount {
		d.labels[f] = labels.FromStrings(labelName, f.name(), labelDevice, id)
	}
	return d
}

// matchers choose the series of so many of the first fields.
type matchers map[field]*labels.Matcher

func newMatchers() (matchers, error) {
	m := matchers{}
	for _, fields := range []field{summaryFields, valueFields} {
		var names []string
		for f := range fields {
			names = append(names, f.name())
		}
		matcher, err := labels.NewMatcher(labels.MatchRegexp, labelName, strings.Join(names, "|"))
		if err != nil {
			return nil, fmt.Errorf("match the series of summaries: %w", err)
		}
		m[fields] = matcher
	}
	return m, nil
}

// of chooses those of a device.
func (m matchers) of(device string, fields field) []*labels.Matcher {
	chosen := []*labels.Matcher{labels.MustNewMatcher(labels.MatchEqual, labelDevice, device)}
	if names := m[fields]; names != nil {
		chosen = append(chosen, names)
	}
	return chosen
}
