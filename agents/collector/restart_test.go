package collector

import (
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// reboot restarts the plug with its load never off.
func (s *socket) reboot(length time.Duration) {
	s.pass(length, s.power)
	s.closed, s.counter = s.at, 0
}

// swap puts another plug in its place, with what it has counted before.
func (s *socket) swap(mac string, counter wattline.Milli, on time.Duration) {
	s.mac, s.counter, s.closed = mac, counter*halfMilliseconds, s.at.Add(-on)
}

// after runs a socket of 60 W for ten minutes, lets something happen, and reads on
// for ten more.
func after(t *testing.T, interval time.Duration, happens func(*watch)) *watch {
	t.Helper()
	w := newWatch(&socket{at: start, power: 60_000, counter: 5_400 * halfMilliseconds, mac: "A"}, interval)
	steadily := func() {
		for end := w.at.Add(10 * time.Minute); ; w.pass(interval, w.power) {
			before := w.last
			now := w.read()
			if before != nil && now.EnergyWh < before.EnergyWh {
				t.Fatalf("energy fell from %v to %v", before.EnergyWh, now.EnergyWh)
			}
			if !w.at.Before(end) {
				return
			}
		}
	}
	steadily()
	happens(w)
	steadily()
	return w
}

func TestWhatACounterLosesIsFilledIn(t *testing.T) {
	const second = time.Second
	const gap, reset = wattline.QualityAfterGap, wattline.QualityMeterReset
	const poll wattline.Milli = 84 // 60 W for 5 s
	for name, c := range map[string]struct {
		happens   func(*watch)
		tolerance wattline.Milli
		quality   wattline.Quality
	}{
		"erased":                     {func(w *watch) { w.pass(2*second, 60_000); w.erase(); w.pass(3*second, 60_000) }, 2, reset},
		"restarted":                  {func(w *watch) { w.reboot(3 * second); w.pass(2*second, 60_000) }, 2, reset},
		"without power for a moment": {func(w *watch) { w.pass(2*second, 60_000); w.cut(second); w.pass(2*second, 60_000) }, poll, reset},
		"without power for a minute": {func(w *watch) { w.cut(time.Minute); w.pass(second, 60_000) }, poll, gap | reset},
		"without power for a day":    {func(w *watch) { w.cut(24 * time.Hour); w.pass(second, 60_000) }, poll, gap | reset},
		"without power again and again": {func(w *watch) {
			for range 3 {
				w.cut(20 * second)
				w.pass(5*second, 60_000)
				w.read()
			}
			w.pass(5*second, 60_000)
		}, 3 * poll, gap | reset},
		"switched off for a while":        {func(w *watch) { w.at = w.at.Add(time.Hour); w.closed = w.at; w.pass(second, 60_000) }, 500 + poll, gap},
		"restarted and away for a minute": {func(w *watch) { w.cut(second); w.pass(time.Minute, 60_000) }, 2 * poll, gap | reset},
		"restarted and away for two hours": {func(w *watch) {
			w.counter += 900_000 * halfMilliseconds
			w.last.MeterWh += 900_000
			w.last.phase = knownPhase(w.last.phase.middle() - 900_000)
			w.cut(second)
			w.pass(2*time.Hour, 60_000)
		}, 500 + poll, gap | reset},
		"away for an hour":                   {func(w *watch) { w.pass(time.Hour, 60_000) }, 600, gap},
		"replaced by a new plug":             {func(w *watch) { w.cut(time.Minute); w.swap("B", 0, 0); w.pass(5*second, 60_000) }, poll, gap | reset},
		"replaced by one that ran elsewhere": {func(w *watch) { w.swap("B", 777_300, 30*time.Hour); w.pass(5*second, 60_000) }, poll, reset},
		"by one that has counted less":       {func(w *watch) { w.swap("B", 1_300, 30*time.Hour); w.pass(5*second, 60_000) }, poll, reset},
		"by one that shows the same":         {func(w *watch) { w.swap("B", 15_400, 30*time.Hour); w.pass(5*second, 60_000) }, poll, reset},
		"and put back": {func(w *watch) {
			counter := w.counter / halfMilliseconds
			w.cut(time.Minute)
			w.swap("B", 0, 0)
			w.pass(5*second, 60_000)
			w.read()
			w.pass(5*second, 60_000)
			w.swap("A", counter, 30*time.Hour)
		}, 2 * poll, gap | reset},
	} {
		t.Run(name, func(t *testing.T) {
			w := after(t, 5*time.Second, c.happens)
			if off := w.off(); off < -c.tolerance || off > c.tolerance || w.flagged != c.quality {
				t.Errorf("%v Wh more than was used, quality %q, phase %+v", off, w.flagged, w.last.phase)
			}
		})
	}
}

// Whatever happens to a plug, its energy does not fall, and each time no more is
// wrong than was used between two polls, and a step where nobody was reading.
func TestEnergySurvivesWhateverHappensToAPlug(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		power := anyPower().Draw(t, "power")
		w := newWatch(anySocket(t, power), anyInterval(t))
		w.mac = "A"
		w.read()
		poll := over(power, w.interval) + 2
		tolerance := wattline.Milli(2)
		for range rapid.IntRange(1, 200).Draw(t, "polls") {
			switch rapid.IntRange(0, 30).Draw(t, "happens") {
			case 0:
				w.cut(time.Duration(rapid.Int64Range(1, 3_000_000).Draw(t, "ms")) * time.Millisecond)
				tolerance += poll + over(power, 3*time.Second)
			case 1:
				w.reboot(3 * time.Second)
				tolerance += poll + over(power, 6*time.Second)
			case 2:
				w.erase()
				tolerance += poll
			case 3:
				w.pass(time.Duration(rapid.Int64Range(1, 3_000).Draw(t, "s"))*time.Second, power)
				tolerance += meterStep
			case 4:
				w.cut(time.Duration(rapid.Int64Range(1, 600).Draw(t, "s")) * time.Second)
				w.mac += "'"
				tolerance += poll + over(power, 3*time.Second)
			}
			w.pass(w.interval, power)
			before := w.last.EnergyWh
			now := w.read()
			if now.EnergyWh < before {
				t.Fatalf("energy fell from %v to %v", before, now.EnergyWh)
			}
			memo, err := now.memo()
			now.anew, now.read = false, time.Time{}
			if again := remembered(now.Reading, memo); err != nil || *again != now {
				t.Fatalf("%+v is remembered as %+v, error %v", now, *again, err)
			}
			w.last = remembered(now.Reading, memo)
			// A step for where in it the counter stands, and one because a counter that is
			// set back to zero twice within a step cannot be told from one that stands.
			if off := w.off(); off < -tolerance-2*meterStep || off > tolerance+2*meterStep {
				t.Fatalf("%v Wh more than was used, of which %v Wh, and %v are the most: phase %+v, quality %q", off, w.used(), tolerance, w.last.phase, now.Quality)
			}
		}
	})
}

// A device's first reading is of a plug that may have none to tell it by.
func TestAPlugWithoutAnIdentityReplacesNone(t *testing.T) {
	w := newWatch(&socket{at: start, power: 60_000}, 5*time.Second)
	for _, mac := range []string{"", "A", "", "A"} {
		w.mac = mac
		if now := w.read(); now.Quality != 0 {
			t.Errorf("%q is flagged %q", mac, now.Quality)
		}
		w.pass(5*time.Second, 60_000)
	}
}

func TestOutletsOfAStripAreToldApart(t *testing.T) {
	const mac, whole = "B0:95:75:00:03:00", "800600000000000000000000000000000000030001"
	for outlet, want := range map[string]string{"": mac, "01": mac + "/01", whole: mac + "/01", "02": mac + "/02"} {
		if got := (subject{outlet: outlet}).hardware(mac); got != want {
			t.Errorf("outlet %q is %q", outlet, got)
		}
	}
	if got := (subject{outlet: "01"}).hardware(""); got != "" {
		t.Errorf("without an address it is %q", got)
	}
}

// A relay that was switched off and on while nobody read the plug looks like a loss of
// power, and what the statistics have besides like something lost.
func TestACounterMayHaveBegunAnewIfItCanHaveComeSoFarSince(t *testing.T) {
	for name, c := range map[string]struct {
		closed time.Duration
		meter  wattline.Milli
		want   bool
	}{
		"it stands where a minute may have brought it":        {time.Minute, 68_000, true},
		"no plug gives that in a minute":                      {time.Minute, 70_000, false},
		"the relay was closed all the time":                   {2 * time.Hour, 68_000, false},
		"the relay was closed all the time, the counter fell": {2 * time.Hour, 1_000, true},
	} {
		t.Run(name, func(t *testing.T) {
			previous := before()
			m := measured(start.Add(time.Hour), 72_000, c.meter)
			m.OnTime = c.closed
			if got := account(subject{device: "desk-1", interval: 5 * time.Second}, &previous, m); got.anew != c.want {
				t.Errorf("%+v", got)
			}
		})
	}
}
