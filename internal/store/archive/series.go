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

// The fields. The first three are what summaries need.
const (
	fieldEnergy field = iota
	fieldCovers
	fieldPower
	fieldVoltage
	fieldCurrent
	fieldMeter
	fieldRelay
	fieldRSSI
	fieldQuality
	fieldCount

	summaryFields = fieldPower + 1
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

func sampleOf(r wattline.Reading) sample {
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

// matchers choose the series of a question.
type matchers struct{ summary *labels.Matcher }

func newMatchers() (matchers, error) {
	var names []string
	for f := range summaryFields {
		names = append(names, f.name())
	}
	summary, err := labels.NewMatcher(labels.MatchRegexp, labelName, strings.Join(names, "|"))
	if err != nil {
		return matchers{}, fmt.Errorf("match the series of summaries: %w", err)
	}
	return matchers{summary: summary}, nil
}

// of chooses the first so many fields of a device.
func (m matchers) of(device string, fields field) []*labels.Matcher {
	one := labels.MustNewMatcher(labels.MatchEqual, labelDevice, device)
	if fields == summaryFields {
		return []*labels.Matcher{one, m.summary}
	}
	return []*labels.Matcher{one}
}
