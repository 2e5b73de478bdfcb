package emulator_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/agents/emulator"
)

// Every profile, any relay switching, asked at any instants: the parts of a span
// add up to the whole, and the running counter is the whole.
func TestTrueEnergyIsExact(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		profile := rapid.SampledFrom(emulator.Profiles()).Draw(t, "profile")
		clock := clockAt(monday(rapid.IntRange(0, 23).Draw(t, "hour")))
		born := clock.Now()
		spec := emulator.Spec{ID: "p", Model: emulator.HS110HW4, Profile: profile, Seed: rapid.Uint64().Draw(t, "seed")}
		watched, err := emulator.NewPlug(spec, emulator.Options{Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		unwatched, err := emulator.NewPlug(spec, emulator.Options{Now: clock.Now})
		if err != nil {
			t.Fatal(err)
		}
		instants := []time.Time{born}
		for range rapid.IntRange(1, 12).Draw(t, "steps") {
			clock.Forward(time.Duration(rapid.Int64Range(1, 4*3600_000).Draw(t, "ms")) * time.Millisecond)
			instants = append(instants, clock.Now())
			switch rapid.IntRange(0, 3).Draw(t, "act") {
			case 0:
				watched.PressButton(0)
				unwatched.PressButton(0)
			case 1:
				watched.TrueEnergy(0)
			case 2:
				answer(t, watched, both)
			}
		}
		pick := rapid.IntRange(0, len(instants)-1)
		a, b, c := instants[pick.Draw(t, "a")], instants[pick.Draw(t, "b")], instants[pick.Draw(t, "c")]
		a, b, c = sorted(a, b, c)
		between := func(from, to time.Time) emulator.Energy {
			energy, err := watched.TrueEnergyBetween(0, from, to)
			if err != nil {
				t.Fatal(err)
			}
			return energy
		}
		if ab, bc, ac := between(a, b), between(b, c), between(a, c); ab+bc != ac {
			t.Fatalf("%d + %d is not %d", ab, bc, ac)
		}
		whole := between(born, clock.Now())
		if got := watched.TrueEnergy(0); got != whole {
			t.Fatalf("the counter is %d, the whole span %d", got, whole)
		}
		if got := unwatched.TrueEnergy(0); got != whole {
			t.Fatalf("%d if nobody asks, %d if somebody does", got, whole)
		}
		if got := watched.MeterWh(0); got != whole.WholeWh() {
			t.Fatalf("the meter shows %d Wh of %d µJ", got, whole)
		}
	})
}

func sorted(a, b, c time.Time) (time.Time, time.Time, time.Time) {
	if b.Before(a) {
		a, b = b, a
	}
	if c.Before(b) {
		b, c = c, b
	}
	if b.Before(a) {
		a, b = b, a
	}
	return a, b, c
}

// A demand holds until it says so, whatever instant before is asked.
func TestLoadsAreConstantUntilTheySayOtherwise(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	rapid.Check(t, func(t *rapid.T) {
		load, err := emulator.NewLoad(rapid.SampledFrom(emulator.Profiles()).Draw(t, "profile"), rapid.Uint64().Draw(t, "seed"), madrid)
		if err != nil {
			t.Fatal(err)
		}
		at := rapid.Int64Range(-1e12, 4e12).Draw(t, "at")
		demand := load.At(at)
		if demand.Until <= at || demand.PowerMW < 0 || demand.PowerMW > 3_700_000 {
			t.Fatalf("at %d: %+v", at, demand)
		}
		within := rapid.Int64Range(at, min(demand.Until-1, at+86_400_000)).Draw(t, "within")
		if again := load.At(within); again != demand {
			t.Fatalf("at %d %+v, at %d %+v", at, demand, within, again)
		}
	})
}

func TestProfilesAreBelievable(t *testing.T) {
	t.Parallel()
	mean := func(t *testing.T, profile emulator.Profile, from time.Time, d time.Duration) float64 {
		t.Helper()
		var watts float64
		const seeds = 20
		for seed := range uint64(seeds) {
			clock := clockAt(from)
			plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Profile: profile, Seed: seed}, emulator.Options{Now: clock.Now})
			clock.Forward(d)
			watts += float64(plug.TrueEnergy(0)) / 1000 / float64(d.Milliseconds()) / seeds
		}
		return watts
	}
	for _, c := range []struct {
		profile  emulator.Profile
		from     time.Time
		d        time.Duration
		min, max float64
	}{
		{emulator.Workstation, monday(10), 2 * time.Hour, 45, 110},
		{emulator.Workstation, monday(2), 4 * time.Hour, 0.5, 15},
		{emulator.Workstation, monday(10).AddDate(0, 0, -1), 4 * time.Hour, 0.5, 5},
		{emulator.MeetingRoom, monday(9), 9 * time.Hour, 20, 120},
		{emulator.MeetingRoom, monday(20), 9 * time.Hour, 0.5, 5},
		{emulator.Printer, monday(9), 9 * time.Hour, 20, 150},
		{emulator.Printer, monday(0), 7 * time.Hour, 1, 3},
		{emulator.Fridge, monday(0), 48 * time.Hour, 15, 50},
		{emulator.Coffee, monday(9), 8 * time.Hour, 20, 150},
		{emulator.Network, monday(0), 24 * time.Hour, 20, 36},
		{emulator.Lamp, monday(9), 8 * time.Hour, 8, 40},
		{emulator.Charger, monday(9), 8 * time.Hour, 5, 30},
		{emulator.Nothing, monday(0), 24 * time.Hour, 0, 0},
	} {
		t.Run(fmt.Sprintf("%s from %s", c.profile, c.from.Format("Mon 15:04")), func(t *testing.T) {
			if got := mean(t, c.profile, c.from, c.d); got < c.min || got > c.max {
				t.Errorf("%.1f W on average, want %v to %v", got, c.min, c.max)
			}
		})
	}
}

func TestSpansThatAreNotRemembered(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000)}, emulator.Options{Now: clock.Now})
	clock.Forward(time.Hour)
	for name, span := range map[string][2]time.Time{
		"before it was made": {monday(8), monday(9)},
		"in the future":      {monday(9), monday(11)},
		"backwards":          {monday(10), monday(9)},
	} {
		if _, err := plug.TrueEnergyBetween(0, span[0], span[1]); !errors.Is(err, emulator.ErrSpan) {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("nor those before the last 1,024 switchings", func(t *testing.T) {
		for range 1200 {
			clock.Forward(time.Second)
			plug.PressButton(0)
		}
		if _, err := plug.TrueEnergyBetween(0, monday(9), clock.Now()); !errors.Is(err, emulator.ErrSpan) {
			t.Errorf("got %v", err)
		}
		if got, err := plug.TrueEnergyBetween(0, clock.Now().Add(-100*time.Second), clock.Now()); err != nil || got != 50*1_000*1_000 {
			t.Errorf("the last 100 s: %d, %v", got, err)
		}
		if got := len(plug.RelayHistory(0)); got != 1024 {
			t.Errorf("%d changes are remembered", got)
		}
	})
}

func TestTheCounter(t *testing.T) {
	kilowatt := emulator.Steady(1_000_000)
	start := func(t *testing.T, model emulator.Model) (*emulator.Plug, *hands) {
		clock := clockAt(monday(12))
		plug := newPlug(t, emulator.Spec{Model: model, Load: kilowatt}, emulator.Options{Now: clock.Now})
		clock.Forward(time.Hour)
		if got := plug.MeterWh(0); got != 1000 {
			t.Fatalf("%d Wh after an hour of a kilowatt", got)
		}
		return plug, clock
	}
	days := `{"emeter":{"get_daystat":{"year":2026,"month":9}}}`

	t.Run("starts from zero after a power cut, the statistics and the relay do not", func(t *testing.T) {
		plug, clock := start(t, emulator.HS110HW1)
		if err := plug.SetFault(emulator.Fault{Kind: emulator.PowerCut, For: time.Minute}); err != nil {
			t.Fatal(err)
		}
		clock.Forward(30 * time.Second)
		if plug.Reachable() {
			t.Error("it is reachable without mains")
		}
		clock.Forward(30*time.Second + 36*time.Second)
		if got := plug.MeterWh(0); got != 10 {
			t.Errorf("the counter is %d Wh, want those since the mains came back", got)
		}
		if got := plug.TrueEnergy(0).WholeWh(); got != 1010 {
			t.Errorf("%d Wh went through", got)
		}
		if got := rawAnswer(t, plug, days); got != `{"emeter":{"get_daystat":{"day_list":[{"year":2026,"month":9,"day":7,"energy":1.010000}],"err_code":0}}}` {
			t.Errorf("statistics are %s", got)
		}
		if got := answer(t, plug, sysinfo).at("system", "get_sysinfo", "on_time"); !plug.Relay(0) || got != 36.0 {
			t.Errorf("relay %v, on for %v s", plug.Relay(0), got)
		}
	})
	t.Run("of hardware 1 survives erasing the statistics", func(t *testing.T) {
		plug, _ := start(t, emulator.HS110HW1)
		wantCode(t, answer(t, plug, `{"emeter":{"erase_emeter_stat":{}}}`), 0, "emeter", "erase_emeter_stat")
		if got := rawAnswer(t, plug, days); got != `{"emeter":{"get_daystat":{"day_list":[],"err_code":0}}}` {
			t.Errorf("statistics are %s", got)
		}
		if got := answer(t, plug, realtime).at("emeter", "get_realtime", "total"); got != 1.0 {
			t.Errorf("total is %v kWh", got)
		}
	})
	t.Run("of hardware 4 is erased too", func(t *testing.T) {
		plug, _ := start(t, emulator.HS110HW4)
		if got := answer(t, plug, `{"emeter":{"erase_emeter_stat":{},"get_realtime":{}}}`).at("emeter", "get_realtime", "total_wh"); got != 0.0 {
			t.Errorf("total is %v Wh", got)
		}
		if got := plug.TrueEnergy(0).WholeWh(); got != 1000 {
			t.Errorf("the truth became %d Wh", got)
		}
	})
	t.Run("starts from zero after a reboot, with the load never off", func(t *testing.T) {
		plug, clock := start(t, emulator.HS110HW4)
		wantCode(t, answer(t, plug, `{"system":{"reboot":{"delay":1}}}`), 0, "system", "reboot")
		clock.Forward(500 * time.Millisecond)
		if !plug.Reachable() {
			t.Error("gone before its delay")
		}
		clock.Forward(time.Second)
		if plug.Reachable() {
			t.Error("still there when it reboots")
		}
		clock.Forward(time.Hour - 1500*time.Millisecond)
		if got := plug.MeterWh(0); got != 998 {
			t.Errorf("%d Wh an hour later", got)
		}
		if got := plug.TrueEnergy(0).WholeWh(); got != 2000 || len(plug.RelayHistory(0)) != 0 {
			t.Errorf("%d Wh went through, relay %v", got, plug.RelayHistory(0))
		}
	})
	t.Run("does not move with the relay open", func(t *testing.T) {
		plug, clock := start(t, emulator.HS110HW4)
		answer(t, plug, `{"system":{"set_relay_state":{"state":0}}}`)
		clock.Forward(time.Hour)
		reply := answer(t, plug, realtime).sub("emeter", "get_realtime")
		if reply["power_mw"] != 0.0 || reply["current_ma"] != 0.0 || reply["total_wh"] != 1000.0 {
			t.Errorf("shows %v", reply)
		}
	})
	t.Run("does not go back with the host's clock", func(t *testing.T) {
		plug, clock := start(t, emulator.HS110HW4)
		clock.Forward(-30 * time.Minute)
		if got := plug.MeterWh(0); got != 1000 {
			t.Errorf("%d Wh", got)
		}
		clock.Forward(time.Hour)
		if got := plug.MeterWh(0); got != 1500 {
			t.Errorf("%d Wh once time is ahead again", got)
		}
	})
}

func TestStatisticsAreSparseAndByTheDayOfThePlug(t *testing.T) {
	madrid, err := time.LoadLocation("Europe/Madrid")
	if err != nil {
		t.Fatal(err)
	}
	clock := clockAt(time.Date(2026, 8, 31, 21, 0, 0, 0, time.UTC)) // 23 h in Madrid
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(100_000)}, emulator.Options{Now: clock.Now, Zone: madrid})
	clock.Forward(3 * time.Hour) // 02 h on the 1st
	plug.PressButton(0)
	clock.Forward(47 * time.Hour) // 01 h on the 3rd
	plug.PressButton(0)
	clock.Forward(time.Hour)
	for request, want := range map[string]string{
		`{"emeter":{"get_daystat":{"year":2026,"month":8}}}`:   `{"emeter":{"get_daystat":{"day_list":[{"year":2026,"month":8,"day":31,"energy_wh":100}],"err_code":0}}}`,
		`{"emeter":{"get_daystat":{"year":2026,"month":9}}}`:   `{"emeter":{"get_daystat":{"day_list":[{"year":2026,"month":9,"day":1,"energy_wh":200},{"year":2026,"month":9,"day":3,"energy_wh":100}],"err_code":0}}}`,
		`{"emeter":{"get_monthstat":{"year":2026}}}`:           `{"emeter":{"get_monthstat":{"month_list":[{"year":2026,"month":8,"energy_wh":100},{"year":2026,"month":9,"energy_wh":300}],"err_code":0}}}`,
		`{"emeter":{"get_monthstat":{"year":2025}}}`:           `{"emeter":{"get_monthstat":{"month_list":[],"err_code":0}}}`,
		`{"schedule":{"get_daystat":{"year":2026,"month":9}}}`: `{"schedule":{"get_daystat":{"day_list":[{"year":2026,"month":9,"day":1,"time":120},{"year":2026,"month":9,"day":3,"time":60}],"err_code":0}}}`,
	} {
		if got := rawAnswer(t, plug, request); got != want {
			t.Errorf("%s is\n%s\nwant\n%s", request, got, want)
		}
	}
}

func TestHistoryIsInTheCountersFromTheStart(t *testing.T) {
	clock := clockAt(monday(0))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(10_000)}, emulator.Options{Now: clock.Now, History: 72 * time.Hour})
	if got := plug.MeterWh(0); got != 720 {
		t.Errorf("%d Wh after three days of 10 W", got)
	}
	if got := answer(t, plug, `{"emeter":{"get_daystat":{"year":2026,"month":9}}}`).list("emeter", "get_daystat", "day_list"); len(got) != 3 {
		t.Errorf("day list is %v", got)
	}
}

func TestTimeCanRunFaster(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000_000)}, emulator.Options{Now: clock.Now, Speed: 360})
	clock.Forward(10 * time.Second)
	if got := plug.MeterWh(0); got != 1000 {
		t.Errorf("%d Wh after an hour in 10 s", got)
	}
}
