package influx

import (
	"context"
	"slices"
	"strconv"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// bytesPerLine is a little more than a reading takes in line protocol.
const bytesPerLine = 192

// Write keeps the readings. See store.Store. A batch that the server takes only
// in part is taken apart until the readings that it refuses stand alone.
func (s *Store) Write(ctx context.Context, readings []wattline.Reading) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	batch, refused := encode(readings, time.Now())
	more, err := s.write(ctx, batch)
	// Even a write that failed may have been taken in part.
	if unsealed := s.unseal(ctx, batch.without(more).lateDays(readings, s.clock.now())); err == nil {
		err = unsealed
	}
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

// lines are readings in line protocol.
type lines struct {
	text string
	each []line
}

// line is a reading's place in the text and in the batch.
type line struct{ index, start, end int }

// encode makes lines of the readings but those that no store takes.
func encode(readings []wattline.Reading, now time.Time) (batch lines, refused []store.RefusedReading) {
	text := make([]byte, 0, len(readings)*bytesPerLine)
	batch.each = make([]line, 0, len(readings))
	for i := range readings {
		if reason := store.Refusal(readings[i], now, 0); reason != "" {
			refused = append(refused, store.RefusedReading{Index: i, Reason: reason})
			continue
		}
		start := len(text)
		text = append(appendLine(text, &readings[i]), '\n')
		batch.each = append(batch.each, line{i, start, len(text)})
	}
	batch.text = string(text)
	return batch, refused
}

func (l lines) part(from, to int) lines { return lines{l.text, l.each[from:to]} }

// without are those that were not refused.
func (l lines) without(refused []store.RefusedReading) lines {
	if len(refused) == 0 {
		return l
	}
	gone := make(map[int]bool, len(refused))
	for _, one := range refused {
		gone[one.Index] = true
	}
	return lines{l.text, slices.DeleteFunc(slices.Clone(l.each), func(one line) bool { return gone[one.index] })}
}

func (l lines) String() string { return l.text[l.each[0].start:l.each[len(l.each)-1].end] }

// refuse names all of them, for one reason.
func (l lines) refuse(reason string) []store.RefusedReading {
	refused := make([]store.RefusedReading, len(l.each))
	for i, one := range l.each {
		refused[i] = store.RefusedReading{Index: one.index, Reason: reason}
	}
	return refused
}

// write sends lines and halves what is too much, or not wholly taken.
func (s *Store) write(ctx context.Context, batch lines) (refused []store.RefusedReading, err error) {
	n := len(batch.each)
	if n == 0 {
		return nil, nil
	}
	err = s.send(ctx, batch.String())
	if err == nil {
		return nil, nil
	}
	if ended := ctx.Err(); ended != nil {
		return nil, ended
	}
	switch what := judge(err); {
	case what == poison && (n == 1 || refusesAll(err, n)):
		return batch.refuse(reasonOf(err)), nil
	case what != poison && what != tooMuch, n == 1:
		return nil, s.classify(err)
	}
	for _, part := range []lines{batch.part(0, n/2), batch.part(n/2, n)} {
		more, err := s.write(ctx, part)
		if err != nil {
			return nil, err
		}
		refused = append(refused, more...)
	}
	return refused, nil
}

// send sends readings, and makes their bucket if it is not there.
func (s *Store) send(ctx context.Context, text string) error {
	err := s.sendTo(ctx, s.readings, text)
	if isMissing(err) {
		if err := s.makeBucket(ctx, s.options.Bucket, s.options.Retention); err != nil {
			return err
		}
		err = s.sendTo(ctx, s.readings, text)
	}
	return err
}

func (s *Store) sendTo(ctx context.Context, bucket api.WriteAPIBlocking, text string) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	err := bucket.WriteRecord(ctx, text)
	s.count("write", err)
	return err
}

// appendLine writes a checked reading in line protocol. Device ids hold nothing
// that has to be escaped there.
func appendLine(to []byte, r *wattline.Reading) []byte {
	to = append(append(to, measurement+",device="...), r.Device...)
	separator := byte(' ')
	field := func(name string) {
		to = append(append(append(to, separator), name...), '=')
		separator = ','
	}
	for _, quantity := range quantities(r) {
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
