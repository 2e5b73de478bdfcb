package collector

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

func in(t interface{ Fatal(...any) }, name string) *time.Location {
	zone, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return zone
}

func date(month time.Month, day int) kasa.Date { return kasa.Date{Year: 2026, Month: month, Day: day} }

// outage is a plug in Madrid that was read last on Friday the 27th of March at noon,
// and again on Monday the 30th at ten; the clocks went forward on Sunday.
func outage(t *testing.T) (from, to counted, days kasa.Days) {
	madrid := in(t, "Europe/Madrid")
	at := func(day, hour int) wattline.Time { return wattline.At(time.Date(2026, 3, day, hour, 0, 0, 0, madrid)) }
	from = counted{
		Reading: wattline.Reading{
			Device: "desk-1", Time: at(27, 12), PowerW: 60_000, VoltageV: 230_000, CurrentA: 300, EnergyWh: 1_000_000, MeterWh: 500_000,
			Relay: wattline.RelayOn, RSSIdBm: -60, CoversS: 5_000, Stream: "s", Seq: 7,
		},
		phase: knownPhase(500_000), plug: "A",
		mark: mark{asked: at(27, 0), date: date(3, 27), zone: "Europe/Madrid", statWh: 0, energyWh: 800_000},
	}
	to = counted{
		Reading: wattline.Reading{Device: "desk-1", Time: at(30, 10), PowerW: 70_000, EnergyWh: 1_560_000, MeterWh: 1_060_000, Quality: wattline.QualityAfterGap},
		phase:   knownPhase(500_000), plug: "A", mark: from.mark,
	}
	return from, to, kasa.Days{Zone: madrid, First: date(3, 1), Wh: map[kasa.Date]wattline.Milli{
		date(3, 27): 500_000, date(3, 28): 40_000, date(3, 30): 219_000, // nothing on Sunday
	}}
}

func TestTheEnergyOfAnOutageIsPlacedOnItsDays(t *testing.T) {
	from, to, days := outage(t)
	got := to.reconcile(&from, days)
	estimated := func(at string, energy, power wattline.Milli) wattline.Reading {
		time, err := wattline.ParseTime(at)
		if err != nil {
			t.Fatal(err)
		}
		return wattline.Reading{
			Device: "desk-1", Time: time, PowerW: power, VoltageV: 230_000, CurrentA: 300, EnergyWh: energy, MeterWh: 500_000,
			Relay: wattline.RelayOn, RSSIdBm: -60, Quality: wattline.QualityEstimated,
		}
	}
	want := []wattline.Reading{
		estimated("2026-03-27T23:59:59.999+01:00", 1_300_000, 25_000),
		estimated("2026-03-28T23:59:59.999+01:00", 1_340_500, 1_687),
		estimated("2026-03-29T23:59:59.999+02:00", 1_340_500, 0),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("estimated (-want +got):\n%s", diff)
	}
	if to.EnergyWh != 1_560_000 || to.mark != (mark{asked: to.Time, date: date(3, 30), zone: "Europe/Madrid", statWh: 219_000, energyWh: 1_560_000}) {
		t.Errorf("energy %v, mark %+v", to.EnergyWh, to.mark)
	}
}

func TestStatisticsThatDoNotTell(t *testing.T) {
	for name, c := range map[string]struct {
		change func(from, to *counted, days *kasa.Days)
		ends   int
	}{
		"a clock that was never set": {func(_, _ *counted, days *kasa.Days) { days.Ahead = -26 * 365 * 24 * time.Hour }, 0},
		"a clock an hour wrong":      {func(_, _ *counted, days *kasa.Days) { days.Ahead = time.Hour }, 0},
		"more than a day can have":   {func(_, _ *counted, days *kasa.Days) { days.Wh[date(3, 28)] = 100_000_001 }, 0},
		"those of another plug":      {func(_, to *counted, _ *kasa.Days) { to.plug = "B" }, 0},
		"no outage":                  {func(_, to *counted, _ *kasa.Days) { to.Quality = 0 }, 0},
		"an outage within a day":     {func(from, to *counted, _ *kasa.Days) { from.Time = wattline.At(to.Time.Add(-time.Hour)) }, 0},
		"one that ends at midnight":  {func(_, to *counted, _ *kasa.Days) { to.Time = wattline.At(to.Time.Add(-10 * time.Hour)) }, 3},
		"one that ends just before it": {func(_, to *counted, _ *kasa.Days) {
			to.Time = wattline.At(to.Time.Add(-10*time.Hour - time.Millisecond))
		}, 2},
		"one that begins just before it": {func(from, _ *counted, _ *kasa.Days) {
			from.Time = wattline.At(from.Time.Add(12*time.Hour - time.Millisecond))
		}, 2},
		"two of the days not asked for":     {func(_, _ *counted, days *kasa.Days) { days.First = date(3, 29) }, 2},
		"a clock that is a minute slow":     {func(_, _ *counted, days *kasa.Days) { days.Ahead = -time.Minute }, 3},
		"no statistics at all":              {func(_, _ *counted, days *kasa.Days) { days.Wh = nil }, 3},
		"more than the counter knows":       {func(_, _ *counted, days *kasa.Days) { days.Wh[date(3, 30)] = 40_000_000 }, 3},
		"another zone than before":          {func(from, to *counted, _ *kasa.Days) { from.mark.zone, to.anew = "Europe/Paris", true }, 3},
		"statistics that were erased":       {func(from, to *counted, _ *kasa.Days) { from.mark.statWh, to.anew = 500_001, true }, 3},
		"a plug that was not known by name": {func(from, _ *counted, _ *kasa.Days) { from.plug = "" }, 3},
	} {
		t.Run(name, func(t *testing.T) {
			from, to, days := outage(t)
			c.change(&from, &to, &days)
			got := to.reconcile(&from, days)
			if len(got) != c.ends || to.EnergyWh != 1_560_000 {
				t.Errorf("%d readings, energy %v", len(got), to.EnergyWh)
			}
			before := from.Reading
			for _, r := range append(got, to.Reading) {
				if !r.Time.After(before.Time.Time) || r.EnergyWh < before.EnergyWh {
					t.Errorf("after %v with %v Wh comes %v with %v Wh", before.Time, before.EnergyWh, r.Time, r.EnergyWh)
				}
				before = r
			}
		})
	}
	t.Run("are asked for all the same before there is any reading", func(t *testing.T) {
		_, to, days := outage(t)
		if got := to.reconcile(nil, days); len(got) != 0 || to.mark.statWh != 219_000 {
			t.Errorf("%d readings, mark %+v", len(got), to.mark)
		}
	})
}

func TestWhatTheCounterLostIsInTheStatistics(t *testing.T) {
	lost := func(t *testing.T, change func(from, to *counted, days *kasa.Days)) wattline.Milli {
		from, to, days := outage(t)
		// It lost its power on the way; 759 Wh were used since the mark, in truth.
		to.MeterWh, to.EnergyWh, to.phase = 219_000, 1_219_000, phase{low: 999_501, high: 1_000_500}
		to.Quality |= wattline.QualityMeterReset
		to.anew = true
		change(&from, &to, &days)
		before := to
		to.reconcile(&from, days)
		if moved := to.phase.low - before.phase.low; moved != to.EnergyWh-before.EnergyWh || moved != to.phase.high-before.phase.high {
			t.Errorf("the energy moved by %v, its phase from %+v to %+v", to.EnergyWh-before.EnergyWh, before.phase, to.phase)
		}
		return to.EnergyWh - before.EnergyWh
	}
	for name, c := range map[string]struct {
		change func(from, to *counted, days *kasa.Days)
		want   wattline.Milli
	}{
		"to the step":                        {func(_, _ *counted, _ *kasa.Days) {}, 341_000},
		"of the next days, if it was erased": {func(from, _ *counted, _ *kasa.Days) { from.mark.statWh = 600_000 }, 40_500},
		"of the next, if there is no mark":   {func(from, _ *counted, _ *kasa.Days) { from.mark = mark{} }, 40_500},
		"of the next, if it is too old":      {func(from, _ *counted, _ *kasa.Days) { from.mark.date = date(2, 27) }, 40_500},
		"nothing, in another zone":           {func(from, _ *counted, _ *kasa.Days) { from.mark.zone = "Europe/Paris" }, 0},
		"nothing, if it was the same day": {func(from, to *counted, _ *kasa.Days) {
			from.mark, from.Time = mark{}, wattline.At(to.Time.Add(-time.Hour))
		}, 0},
		"nothing, within the steps": {func(_, to *counted, _ *kasa.Days) { to.EnergyWh = 1_559_400 }, 0},
		"nothing that no plug can give": {func(_, _ *counted, days *kasa.Days) {
			days.Wh[date(3, 28)], days.Wh[date(3, 29)], days.Wh[date(3, 30)] = 99e6, 99e6, 99e6
		}, 0},
		"nothing, where it says less":      {func(_, _ *counted, days *kasa.Days) { delete(days.Wh, date(3, 28)); days.Wh[date(3, 27)] = 200_000 }, 0},
		"nothing, if it did not restart":   {func(_, to *counted, _ *kasa.Days) { to.anew = false }, 0},
		"a counter that came past its old": {func(_, to *counted, _ *kasa.Days) { to.MeterWh, to.Quality = 600_000, wattline.QualityAfterGap }, 341_000},
	} {
		t.Run(name, func(t *testing.T) {
			if got := lost(t, c.change); got != c.want {
				t.Errorf("%v Wh are added, want %v", got, c.want)
			}
		})
	}
}

func TestWhenAPlugIsAskedForItsStatistics(t *testing.T) {
	const gap, reset = wattline.QualityAfterGap, wattline.QualityMeterReset
	for name, c := range map[string]struct {
		asked   time.Duration // how long ago
		zone    string        // of what it answered
		quality wattline.Quality
		want    bool
	}{
		"at its first reading":                {200 * 365 * 24 * time.Hour, "", 0, true},
		"not at its next":                     {5 * time.Second, "UTC", 0, false},
		"nor an hour later":                   {time.Hour, "UTC", 0, false},
		"unless its clock was wrong":          {time.Hour, "", 0, true},
		"once a day":                          {24 * time.Hour, "UTC", 0, true},
		"after an outage":                     {time.Hour, "UTC", gap, true},
		"after a loss of power":               {time.Hour, "UTC", reset, true},
		"not again while it comes and goes":   {9 * time.Minute, "", gap | reset, false},
		"at once when clocks have been wrong": {-time.Hour, "UTC", 0, true},
	} {
		next := counted{Reading: wattline.Reading{Time: wattline.At(start), Quality: c.quality}}
		next.mark.asked, next.mark.zone = wattline.At(start.Add(-c.asked)), c.zone
		if got := daysDue(&next); got != c.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}

// Whatever a plug used on which day, the days get what they used, to the step of the
// statistics; their sum is the whole.
func TestDaysGetWhatTheyUsed(t *testing.T) {
	zones := []string{"Europe/Madrid", "America/Los_Angeles", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia", "UTC"}
	rapid.Check(t, func(t *rapid.T) {
		zone := in(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		began := time.UnixMilli(rapid.Int64Range(1_300_000_000_000, 1_800_000_000_000).Draw(t, "from"))
		ended := began.Add(time.Duration(rapid.Int64Range(1, 30*24*3600_000).Draw(t, "length")) * time.Millisecond)
		days := kasa.Days{Zone: zone, First: kasa.Date{Year: began.Year() - 1, Month: 1, Day: 1}, Wh: map[kasa.Date]wattline.Milli{}}
		truth := map[kasa.Date]wattline.Milli{}
		from := counted{Reading: wattline.Reading{Device: "desk-1", Time: wattline.At(began), Relay: wattline.RelayOn}, plug: "A"}
		total, last := wattline.Milli(0), kasa.DateOf(ended, zone)
		for first := kasa.DateOf(began, zone); !last.Before(first); first = first.Next() {
			used := wattline.Milli(rapid.Int64Range(0, 2_000_000).Draw(t, fmt.Sprint(first)))
			if rapid.IntRange(0, 4).Draw(t, "idle") == 0 {
				used = 0
			}
			truth[first], total = used, total+used
			if used > 0 || rapid.Bool().Draw(t, "recorded") {
				days.Wh[first] = used / meterStep * meterStep
			}
		}
		days.Wh[kasa.DateOf(began, zone)] += 777_000 // and what the day before the outage was
		to := counted{Reading: wattline.Reading{Device: "desk-1", Time: wattline.At(ended), EnergyWh: total, Relay: wattline.RelayOn, Quality: wattline.QualityAfterGap}, plug: "A"}

		before := from.Reading
		for _, r := range append(to.reconcile(&from, days), to.Reading) {
			day := kasa.DateOf(r.Time.Time, zone)
			tolerance := meterStep // of the statistics
			if day == kasa.DateOf(began, zone) {
				tolerance = meterStep * wattline.Milli(len(truth)) // it has what the others leave
			}
			if off := r.EnergyWh - before.EnergyWh - truth[day]; off < -tolerance || off > tolerance {
				t.Fatalf("%v got %v Wh of %v Wh", day, r.EnergyWh-before.EnergyWh, truth[day])
			}
			if !r.Time.After(before.Time.Time) || r.Validate() != nil {
				t.Fatalf("after %v comes %v, %v", before.Time, r.Time, r.Validate())
			}
			if next := r.Time.Add(time.Millisecond); r.Quality == wattline.QualityEstimated && kasa.DateOf(next, zone) == day {
				t.Fatalf("%v is not the end of a day in %v", r.Time, zone)
			}
			before = r
		}
	})
}
