package influx

import (
	"context"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"time"

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
	batch := s.takeLines(len(readings))
	defer s.lines.Put(batch)
	refused, err := s.encode(ctx, batch, readings)
	if err != nil {
		return err
	}
	more, err := s.write(ctx, *batch)
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
	text []byte
	each []line
}

// line is a reading's place in the batch and in the text.
type line struct{ index, start, end int32 }

// takeLines is room for so many, which may have been used before.
func (s *Store) takeLines(n int) *lines {
	used, ok := s.lines.Get().(*lines)
	if !ok || cap(used.each) < n {
		used = &lines{make([]byte, 0, n*bytesPerLine), make([]line, 0, n)}
	}
	return used
}

// encode makes lines of the readings. Before it refuses one, the server is asked for
// the time: this host's clock may have been set, or be wrong, since it last answered.
func (s *Store) encode(ctx context.Context, batch *lines, readings []wattline.Reading) ([]store.RefusedReading, error) {
	refused := batch.encode(readings, s.clock.now())
	if len(refused) == 0 {
		return nil, nil
	}
	if err := s.send(ctx, nil); err != nil {
		return nil, s.classify(err)
	}
	return batch.encode(readings, s.clock.now()), nil
}

// encode makes lines of the readings but those that no store takes.
func (l *lines) encode(readings []wattline.Reading, now time.Time) (refused []store.RefusedReading) {
	l.text, l.each = l.text[:0], l.each[:0]
	for i := range readings {
		if reason := store.Refusal(readings[i], now, 0); reason != "" {
			refused = append(refused, store.RefusedReading{Index: i, Reason: reason})
			continue
		}
		start := len(l.text)
		l.text = append(appendLine(l.text, &readings[i]), '\n')
		l.each = append(l.each, line{int32(i), int32(start), int32(len(l.text))})
	}
	return refused
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
	return lines{l.text, slices.DeleteFunc(slices.Clone(l.each), func(one line) bool { return gone[int(one.index)] })}
}

func (l lines) bytes() []byte { return l.text[l.each[0].start:l.each[len(l.each)-1].end] }

// refuse names all of them, for one reason.
func (l lines) refuse(reason string) []store.RefusedReading {
	refused := make([]store.RefusedReading, len(l.each))
	for i, one := range l.each {
		refused[i] = store.RefusedReading{Index: int(one.index), Reason: reason}
	}
	return refused
}

// write sends lines and halves what is too much, or not wholly taken.
func (s *Store) write(ctx context.Context, batch lines) (refused []store.RefusedReading, err error) {
	n := len(batch.each)
	if n == 0 {
		return nil, nil
	}
	err = s.send(ctx, batch.bytes())
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
func (s *Store) send(ctx context.Context, text []byte) error {
	err := s.sendTo(ctx, s.options.Bucket, text)
	if isMissing(err) {
		if err := s.makeBucket(ctx, s.options.Bucket, s.options.Retention); err != nil {
			return err
		}
		err = s.sendTo(ctx, s.options.Bucket, text)
	}
	return err
}

// sendTo posts lines as they are, without the copies that the client's own calls
// make. It no longer reads them when it returns.
func (s *Store) sendTo(ctx context.Context, bucket string, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, s.options.Timeout)
	defer cancel()
	to := url.Values{"org": {s.options.Org}, "bucket": {bucket}, "precision": {"ms"}}
	body := &lent{data: text}
	defer body.takeBack()
	service := s.client.HTTPService()
	failed := service.DoPostRequest(ctx, service.ServerAPIURL()+"write?"+to.Encode(), body.reader(),
		func(request *http.Request) {
			request.ContentLength = int64(len(text))
			request.GetBody = func() (io.ReadCloser, error) { return body.reader(), nil }
		},
		func(answer *http.Response) error { return answer.Body.Close() })
	var err error
	if failed != nil {
		err = failed // not the nil of its own type
	}
	s.count("write", err)
	return err
}

// appendLine writes a checked reading in line protocol. Device ids hold nothing
// that has to be escaped there.
func appendLine(to []byte, r *wattline.Reading) []byte {
	to = append(append(to, measurement+",device="...), r.Device...)
	to = r.PowerW.Append(append(to, " "+fieldPower+"="...))
	to = r.VoltageV.Append(append(to, ","+fieldVoltage+"="...))
	to = r.CurrentA.Append(append(to, ","+fieldCurrent+"="...))
	to = r.EnergyWh.Append(append(to, ","+fieldEnergy+"="...))
	to = r.MeterWh.Append(append(to, ","+fieldMeter+"="...))
	to = r.CoversS.Append(append(to, ","+fieldCovers+"="...))
	to = strconv.AppendBool(append(to, ","+fieldRelay+"="...), r.Relay == wattline.RelayOn)
	to = strconv.AppendInt(append(to, ","+fieldRSSI+"="...), int64(r.RSSIdBm), 10)
	to = strconv.AppendUint(append(to, "i,"+fieldQuality+"="...), uint64(r.Quality), 10)
	if r.CoversS == 0 {
		to = append(to, "i,"+fieldGap+"=1"...)
	}
	return strconv.AppendInt(append(to, "i "...), r.Time.UnixMilli(), 10)
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
