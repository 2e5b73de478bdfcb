package collector

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// before is a reading whose counter is known to have begun 100 Wh after energy_wh.
func before() counted {
	return counted{
		Reading: wattline.Reading{
			Device: "desk-1", Time: wattline.At(start), PowerW: 72_000, EnergyWh: 105_300, MeterWh: 5_000, Relay: wattline.RelayOn,
		},
		phase: knownPhase(100_000), read: start,
	}
}

func TestAccount(t *testing.T) {
	const second, interval = time.Second, 5 * time.Second
	const implausible, reset, gap = wattline.QualityImplausible, wattline.QualityMeterReset, wattline.QualityAfterGap
	for name, c := range map[string]struct {
		after   time.Duration
		power   wattline.Milli
		meter   wattline.Milli
		energy  wattline.Milli
		covers  wattline.Milli
		quality wattline.Quality
	}{
		"between two steps power is integrated":              {5 * second, 72_000, 5_000, 105_400, 5_000, 0},
		"and never leaves the step":                          {15 * second, 400_000, 5_000, 105_999, 15_000, 0},
		"a step lifts the energy at least to it":             {5 * second, 0, 6_000, 106_000, 5_000, 0},
		"several steps at once are followed":                 {5 * second, 3_528_000, 7_000, 107_800, 5_000, 0},
		"a counter far ahead of the power is right":          {15 * second, 72_000, 12_000, 112_500, 15_000, 0},
		"over a gap only the meter counts":                   {time.Hour, 72_000, 77_000, 177_500, 0, gap},
		"over a short one its step is filled in":             {20 * second, 72_000, 5_000, 105_700, 0, gap},
		"even if the power told of more":                     {time.Hour, 0, 5_000, 105_500, 0, gap},
		"a reset carries the energy on":                      {5 * second, 72_000, 0, 105_400, 5_000, reset},
		"with what the new counter has already":              {5 * second, 72_000, 2_000, 107_850, 5_000, reset},
		"over a gap with what it has, and half a poll's":     {time.Hour, 72_000, 2_000, 107_350, 0, gap | reset},
		"an absurd power is kept, flagged and not counted":   {5 * second, 120_000_000, 5_000, 105_400, 5_000, implausible},
		"nor is a power below zero":                          {5 * second, -1, 5_000, 105_400, 5_000, implausible},
		"a clock that was set back does not repeat":          {-time.Hour, 72_000, 5_000, 105_300, 1, 0},
		"a clock that was years ahead is not kept":           {-2 * 365 * 24 * time.Hour, 72_000, 6_000, 106_000, 0, gap},
		"a counter that leaps is flagged, not counted":       {5 * second, 72_000, 1_005_000, 105_400, 5_000, implausible},
		"over a gap neither, nor is what nobody saw":         {time.Hour, 72_000, 9_005_000, 105_300, 0, gap | implausible},
		"centuries between two readings overflow nothing":    {170 * 365 * 24 * time.Hour, 72_000, 6_000, 106_500, 0, gap},
		"three polls are no gap":                             {15 * second, 72_000, 5_000, 105_600, 15_000, 0},
		"more than three are one":                            {15*second + time.Millisecond, 72_000, 5_000, 105_600, 0, gap},
		"a hundredth of a second later hardly anything is":   {10 * time.Millisecond, 72_000, 5_000, 105_300, 10, 0},
		"the plug's counter going on by one step in between": {10 * time.Millisecond, 72_000, 6_000, 106_000, 10, 0},
	} {
		t.Run(name, func(t *testing.T) {
			previous := before()
			m := measured(start.Add(c.after), c.power, c.meter)
			got := account(subject{device: "desk-1", interval: interval}, &previous, m)
			if wentBack := previous.Time.Sub(m.At); wentBack > store.FutureTolerance && !got.Time.Equal(m.At) {
				t.Errorf("taken at %v and stamped %v", m.At, got.Time)
			}
			if got.EnergyWh != c.energy || got.CoversS != c.covers || got.Quality != c.quality || got.PowerW != c.power || got.MeterWh != c.meter {
				t.Errorf("energy %v covers %v quality %q, phase %+v", got.EnergyWh, got.CoversS, got.Quality, got.phase)
			}
		})
	}
	if got := account(subject{device: "desk-1", interval: interval}, nil, measured(start, 72_000, 5_000)); got.CoversS != 0 || got.EnergyWh != 5_500 || got.Quality != 0 {
		t.Errorf("a device's first reading: %+v", got)
	}
}

// A clock without a battery begins where it stopped, until it has found a time server;
// and any clock may be set back. The plug's counter goes on meanwhile.
func TestAClockThatWasWrongCostsNoEnergy(t *testing.T) {
	const anotherProcess = -1
	const implausible, gap = wattline.QualityImplausible, wattline.QualityAfterGap
	for name, c := range map[string]struct {
		unread  time.Duration // in truth, if in this process
		after   time.Duration // by the clock
		meter   wattline.Milli
		energy  wattline.Milli
		quality wattline.Quality
	}{
		"behind at the start":                         {anotherProcess, 10 * time.Second, 4_325_000, 4_425_500, gap},
		"behind at the start, before the last":        {anotherProcess, -time.Hour, 4_325_000, 4_425_500, gap},
		"behind at the start, and no plug gives this": {anotherProcess, 10 * time.Second, 3_000_000_000, 105_300 + 200, implausible},
		"right at the start":                          {anotherProcess, 10 * time.Second, 5_000, 105_300 + 200, 0},
		"set back while nobody read":                  {3 * time.Hour, -time.Hour, 305_000, 405_500, gap},
		"set back, and no plug gives this":            {3 * time.Hour, -time.Hour, 12_105_000, 105_300, implausible},
		"set back between two polls":                  {5 * time.Second, -time.Hour, 5_000, 105_300, 0},
	} {
		t.Run(name, func(t *testing.T) {
			previous, at := before(), start.Add(c.after)
			if previous.read = at.Add(-c.unread); c.unread == anotherProcess {
				previous.read = time.Time{}
			}
			got := account(subject{device: "desk-1", interval: 5 * time.Second}, &previous, measured(at, 72_000, c.meter))
			if got.EnergyWh != c.energy || got.Quality != c.quality || got.Quality.Has(gap) != (got.CoversS == 0) {
				t.Errorf("energy %v covers %v quality %q", got.EnergyWh, got.CoversS, got.Quality)
			}
		})
	}
}

func TestACounterThatShowedNonsenseOnceCostsNothing(t *testing.T) {
	var previous *counted
	for i, total := range []wattline.Milli{16_323_000, 0, 16_323_000, 16_324_000, 16_325_000} {
		reading := account(subject{device: "desk-1", interval: 5 * time.Second}, previous, measured(start.Add(time.Duration(i)*5*time.Second), 36_000, total))
		previous = &reading
	}
	if used := previous.EnergyWh - 16_323_500; used < 1_000 || used > 3_000 {
		t.Errorf("2 Wh, and once a counter at zero, were counted as %v Wh", used)
	}
}
