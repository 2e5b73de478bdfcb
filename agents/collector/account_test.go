package collector

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/store"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func measured(at time.Time, power, total wattline.Milli) kasa.Measurement {
	return kasa.Measurement{
		At: at, Info: &kasa.Info{HasMeter: true}, Relay: wattline.RelayOn,
		Meter: &kasa.Meter{PowerW: power, VoltageV: 230_000, CurrentA: 300, TotalWh: total},
	}
}

func TestAQuarterHourAtSixtyWattsIsTrueToOnePercent(t *testing.T) {
	// The meter shows whole watt-hours of a true counter that began at 0.4 Wh.
	var previous *counted
	var first, last wattline.Milli
	for s := 0; s <= 3600; s += 5 {
		trueEnergy := wattline.Milli(400 + 60_000*s/3600)
		reading := account("desk-1", previous, measured(start.Add(time.Duration(s)*time.Second), 60_000, trueEnergy/1000*1000), 5*time.Second)
		if s == 900 {
			first = reading.EnergyWh
		}
		if s == 1800 {
			last = reading.EnergyWh
		}
		previous = &reading
	}
	if used := last - first; used < 14_850 || used > 15_150 {
		t.Errorf("15 Wh were measured as %v", used)
	}
}

func TestASmallLoadIsNotRoundedAwayBetweenTwoSteps(t *testing.T) {
	// Each poll is worth less than the mWh that a reading is given in, or little more.
	for power, want := range map[wattline.Milli]wattline.Milli{300: 75, 2_138: 534, 3_599: 899} {
		for _, interval := range []time.Duration{time.Second, 5 * time.Second, 7 * time.Second} {
			var previous *counted
			began := start
			for at := start; !at.After(start.Add(15 * time.Minute)); at = at.Add(interval) {
				// It begins at the start of a step, whose middle is assumed otherwise.
				reading := account("desk-1", previous, measured(at, power, 5_000), interval)
				if previous == nil {
					reading.EnergyWh = 5_000
				}
				previous, began = &reading, at
			}
			want := want * wattline.Milli(began.Sub(start)) / wattline.Milli(15*time.Minute)
			if used := previous.EnergyWh - 5_000; used < want-2 || used > want+2 {
				t.Errorf("%v W every %v were measured as %v Wh in a quarter-hour, not %v", power, interval, used, want)
			}
		}
	}
}

func TestEnergyNeverFallsAndStaysWithinTheStep(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		at := start
		var previous *counted
		meter, carried := wattline.Milli(rapid.Int64Range(0, 50).Draw(t, "meter"))*1000, wattline.Milli(0)
		for range rapid.IntRange(1, 60).Draw(t, "polls") {
			at = at.Add(time.Duration(rapid.Int64Range(-20_000, 60_000).Draw(t, "pause")) * time.Millisecond)
			reset := rapid.IntRange(0, 9).Draw(t, "reset") == 0
			if reset && previous != nil && meter > 0 {
				carried += meter
				meter = 0
			}
			meter += wattline.Milli(rapid.Int64Range(0, 2).Draw(t, "steps")) * 1000
			power := wattline.Milli(rapid.Int64Range(-10, 200_000_000).Draw(t, "power"))
			reading := account("desk-1", previous, measured(at, power, meter), 5*time.Second)
			if err := reading.Validate(); err != nil {
				t.Fatal(err)
			}
			if previous != nil {
				if reading.EnergyWh < previous.EnergyWh {
					t.Fatalf("energy fell from %v to %v", previous.EnergyWh, reading.EnergyWh)
				}
				if !reading.Time.After(previous.Time.Time) {
					t.Fatalf("time went from %v to %v", previous.Time, reading.Time)
				}
			}
			// Each reset may round by up to a step, and power fills at most one more.
			if off := reading.EnergyWh - (carried + meter); off < -60*meterStep || off > 60*meterStep {
				t.Fatalf("energy %v is far from the %v that went through the meter", reading.EnergyWh, carried+meter)
			}
			previous = &reading
		}
	})
}

func TestAccount(t *testing.T) {
	const interval = 5 * time.Second
	previous := counted{Reading: wattline.Reading{
		Device: "desk-1", Time: wattline.At(start), PowerW: 72_000, EnergyWh: 105_300, MeterWh: 5_000, Relay: wattline.RelayOn,
	}}
	for name, c := range map[string]struct {
		m       kasa.Measurement
		energy  wattline.Milli
		covers  wattline.Milli
		quality wattline.Quality
	}{
		"between two steps power is integrated":        {measured(start.Add(5*time.Second), 72_000, 5_000), 105_400, 5_000, 0},
		"and never leaves the step":                    {measured(start.Add(15*time.Second), 3_600_000, 5_000), 105_999, 15_000, 0},
		"a step lifts the energy at least to it":       {measured(start.Add(5*time.Second), 0, 6_000), 106_000, 5_000, 0},
		"over a gap only the meter counts":             {measured(start.Add(time.Hour), 72_000, 77_000), 177_000, 0, wattline.QualityAfterGap},
		"over a gap without a step nothing is lost":    {measured(start.Add(time.Hour), 72_000, 5_000), 105_300, 0, wattline.QualityAfterGap},
		"a reset carries the energy on":                {measured(start.Add(5*time.Second), 72_000, 0), 105_300, 5_000, wattline.QualityMeterReset},
		"with what the new counter has already":        {measured(start.Add(5*time.Second), 72_000, 2_000), 107_000, 5_000, wattline.QualityMeterReset},
		"an absurd power is kept and flagged":          {measured(start.Add(5*time.Second), 120_000_000, 5_000), 105_999, 5_000, wattline.QualityImplausible},
		"a clock that was set back does not repeat":    {measured(start.Add(-time.Hour), 72_000, 5_000), 105_300, 1, 0},
		"a clock that was years ahead is not kept":     {measured(start.AddDate(-2, 0, 0), 72_000, 6_000), 106_000, 0, wattline.QualityAfterGap},
		"a counter that leaps is flagged, not counted": {measured(start.Add(5*time.Second), 72_000, 1_005_000), 105_400, 5_000, wattline.QualityImplausible},
	} {
		t.Run(name, func(t *testing.T) {
			got := account("desk-1", &previous, c.m, interval)
			if wentBack := previous.Time.Sub(c.m.At); wentBack > store.FutureTolerance && !got.Time.Equal(c.m.At) {
				t.Errorf("taken at %v and stamped %v", c.m.At, got.Time)
			}
			if got.EnergyWh != c.energy || got.CoversS != c.covers || got.Quality != c.quality || got.PowerW != c.m.Meter.PowerW {
				t.Errorf("energy %v covers %v quality %q", got.EnergyWh, got.CoversS, got.Quality)
			}
		})
	}
	if got := account("desk-1", nil, measured(start, 72_000, 5_000), interval); got.CoversS != 0 || got.EnergyWh != 5_500 || got.Quality != 0 {
		t.Errorf("a device's first reading: %+v", got)
	}
}

func TestACounterThatShowedNonsenseOnceCostsNothing(t *testing.T) {
	var previous *counted
	for i, total := range []wattline.Milli{16_323_000, 0, 16_323_000, 16_324_000, 16_325_000} {
		reading := account("desk-1", previous, measured(start.Add(time.Duration(i)*5*time.Second), 36_000, total), 5*time.Second)
		previous = &reading
	}
	if used := previous.EnergyWh - 16_323_500; used < 1_000 || used > 3_000 {
		t.Errorf("2 Wh, and once a counter at zero, were counted as %v Wh", used)
	}
}

func TestSlotsAreSpreadAndAnchored(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		device := rapid.StringMatching(`[a-z]{1,8}-[0-9]{1,3}`).Draw(t, "device")
		interval := time.Duration(rapid.Int64Range(1, 3600).Draw(t, "interval")) * time.Second
		now := start.Add(time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "now")))
		slot := nextSlot(device, interval, now)
		if !slot.After(now) || slot.Sub(now) > interval {
			t.Fatalf("slot %v after %v at %v", slot, now, interval)
		}
		if next := nextSlot(device, interval, slot); next.Sub(slot) != interval {
			t.Fatalf("the slot after %v is %v", slot, next)
		}
	})
	counts := map[int]int{}
	for i := range 1000 {
		slot := nextSlot("desk-"+string(rune('a'+i%26))+"-"+time.Duration(i).String(), 5*time.Second, start)
		counts[int(slot.Sub(start)/(500*time.Millisecond))]++
	}
	for tenth, count := range counts {
		if count > 160 {
			t.Errorf("%d of 1000 devices are due in tenth %d of the interval", count, tenth)
		}
	}
}

func TestBackOffGrowsToTheIntervalAndNeverBeyond(t *testing.T) {
	const interval = 8 * time.Second
	for failures, want := range map[int]time.Duration{1: 2 * time.Second, 2: 4 * time.Second, 3: interval, 4: interval, 1000: interval} {
		if got := backOff(failures, interval, 0); got != want {
			t.Errorf("after %d failures: %v", failures, got)
		}
		if got := backOff(failures, interval, 0.999); got > want || got < want*4/5 {
			t.Errorf("with jitter after %d failures: %v", failures, got)
		}
	}
}
