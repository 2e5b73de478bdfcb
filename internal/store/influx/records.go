package influx

import (
	"context"
	"encoding/base64"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/influxdata/influxdb-client-go/v2/api/query"

	"github.com/wattline/wattline/internal/store/quarters"
)

// The records lie in a bucket of their own, a point of the measurement "day" for
// each device and UTC day, at its start. Each level is a field, because a query
// for days should not carry the quarter-hours:
//
//	sealed    MARK SET
//	days      MARK SET LEVEL
//	hours     MARK SET LEVEL
//	quarters  MARK SET LEVEL
//	mark      MARK, of the last late reading; not there if none was late
//
// SET is the set of the sealed quarter-hours, LEVEL their summaries, both in
// base64. MARK is the mark that was there before the readings were read. A field
// counts only while its mark is that of the field mark: whoever writes a late
// reading, in whatever process, puts a new mark after it, and that un-seals the
// day. Each field speaks for itself, so one that is read while others are being
// written is not wrong.
const (
	recordMeasurement = "day"
	fieldSealed       = "sealed"
	fieldDays         = "days"
	fieldHours        = "hours"
	fieldQuarters     = "quarters"
	fieldMark         = "mark"

	sinceMeasurement = "since"
	fieldSince       = "day" // a number, as quarters.Day
)

// recordsAtOnce bounds the records of one request, so that it ends in time.
const recordsAtOnce = 100_000

// deviceDay names a record.
type deviceDay struct {
	device string
	day    quarters.Day
}

// records keeps the quarter-hours. See quarters.Kept.
//
// It does for a quarters.Keeper that seals what a mark in quarters.Packed would:
// such a Keeper reads a record by quarter-hours, then the readings, then puts the
// record, and holds the device meanwhile. So the marks of the last such Records
// are those to put. A Keeper that only answers questions needs none.
type records struct {
	*Store

	mu    sync.Mutex
	marks map[deviceDay]string // nil for a Keeper that does not seal
}

var _ quarters.Kept = (*records)(nil)

func levelField(level quarters.Level) string {
	return map[quarters.Level]string{
		quarters.SealedOnly: fieldSealed, quarters.Days: fieldDays, quarters.Hours: fieldHours, quarters.Quarters: fieldQuarters,
	}[level]
}

// Records reads the marks, of which there are few, and then the records as they
// come, so that one is looked at while the server makes the next.
func (r *records) Records(ctx context.Context, q quarters.Query, visit func(*quarters.Packed) error) error {
	days := int(q.To-q.From) + 1
	for devices := range slices.Chunk(q.Devices, max(1, min(devicesAtOnce, recordsAtOnce/days))) {
		part := q
		part.Devices = devices
		err := r.records(ctx, part, visit)
		if err != nil && !isMissing(err) { // nothing was ever sealed
			return err
		}
	}
	return nil
}

func (r *records) records(ctx context.Context, q quarters.Query, visit func(*quarters.Packed) error) error {
	within := source{r.options.Quarters, recordMeasurement, q.Devices, q.From.Start(), (q.To + 1).Start()}
	marks := map[deviceDay]string{}
	err := r.query(ctx, within.fields(fieldMark)+kept, func(record *query.FluxRecord) error {
		marks[dayOf(record)], _ = record.Value().(string)
		return nil
	})
	if err != nil {
		return err
	}
	if r.marks != nil && q.Level == quarters.Quarters {
		r.remember(q, marks)
	}
	return r.query(ctx, within.fields(levelField(q.Level))+kept, func(record *query.FluxRecord) error {
		name := dayOf(record)
		text, _ := record.Value().(string)
		return visit(unpack(name, text, q.Level, marks[name]))
	})
}

// dayOf is which record a row of an answer belongs to.
func dayOf(record *query.FluxRecord) deviceDay {
	device, _ := record.ValueByKey("device").(string)
	return deviceDay{device, quarters.DayOf(record.Time())}
}

func (r *records) remember(q quarters.Query, marks map[deviceDay]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, device := range q.Devices {
		for day := q.From; day <= q.To; day++ {
			one := deviceDay{device, day}
			delete(r.marks, one)
			if mark := marks[one]; mark != "" {
				r.marks[one] = mark
			}
		}
	}
}

// unpack reads a field of a record that has a mark now. What Wattline did not
// write has nothing sealed, and no level that could be read.
func unpack(name deviceDay, text string, level quarters.Level, mark string) *quarters.Packed {
	one := &quarters.Packed{Device: name.device, Day: name.day}
	sealedWith, rest, _ := strings.Cut(text, " ")
	set, packed, _ := strings.Cut(rest, " ")
	sealed, err := base64.StdEncoding.DecodeString(set)
	if err != nil || len(sealed) != len(one.Sealed) {
		return one
	}
	data, err := base64.StdEncoding.DecodeString(packed)
	if err != nil {
		return one
	}
	if sealedWith == mark {
		one.Sealed = quarters.Set(sealed)
	}
	switch level {
	case quarters.Days:
		one.DayLevel = data
	case quarters.Hours:
		one.HourLevel = data
	case quarters.Quarters:
		one.QuarterLevel = data
	case quarters.SealedOnly:
	}
	return one
}

// Put keeps records. One without levels is un-sealed as a whole.
func (r *records) Put(ctx context.Context, all []quarters.Packed) error {
	var text strings.Builder
	fresh := newMark()
	r.mu.Lock()
	for _, one := range all {
		if one.QuarterLevel == nil {
			writeMark(&text, deviceDay{one.Device, one.Day}, fresh)
			continue
		}
		name := deviceDay{one.Device, one.Day}
		head := r.marks[name] + " " + base64.StdEncoding.EncodeToString(one.Sealed[:])
		delete(r.marks, name)
		fmt.Fprintf(&text, "%s,device=%s %s=\"%s\"", recordMeasurement, one.Device, fieldSealed, head)
		for _, level := range []struct {
			field string
			data  []byte
		}{{fieldDays, one.DayLevel}, {fieldHours, one.HourLevel}, {fieldQuarters, one.QuarterLevel}} {
			fmt.Fprintf(&text, ",%s=\"%s %s\"", level.field, head, base64.StdEncoding.EncodeToString(level.data))
		}
		fmt.Fprintf(&text, " %d\n", one.Day.Start().UnixMilli())
	}
	r.mu.Unlock()
	return r.keep(ctx, text.String())
}

// keep writes to the quarter-hours' bucket, and makes it if it is not there.
func (s *Store) keep(ctx context.Context, text string) error {
	err := s.sendTo(ctx, s.options.Quarters, []byte(text))
	if isMissing(err) {
		if err := s.makeBucket(ctx, s.options.Quarters, 0); err != nil {
			return err
		}
		err = s.sendTo(ctx, s.options.Quarters, []byte(text))
	}
	if err != nil {
		return s.classify(err)
	}
	return nil
}

// Since is bounded by the first mark: a late reading may have come before what
// was the first one.
func (r *records) Since(ctx context.Context, devices []string) (map[string]quarters.Day, error) {
	since, marked := map[string]quarters.Day{}, map[string]quarters.Day{}
	for some := range slices.Chunk(devices, devicesAtOnce) {
		noted := source{r.options.Quarters, sinceMeasurement, some, sinceTime(), sinceTime().Add(precision)}
		marks := source{r.options.Quarters, recordMeasurement, some, sinceTime(), farFuture()}
		flux := noted.fields(fieldSince) + kept + " |> yield(name: " + quote(fieldSince) + ")\n" +
			marks.fields(fieldMark) + " |> first()" + kept + " |> yield(name: " + quote(fieldMark) + ")\n"
		err := r.query(ctx, flux, func(record *query.FluxRecord) error {
			device, _ := record.ValueByKey("device").(string)
			if record.Result() == fieldMark {
				marked[device] = quarters.DayOf(record.Time())
				return nil
			}
			day, err := count(record.Value())
			since[device] = quarters.Day(day)
			return err
		})
		if err != nil && !isMissing(err) {
			return nil, err
		}
	}
	for device, day := range since {
		if first, ok := marked[device]; ok {
			since[device] = min(day, first)
		}
	}
	return since, nil
}

// SetSince notes the days.
func (r *records) SetSince(ctx context.Context, since map[string]quarters.Day) error {
	var text strings.Builder
	for device, day := range since {
		fmt.Fprintf(&text, "%s,device=%s %s=%si %d\n", sinceMeasurement, device, fieldSince, strconv.Itoa(int(day)), sinceTime().UnixMilli())
	}
	return r.keep(ctx, text.String())
}

// sinceTime is where all of them lie, before every record.
func sinceTime() time.Time { return time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) }

func farFuture() time.Time { return time.Date(2200, 1, 1, 0, 0, 0, 0, time.UTC) }
