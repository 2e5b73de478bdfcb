package influx

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"time"

	client "github.com/influxdata/influxdb-client-go/v2/api/http"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

const bytesPerLine = 192

// Write keeps the readings. See store.Store. A batch that the server takes only
// in part is taken apart until the readings that it refuses stand alone.
func (s *Store) Write(ctx context.Context, readings []wattline.Reading) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	lines := make([]line, 0, len(readings))
	var refused []store.RefusedReading
	now := time.Now()
	for i, reading := range readings {
		if reason := store.Refusal(reading, now, 0); reason != "" {
			refused = append(refused, store.RefusedReading{Index: i, Reason: reason})
			continue
		}
		lines = append(lines, line{i, appendLine(nil, reading)})
	}
	more, err := s.write(ctx, lines)
	if err != nil {
		return err
	}
	refused = append(refused, more...)
	if len(refused) == 0 {
		return nil
	}
	slices.SortFunc(refused, func(a, b store.RefusedReading) int { return a.Index - b.Index })
	return &store.RefusedError{Readings: refused}
}

// line is a reading in line protocol, and its place in the batch.
type line struct {
	index int
	text  []byte
}

// write sends lines and halves what is too much, or not wholly taken.
func (s *Store) write(ctx context.Context, lines []line) (refused []store.RefusedReading, err error) {
	if len(lines) == 0 {
		return nil, nil
	}
	err = s.send(ctx, joined(lines))
	if err == nil {
		return nil, nil
	}
	if ended := ctx.Err(); ended != nil {
		return nil, ended
	}
	what := judge(err)
	switch {
	case what != poison && what != tooMuch:
		return nil, s.classify(err)
	case len(lines) == 1:
		return []store.RefusedReading{{Index: lines[0].index, Reason: reasonOf(err)}}, nil
	}
	half := len(lines) / 2
	for _, part := range [][]line{lines[:half], lines[half:]} {
		more, err := s.write(ctx, part)
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
}

func reasonOf(err error) string {
	var known *client.Error
	if errors.As(err, &known) && known.Message != "" {
		return known.Message
	}
	return err.Error()
}

func (s *Store) send(ctx context.Context, text string) error {
	err := s.writer.WriteRecord(ctx, text)
	s.count("write", err)
	return err
}

func joined(lines []line) string {
	text := make([]byte, 0, len(lines)*bytesPerLine)
	for _, l := range lines {
		text = append(append(text, l.text...), '\n')
	}
	return string(text)
}

// appendLine writes a checked reading in line protocol. Device ids hold nothing
// that has to be escaped there.
func appendLine(to []byte, r wattline.Reading) []byte {
	to = append(append(to, measurement+",device="...), r.Device...)
	separator := byte(' ')
	field := func(name string) {
		to = append(append(append(to, separator), name...), '=')
		separator = ','
	}
	for _, quantity := range quantities(&r) {
		field(quantity.field)
		to = append(to, quantity.value.String()...)
	}
	field(fieldRelay)
	to = strconv.AppendBool(to, r.Relay == wattline.RelayOn)
	field(fieldRSSI)
	to = append(strconv.AppendInt(to, int64(r.RSSIdBm), 10), 'i')
	field(fieldQuality)
	to = append(strconv.AppendUint(to, uint64(r.Quality), 10), 'i')
	if r.CoversS == 0 {
		field(fieldGap)
		to = append(to, "1i"...)
	}
	return strconv.AppendInt(append(to, ' '), r.Time.UnixMilli(), 10)
}

const (
	measurement  = "reading"
	fieldPower   = "power_w"
	fieldVoltage = "voltage_v"
	fieldCurrent = "current_a"
	fieldEnergy  = "energy_wh"
	fieldMeter   = "meter_wh"
	fieldCovers  = "covers_s"
	fieldRelay   = "relay"
	fieldRSSI    = "rssi_dbm"
	fieldQuality = "quality"
	fieldGap     = "gap"
)

// fields are those that every point has.
func fields() []string {
	names := []string{fieldRelay, fieldRSSI, fieldQuality}
	for _, quantity := range quantities(&wattline.Reading{}) {
		names = append(names, quantity.field)
	}
	return names
}

type quantity struct {
	field string
	value *wattline.Milli
}

// quantities pairs a reading's quantities with their fields.
func quantities(r *wattline.Reading) [6]quantity {
	return [6]quantity{
		{fieldPower, &r.PowerW},
		{fieldVoltage, &r.VoltageV},
		{fieldCurrent, &r.CurrentA},
		{fieldEnergy, &r.EnergyWh},
		{fieldMeter, &r.MeterWh},
		{fieldCovers, &r.CoversS},
	}
}
