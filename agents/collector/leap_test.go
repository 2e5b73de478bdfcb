package collector

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// process is a collector's that has just started, with a clock that may be behind.
type process struct {
	last  *counted
	doubt doubt
	clock time.Time
}

// starts goes on from what is on the disk.
func starts(t rapid.TB, last counted, clock time.Time) *process {
	t.Helper()
	memo, err := last.memo()
	if err != nil {
		t.Fatal(err)
	}
	return &process{last: remembered(last.Reading, memo), clock: clock}
}

// poll reads a counter and tells whether that was recorded.
func (p *process) poll(meter wattline.Milli) bool {
	p.clock = p.clock.Add(5 * time.Second)
	next := account(subject{device: "desk-1", interval: 5 * time.Second}, p.last, measured(p.clock, 72_000, meter))
	if p.doubt.holdsBack(&next, p.last) {
		return false
	}
	p.last, p.doubt = &next, doubt{}
	return true
}

func TestAnUnlikelyCounterIsBelievedWhenTwoPollsAgree(t *testing.T) {
	const stood wattline.Milli = 5_000
	const implausible, gap = wattline.QualityImplausible, wattline.QualityAfterGap
	for name, c := range map[string]struct {
		counters []wattline.Milli // in Wh beyond where it stood
		recorded int
		used     wattline.Milli // in Wh, to 1 Wh
		quality  wattline.Quality
	}{
		"it stands where it stood":               {[]wattline.Milli{0}, 1, 0, 0},
		"it went as far as the clock, about":     {[]wattline.Milli{7}, 1, 7, 0},
		"further, and the next poll agrees":      {[]wattline.Milli{900, 901}, 1, 901, gap},
		"further, and the next poll does not":    {[]wattline.Milli{900_000, 0}, 1, 0, 0},
		"another doubtful one comes first":       {[]wattline.Milli{900_000, 900, 901}, 1, 901, gap},
		"the polls never agree":                  {[]wattline.Milli{900, 800, 700, 600, 500}, 1, 0, gap | implausible},
		"it went as far as nobody may have read": {[]wattline.Milli{31 * 24 * 4_000, 31 * 24 * 4_000}, 1, 31 * 24 * 4_000, gap},
		"and what no plug gives is not believed": {[]wattline.Milli{31*24*4_000 + 5}, 1, 0, implausible},
	} {
		t.Run(name, func(t *testing.T) {
			p := starts(t, before(), start)
			recorded := 0
			for _, beyond := range c.counters {
				if p.poll(stood + beyond*1000) {
					recorded++
				}
			}
			used := p.last.EnergyWh - before().EnergyWh
			if off := used - c.used*1000; recorded != c.recorded || off < -meterStep || off > meterStep || p.last.Quality != c.quality {
				t.Errorf("%d recorded, %v Wh used, quality %q", recorded, used, p.last.Quality)
			}
		})
	}
}

// Processes start with a clock that is behind, read nonsense first, and may be killed
// at any poll, also between two that would agree. The plug counts on all the time.
func TestNoEnergyIsLostOrCountedTwiceOverStarts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		meter := before().MeterWh
		p := starts(t, before(), start)
		began := rapid.IntRange(1, 8).Draw(t, "starts")
		for range began {
			p = starts(t, *p.last, p.last.Time.Time)
			meter += wattline.Milli(rapid.Int64Range(0, 90_000).Draw(t, "unread")) * meterStep
			if rapid.Bool().Draw(t, "nonsense") {
				p.poll(meter + wattline.Milli(rapid.Int64Range(100, 2_000_000).Draw(t, "beyond"))*meterStep)
			}
			for range rapid.IntRange(0, 3).Draw(t, "polls") {
				p.poll(meter)
			}
		}
		p.poll(meter)
		p.poll(meter)
		off := p.last.EnergyWh - before().EnergyWh - (meter - before().MeterWh)
		if most := wattline.Milli(began+1) * meterStep; off < -most || off > most {
			t.Fatalf("%v Wh more than was used after %d starts", off, began)
		}
	})
}
