package collector_test

import (
	"context"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// twentyADay is the statistics of a plug that counts 20 Wh every day.
func twentyADay(context.Context) kasa.Days {
	days := kasa.Days{Zone: time.UTC, First: kasa.Date{Year: 2000, Month: 1, Day: 1}, Wh: map[kasa.Date]wattline.Milli{}}
	for day := days.First; !kasa.DateOf(time.Now(), time.UTC).Before(day); day = day.Next() {
		days.Wh[day] = 20_000
	}
	return days
}

// away takes desk-1 away for two days from three in the afternoon, in which it
// counts 60 Wh. It returns how many readings there are before.
func (o office) away(comesBack func()) (readings int) {
	time.Sleep(15 * time.Hour)
	o.plugs.tell("desk-1.lan", twentyADay)
	o.plugs.set("desk-1.lan", metered)
	slow := device("desk-1")
	slow.PollS = 60_000 // two days take their time
	o.bus.DeliverDevice(slow)
	after(5 * time.Minute)
	o.plugs.set("desk-1.lan", refused)
	after(48 * time.Hour)
	readings = len(o.journal.kept())
	comesBack()
	o.plugs.set("desk-1.lan", func(ctx context.Context) (kasa.Measurement, error) {
		m, err := metered(ctx)
		m.Meter.TotalWh += 60_000
		return m, err
	})
	return readings
}

func TestTheDaysOfAnOutageComeBeforeTheReadingAfterIt(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		have := o.away(func() {})
		after(61 * time.Second)
		got := o.journal.kept()[have:]
		if len(got) < 3 || got[0].Quality != wattline.QualityEstimated || got[1].Quality != wattline.QualityEstimated || got[2].Quality != wattline.QualityAfterGap {
			t.Fatalf("%+v", got)
		}
		for i, want := range []string{"2000-01-01T23:59:59.999Z", "2000-01-02T23:59:59.999Z"} {
			if got[i].Time.String() != want {
				t.Errorf("at %v", got[i].Time)
			}
		}
		if a, b := got[1].EnergyWh-got[0].EnergyWh, got[2].EnergyWh-got[1].EnergyWh; a < 20_000 || a > 20_999 || a != b {
			t.Errorf("the second day got %v Wh and today %v Wh", a, b)
		}
		for _, r := range o.readings("desk-1") {
			if r.Quality.Has(wattline.QualityEstimated) {
				t.Errorf("published as news: %+v", r)
			}
		}
		if asked := o.plugs.askedOf("desk-1.lan"); asked != 2 {
			t.Errorf("the plug was asked %d times for its statistics", asked)
		}
	})
}

// A plug that got its power back does not know the time until it has found a server.
func TestTheReadingAfterAnOutageWaitsForTheStatistics(t *testing.T) {
	lost := func(ctx context.Context) (kasa.Measurement, error) { // its power just before it came back
		m, err := metered(ctx)
		m.Meter.TotalWh, m.OnTime = 0, time.Second
		return m, err
	}
	never := func(ctx context.Context) kasa.Days {
		days := twentyADay(ctx)
		days.Ahead = -26 * 365 * 24 * time.Hour
		return days
	}
	for name, c := range map[string]struct {
		days   func(context.Context) kasa.Days // at first
		answer func(context.Context) (kasa.Measurement, error)
	}{
		"whose clock is not right yet, and whose counter began anew": {never, lost},
		"whose clock is not right yet":                               {never, nil},
		"that does not answer":                                       {nil, nil},
	} {
		t.Run(name, func(t *testing.T) {
			run(t, func(t *testing.T, o office) {
				have := o.away(func() { o.plugs.tell("desk-1.lan", c.days) })
				if c.answer != nil {
					o.plugs.set("desk-1.lan", c.answer)
				}
				after(90 * time.Second)
				if got := o.journal.kept(); len(got) > have || len(o.states("desk-1")) == 0 {
					t.Fatalf("%+v", got[have:])
				}
				o.plugs.tell("desk-1.lan", twentyADay)
				after(61 * time.Second)
				got := o.journal.kept()
				if len(got) < have+3 || got[have].Quality != wattline.QualityEstimated {
					t.Fatalf("%+v", got[have:])
				}
				if used := got[have+2].EnergyWh - got[have-1].EnergyWh; used < 40_000 || used > 62_000 {
					t.Errorf("%v Wh were used in two days", used)
				}
			})
		})
	}
	t.Run("that keeps none, and never did, is not waited for", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			o.add("desk-1", metered)
			after(time.Minute)
			o.plugs.set("desk-1.lan", refused)
			after(24 * time.Hour)
			have := len(o.journal.kept())
			o.plugs.set("desk-1.lan", lost)
			after(7 * time.Second)
			if got := o.journal.kept(); len(got) == have {
				t.Error("there is no reading within a poll")
			}
		})
	})
}

func TestWhoeverGivesUpWaitingDoesNotTakeTheDaysAway(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		have := o.away(func() {
			o.plugs.tell("desk-1.lan", func(ctx context.Context) kasa.Days {
				<-ctx.Done()
				return kasa.Days{}
			})
		})
		impatient, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := o.read(impatient, "desk-1"); err == nil {
			t.Error("there is an answer")
		}
		o.plugs.tell("desk-1.lan", twentyADay)
		after(61 * time.Second)
		if got := o.journal.kept()[have:]; len(got) < 3 || got[0].Quality != wattline.QualityEstimated {
			t.Errorf("%+v", got)
		}
	})
}

func TestAPlugThatHangsOnItsStatisticsIsReadAllTheSame(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		have := o.away(func() {
			o.plugs.tell("desk-1.lan", func(ctx context.Context) kasa.Days {
				<-ctx.Done()
				return kasa.Days{Zone: time.UTC, Ahead: time.Hour}
			})
		})
		after(15 * time.Minute)
		if got := o.journal.kept()[have:]; len(got) < 10 || got[0].Quality != wattline.QualityAfterGap || got[0].EnergyWh-o.journal.kept()[have-1].EnergyWh < 59_000 {
			t.Errorf("%d readings, the first %+v", len(got), got[0])
		}
	})
}

func TestStatisticsThatAreNotToBeHadHarmNothing(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(10 * time.Minute)
		if n := len(o.readings("desk-1")); n < 118 || n > 122 {
			t.Errorf("%d readings in ten minutes", n)
		}
		if asked := o.plugs.askedOf("desk-1.lan"); asked != 1 {
			t.Errorf("the plug was asked %d times", asked)
		}
		after(3 * time.Hour)
		if asked := o.plugs.askedOf("desk-1.lan"); asked != 4 {
			t.Errorf("the plug was asked %d times in three hours", asked)
		}
	})
}
