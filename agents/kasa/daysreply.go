package kasa

import (
	"fmt"
	"strconv"
	"time"
)

// maxDayRecords bounds the days in an answer; a month has 31 at most.
const maxDayRecords = 64

// daysReply is a decoded answer to a daysQuestion. Its slices point into the
// answer's text.
type daysReply struct {
	top, time, emeter status
	clock             wallClock
	zone              zoneIndex
	days              dayList
	scan              scanner
}

type wallClock struct {
	status
	year, month, day, hour, minute, second []byte
}

type zoneIndex struct {
	status
	index []byte
}

type dayList struct {
	status
	records []dayRecord
}

// dayRecord has its energy in one dialect or the other, as it stands.
type dayRecord struct{ year, month, day, energyWh, energyKWh []byte }

func (r *daysReply) decode(answer []byte) error {
	*r = daysReply{scan: scanner{data: answer}}
	s := &r.scan
	err := s.document(func(key []byte) error {
		switch string(key) {
		case "time":
			return module(s, &r.time, r.timeMethod)
		case "emeter":
			return module(s, &r.emeter, r.emeterMethod)
		}
		return r.top.member(s, key, 1)
	})
	if err != nil {
		return garbage("%w", err)
	}
	return nil
}

func (r *daysReply) timeMethod(key []byte) (known bool, err error) {
	switch string(key) {
	case "get_time":
		return true, r.clock.read(&r.scan)
	case "get_timezone":
		return true, r.zone.read(&r.scan)
	}
	return false, nil
}

func (r *daysReply) emeterMethod(key []byte) (known bool, err error) {
	if string(key) == "get_daystat" {
		return true, r.days.read(&r.scan)
	}
	return false, nil
}

func (w *wallClock) read(scan *scanner) error {
	*w = wallClock{status: status{seen: true}}
	return scan.object(2, func(key []byte) error {
		var raw *[]byte
		switch string(key) {
		case "year":
			raw = &w.year
		case "month":
			raw = &w.month
		case "mday":
			raw = &w.day
		case "hour":
			raw = &w.hour
		case "min":
			raw = &w.minute
		case "sec":
			raw = &w.second
		default:
			return w.member(scan, key, 3)
		}
		return field(scan, 3, nil, raw)
	})
}

func (z *zoneIndex) read(scan *scanner) error {
	*z = zoneIndex{status: status{seen: true}}
	return scan.object(2, func(key []byte) error {
		if string(key) == "index" {
			return field(scan, 3, nil, &z.index)
		}
		return z.member(scan, key, 3)
	})
}

func (l *dayList) read(scan *scanner) error {
	*l = dayList{status: status{seen: true}}
	return scan.object(2, func(key []byte) error {
		if string(key) != "day_list" {
			return l.member(scan, key, 3)
		}
		return scan.array(3, func() error {
			if len(l.records) == maxDayRecords {
				return fmt.Errorf("lists more than %d days", maxDayRecords)
			}
			record, err := readDay(scan)
			l.records = append(l.records, record)
			return err
		})
	})
}

func readDay(scan *scanner) (record dayRecord, err error) {
	err = scan.object(4, func(key []byte) error {
		var raw *[]byte
		switch string(key) {
		case "year":
			raw = &record.year
		case "month":
			raw = &record.month
		case "day":
			raw = &record.day
		case "energy_wh":
			raw = &record.energyWh
		case "energy":
			raw = &record.energyKWh
		}
		return field(scan, 5, nil, raw)
	})
	return record, err
}

// readClock reads the plug's wall clock, which says nothing of its zone, and the
// zone's index.
func (r *daysReply) readClock(at time.Time, into *Days) error {
	if err := failure([]status{r.clock.status, r.time, r.top}, "time.get_time"); err != nil {
		return err
	}
	if err := failure([]status{r.zone.status, r.time, r.top}, "time.get_timezone"); err != nil {
		return err
	}
	index, err := strconv.Atoi(string(r.zone.index))
	if err != nil {
		return garbage("has a time zone of %.20q", r.zone.index)
	}
	found, ok := zone(index)
	if !ok {
		return garbage("has a time zone of %d, which is not in the plugs' table", index)
	}
	shown, err := r.clock.wall()
	if err != nil {
		return err
	}
	into.Zone, into.Ahead = found, shown.Sub(wallOf(at.In(found)))
	return nil
}

// wall is the time that the clock shows, as if it were that of UTC: only so can
// two wall clocks be compared while one of them is being set forward or back.
func (w *wallClock) wall() (time.Time, error) {
	var n [6]int
	for i, part := range [...]struct {
		text            []byte
		lowest, highest int
	}{{w.year, 1970, 2199}, {w.month, 1, 12}, {w.day, 1, 31}, {w.hour, 0, 23}, {w.minute, 0, 59}, {w.second, 0, 60}} {
		value, err := strconv.Atoi(string(part.text))
		if err != nil || value < part.lowest || value > part.highest {
			return time.Time{}, garbage("has a clock that shows %.20q", part.text)
		}
		n[i] = value
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC), nil
}

func wallOf(local time.Time) time.Time {
	year, month, day := local.Date()
	hour, minute, second := local.Clock()
	return time.Date(year, month, day, hour, minute, second, 0, time.UTC)
}

// readDays takes over the records of a month; plugs list others too.
func (r *daysReply) readDays(month Date, into *Days) error {
	if err := failure([]status{r.days.status, r.emeter, r.top}, "emeter.get_daystat"); err != nil {
		return err
	}
	for _, record := range r.days.records {
		year, _ := strconv.Atoi(string(record.year))
		number, _ := strconv.Atoi(string(record.month))
		day, err := strconv.Atoi(string(record.day))
		if err != nil || day < 1 || day > 31 {
			return garbage("has statistics of a day %.20q", record.day)
		}
		date := Date{year, time.Month(number), day}
		if monthOf(date) != month {
			continue
		}
		text, shift := record.energyWh, fromUnit
		if text == nil {
			text, shift = record.energyKWh, fromKilo
		}
		energy, ok := parseDecimal(text, shift)
		if !ok || energy < 0 {
			return garbage("has statistics of %.20q for a day, which is no energy", text)
		}
		into.Wh[date] = energy
	}
	return nil
}
