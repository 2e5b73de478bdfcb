package collector

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// anyPower is that of an idle charger as well as that of a heater.
func anyPower() *rapid.Generator[wattline.Milli] {
	return rapid.Map(rapid.OneOf(
		rapid.Int64Range(0, 5_000), rapid.Int64Range(5_000, 400_000), rapid.Int64Range(2_000_000, 3_680_000),
	), func(mW int64) wattline.Milli { return wattline.Milli(mW) })
}

// anySocket has been on for some time, with its counter anywhere in its step.
func anySocket(t *rapid.T, power wattline.Milli) *socket {
	return &socket{
		at: start, power: power, closed: start.Add(-time.Duration(rapid.Int64Range(0, 1e6).Draw(t, "on for")) * time.Second),
		counter: wattline.Milli(rapid.Int64Range(0, 50_000*int64(halfMilliseconds)).Draw(t, "counter")),
	}
}

func anyInterval(t *rapid.T) time.Duration {
	return rapid.SampledFrom([]time.Duration{time.Second, 5 * time.Second, 10 * time.Second, time.Minute}).Draw(t, "interval")
}

// Whatever the load, how often the plug is read, and where in its step the counter
// stood: the first quarter-hour after the first contact, and every other.
func TestAQuarterHourOfSteadyPowerIsTrueToOnePercent(t *testing.T) {
	const quarter = 15 * time.Minute
	check := func(t interface{ Fatalf(string, ...any) }, w *watch) {
		for number := range 3 {
			w.read()
			from, used := w.last.EnergyWh, w.used()
			for end := w.at.Add(quarter); w.at.Before(end); w.read() {
				w.pass(w.interval, w.power)
			}
			used = w.used() - used
			if got, tolerance := w.last.EnergyWh-from, used/100+2; got < used-tolerance || got > used+tolerance {
				t.Fatalf("quarter-hour %d at %v W: %v Wh were measured as %v Wh", number, w.power, used, got)
			}
		}
	}
	for _, watts := range []wattline.Milli{300, 2_138, 3_599, 60_000, 3_000_000} {
		for _, interval := range []time.Duration{time.Second, 5 * time.Second, 7 * time.Second, 10 * time.Second} {
			for _, counter := range []wattline.Milli{0, 400, 999, 5_001} {
				t.Run(fmt.Sprintf("%v W every %v from %v Wh", watts, interval, counter), func(t *testing.T) {
					check(t, newWatch(&socket{at: start, power: watts, counter: counter * halfMilliseconds}, interval))
				})
			}
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		check(t, newWatch(anySocket(t, anyPower().Draw(t, "power")), anyInterval(t)))
	})
}

// Where the power between two readings is the mean of theirs, nothing is missed:
// the energy is that of the truth, to the mWh, until nobody reads the plug for a
// while; and then to the step.
func TestEnergyStaysWithinAStepOfTheTruth(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWatch(anySocket(t, anyPower().Draw(t, "power")), anyInterval(t))
		w.read()
		tolerance := wattline.Milli(2)
		for range rapid.IntRange(1, 300).Draw(t, "polls") {
			length := w.interval
			if rapid.IntRange(0, 40).Draw(t, "away") == 0 {
				length = time.Duration(rapid.Int64Range(1, 200_000).Draw(t, "for")) * time.Second
			}
			to := w.power
			if rapid.IntRange(0, 4).Draw(t, "turn") == 0 {
				to = anyPower().Draw(t, "power")
			}
			w.pass(length, to)
			before := w.last.EnergyWh
			now := w.read()
			if now.EnergyWh < before || now.Validate() != nil {
				t.Fatalf("energy went from %v to %v, %v", before, now.EnergyWh, now.Validate())
			}
			if now.CoversS == 0 {
				tolerance = meterStep + 2
			}
			if off := w.off(); off < -tolerance || off > tolerance {
				t.Fatalf("%v Wh more than was used, of which %v Wh, phase %+v", off, w.used(), w.last.phase)
			}
		}
	})
}

// Where it is not, what is missed does not add up: it is a step of the counter for
// where it stood at first, one for where it stands, and one for what it was taken for
// in between.
func TestPowerThatIsMissedNeverAddsUp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWatch(anySocket(t, anyPower().Draw(t, "power")), anyInterval(t))
		w.read()
		for range rapid.IntRange(1, 300).Draw(t, "polls") {
			// What the plug shows at the polls says little of what it takes between.
			for range rapid.IntRange(1, 4).Draw(t, "turns") {
				w.pass(w.interval/4, anyPower().Draw(t, "power"))
			}
			shown := w.power
			if rapid.IntRange(0, 9).Draw(t, "spike") == 0 {
				w.power = wattline.Milli(rapid.SampledFrom([]int64{-1, 100_000_001, 1_000_000_000}).Draw(t, "shows"))
			}
			before := w.last.EnergyWh
			now := w.read()
			w.power = shown
			if now.EnergyWh < before {
				t.Fatalf("energy fell from %v to %v", before, now.EnergyWh)
			}
			if off := w.off(); off < -3*meterStep || off > 3*meterStep {
				t.Fatalf("%v Wh more than was used, of which %v Wh, phase %+v", off, w.used(), w.last.phase)
			}
		}
	})
}

func TestAPowerSpikeDoesNotMoveTheEnergy(t *testing.T) {
	w := newWatch(&socket{at: start, power: 60_000, counter: 400 * halfMilliseconds}, 5*time.Second)
	for range 100 {
		w.read()
		w.pass(w.interval, 60_000)
	}
	spike := w.measure()
	spike.Meter.PowerW = 500_000_000
	next := account(subject{device: "desk-1", interval: w.interval}, w.last, spike)
	if w.last = &next; !next.Quality.Has(wattline.QualityImplausible) {
		t.Error("it is not flagged")
	}
	if off := w.off(); off < -1 || off > 1 {
		t.Errorf("at the spike the energy is off by %v Wh", off)
	}
	w.pass(w.interval, 60_000)
	if w.read(); w.off() < -1 || w.off() > 1 {
		t.Errorf("after the spike the energy is off by %v Wh", w.off())
	}
}

func TestOnThePhaseDependsHowFarTheNextStepIs(t *testing.T) {
	reading := wattline.Reading{EnergyWh: 105_300, MeterWh: 5_000}
	if got := unknownPhase(reading); got != (phase{low: 99_301, high: 100_300}) {
		t.Errorf("of one reading: %+v", got)
	}
	w := newWatch(&socket{at: start, power: 60_000, counter: 5_400 * halfMilliseconds}, 5*time.Second)
	for range 20 {
		w.read()
		w.pass(w.interval, 60_000)
	}
	// Read at 5.4 Wh, it was taken to be in the middle of its step.
	if p := w.last.phase; p.low > 100 || p.high < 100 || p.high-p.low > 84 {
		t.Errorf("once a step was seen: %+v", p)
	}
}
