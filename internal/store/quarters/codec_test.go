package quarters_test

import (
	"bytes"
	"encoding/base64"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
)

// today is a day of records.
func today() quarters.Day { return quarters.DayOf(time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC)) }

// busy is the record of a plug that was read every ten seconds all day.
func busy() quarters.Record {
	r := quarters.Record{Device: "busy", Day: today()}
	const poll = 10 * time.Second
	energy := wattline.Milli(123_456_789)
	for n := range int(24 * time.Hour / poll) {
		at := today().Start().Add(time.Duration(n)*poll + time.Duration(n*7919%400)*time.Millisecond)
		energy += wattline.Milli(n % 600)
		one := wattline.Reading{
			Device: r.Device, Time: wattline.At(at), PowerW: wattline.Milli(45_000 + n*7919%60_000),
			VoltageV: wattline.Milli(228_000 + n*104_729%4000), CurrentA: wattline.Milli(200 + n*7919%300),
			EnergyWh: energy, Relay: wattline.RelayOf(n%100 > 0), CoversS: wattline.Milli(9_700 + n*31%700),
		}
		q := int(at.Sub(today().Start()) / store.QuarterHour)
		r.Quarters[q] = r.Quarters[q].Merge(wattline.Summarize(one))
		r.Sealed.Add(q)
	}
	return r
}

func TestARecordOfABusyDayIsAFewKilobytes(t *testing.T) {
	r := busy()
	packed := r.Pack()
	day, hours, all := len(packed.DayLevel), len(packed.HourLevel), len(packed.QuarterLevel)
	if day > 100 || hours > 1500 || all > 5500 {
		t.Errorf("the day takes %d bytes, the hours %d, the quarter-hours %d", day, hours, all)
	}
	empty := (&quarters.Record{Day: today()}).Pack()
	if n := len(empty.DayLevel) + len(empty.HourLevel) + len(empty.QuarterLevel); n > 20 {
		t.Errorf("an empty record takes %d bytes", n)
	}
}

// milli draws likely and unlikely quantities.
func milli(t *rapid.T, label string) wattline.Milli {
	return wattline.Milli(rapid.OneOf(rapid.Int64Range(-5, 300), rapid.Int64Range(0, 1<<32), rapid.Int64()).Draw(t, label))
}

func stats(t *rapid.T, label string) wattline.Stats {
	return wattline.Stats{
		Sum: milli(t, label), Min: milli(t, label), Max: milli(t, label), First: milli(t, label), Last: milli(t, label),
	}
}

// summary draws what readings of a stretch might say, however unlikely.
func summary(t *rapid.T, start time.Time, long time.Duration) wattline.Summary {
	first := rapid.Int64Range(0, long.Milliseconds()-1).Draw(t, "first")
	last := rapid.Int64Range(first, long.Milliseconds()-1).Draw(t, "last")
	s := wattline.Summary{
		Count: rapid.Int64Range(1, last-first+1).Draw(t, "count"), CoveredS: milli(t, "covered"),
		First: wattline.Point{Time: wattline.At(start.Add(time.Duration(first) * time.Millisecond)), EnergyWh: milli(t, "energy"), CoversS: milli(t, "covers")},
		Last:  wattline.Point{Time: wattline.At(start.Add(time.Duration(last) * time.Millisecond)), EnergyWh: milli(t, "energy"), CoversS: milli(t, "covers")},
		MinW:  milli(t, "min"), MaxW: milli(t, "max"),
		Values: wattline.Values{OnS: milli(t, "on"), Power: stats(t, "power"), Voltage: stats(t, "voltage"), Current: stats(t, "current")},
	}
	s.Values.Power.Min, s.Values.Power.Max = s.MinW, s.MaxW
	if s.Gaps = rapid.Int64Range(0, s.Count).Draw(t, "gaps"); s.Gaps > 0 {
		s.GapS, s.GapWh, s.FellWh = milli(t, "gap s"), milli(t, "gap wh"), milli(t, "fell wh")
	}
	return s
}

func TestEveryRecordComesBackAsItWas(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := quarters.Record{Device: "a", Day: quarters.Day(rapid.IntRange(10_957, 80_000).Draw(t, "day"))}
		for range rapid.IntRange(0, 8).Draw(t, "quarter-hours") {
			q := rapid.IntRange(0, quarters.PerDay-1).Draw(t, "quarter-hour")
			r.Quarters[q] = summary(t, r.Day.Start().Add(time.Duration(q)*store.QuarterHour), store.QuarterHour)
			r.Sealed.Add(rapid.IntRange(0, quarters.PerDay-1).Draw(t, "sealed"))
		}
		packed := r.Pack()
		back, err := quarters.Unpack(&packed)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(&r, back); diff != "" {
			t.Fatalf("-was +is:\n%s", diff)
		}
	})
}

func TestARecordFromBeforeFallsWereKeptApartTellsThemWhereNothingElseWasInTheGap(t *testing.T) {
	level, err := base64.StdEncoding.DecodeString("AQIC4NQDgNMOAYDTDsjGmY/+/////wHAqQe/qQcAgMHN4QPIxpmP/v////8BwKkHAALg1APgzS8B4M0v" +
		"gK3iBMCpB7+pBwDQD4Ct4gQAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAADsb1Hn")
	if err != nil {
		t.Fatal(err)
	}
	want := &quarters.Record{Device: "a", Day: today()}
	for _, one := range []struct {
		minute           int
		energyWh, covers wattline.Milli
	}{{1, 505_000_000, 60_000}, {5, 5_000, 0}, {16, 6_000, 60_000}, {29, 10_006_000, 0}} {
		q := one.minute / 15
		want.Quarters[q] = want.Quarters[q].Merge(wattline.Summarize(wattline.Reading{
			Time: wattline.At(today().Start().Add(time.Duration(one.minute) * time.Minute)), EnergyWh: one.energyWh, CoversS: one.covers,
			PowerW: 60_000, Relay: wattline.RelayOn,
		}))
	}
	got, err := quarters.Unpack(&quarters.Packed{Device: "a", Day: today(), QuarterLevel: level})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v; -want +got:\n%s", err, diff)
	}
	if fell := got.Quarters[0].FellWh; fell != 505_000_000-5_000 {
		t.Errorf("the counter fell by %v", fell)
	}
}

func TestASpoiledRecordIsAnError(t *testing.T) {
	r := busy()
	whole := r.Pack()
	spoils := map[string]func([]byte) []byte{
		"empty":              func([]byte) []byte { return nil },
		"cut short":          func(data []byte) []byte { return data[:len(data)/2] },
		"too long":           func(data []byte) []byte { return append(data, 0) },
		"one bit has turned": func(data []byte) []byte { data[len(data)/3] ^= 4; return data },
		"another level":      func([]byte) []byte { return whole.HourLevel },
	}
	for name, spoil := range spoils {
		t.Run(name, func(t *testing.T) {
			packed := whole
			packed.QuarterLevel = spoil(bytes.Clone(whole.QuarterLevel))
			if _, err := quarters.Unpack(&packed); err == nil {
				t.Error("it was taken")
			}
		})
	}
}

// FuzzUnpack gives whatever bytes, with a checksum that fits.
func FuzzUnpack(f *testing.F) {
	r := busy()
	packed := r.Pack()
	f.Add(packed.QuarterLevel)
	f.Add(packed.HourLevel)
	f.Add([]byte{1, 0, 0, 0, 0, 0})
	f.Fuzz(func(t *testing.T, data []byte) {
		packed := quarters.Packed{Device: "a", Day: today(), QuarterLevel: quarters.WithChecksum(data)}
		record, err := quarters.Unpack(&packed)
		if err != nil {
			return
		}
		again := record.Pack()
		back, err := quarters.Unpack(&again)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(record, back); diff != "" {
			t.Fatal(diff)
		}
	})
}
