package truth

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// begin is when everything in these tests begins.
var begin = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

func at(seconds float64) time.Time {
	return begin.Add(time.Duration(seconds * float64(time.Second)))
}

// honest is a run in which everything was as it should be: desk-1 was read at each
// second, switched off at 3.5 s and read back; desk-2 was read twice.
func honest() Ledger {
	l := Ledger{
		Plugs: map[string]string{"desk-1": "desk-1", "desk-2": "desk-2"}, Answers: map[string][]Answer{},
		Stored: map[string][]wattline.Reading{}, Admitted: map[string][]Span{},
		Energy: func(_ string, from, to time.Time) (wattline.Milli, error) {
			return wattline.Milli(100 * to.Sub(from).Seconds()), nil
		},
	}
	for i := 1; i <= 10; i++ {
		l.measure("desk-1", float64(i), i <= 3)
		if i == 3 {
			l.give("desk-1", Answer{At: at(3.5), Switched: true, Sent: true})
			l.give("desk-1", Answer{At: at(3.52), Sent: true, VoltageV: 230_000, MeterWh: 5_000_000})
		}
	}
	l.measure("desk-2", 10.2, true)
	l.measure("desk-2", 11.2, true)
	for _, store := range []string{"archive", "influx"} {
		l.Stored[store] = slices.SortedFunc(slices.Values(l.Taken), func(a, b wattline.Reading) int {
			if order := strings.Compare(a.Device, b.Device); order != 0 {
				return order
			}
			return a.Time.Compare(b.Time.Time)
		})
	}
	l.Shown = slices.Clone(l.Taken[:3])
	l.Commands = []Command{
		{ID: "a", Device: "desk-1", Asked: at(3.4), Told: at(3.6), Deadline: at(13.4), Outcome: wattline.OutcomeDone},
		{ID: "b", Device: "desk-2", Asked: at(3.4), Told: at(3.5), Deadline: at(13.4), Outcome: wattline.OutcomeRefused, Code: wattline.CodeProtected},
		{ID: "c", Device: "desk-2", Asked: at(3.4), Told: at(13.4), Deadline: at(13.4), Outcome: wattline.OutcomeTimeout, Code: wattline.CodeTimeout},
	}
	return l
}

// give adds an answer of a plug.
func (l *Ledger) give(plug string, a Answer) {
	a.N = int64(len(l.Answers[plug]) + 1)
	l.Answers[plug] = append(l.Answers[plug], a)
}

// measure adds a measurement and the reading that is made of it.
func (l *Ledger) measure(plug string, second float64, on bool) {
	a := Answer{
		At: at(second), On: on, Sent: true,
		PowerW: wattline.Milli(1000 * second), VoltageV: 230_000, CurrentA: wattline.Milli(10 * second), MeterWh: 5_000_000,
	}
	l.give(plug, a)
	l.Taken = append(l.Taken, wattline.Reading{
		Device: plug, Time: wattline.At(a.At.Add(7 * time.Millisecond)), PowerW: a.PowerW, VoltageV: a.VoltageV, CurrentA: a.CurrentA,
		MeterWh: a.MeterWh, EnergyWh: wattline.Milli(5_000_000 + 100*second), Relay: wattline.RelayOf(on), CoversS: 1000,
		Stream: "s", Seq: uint64(len(l.Taken) + 1),
	})
}

// did adds something that was done to the site.
func (l *Ledger) did(what plan.What, target, how string, from, to float64) {
	l.Faults = append(l.Faults, Fault{plan.Step{What: what, Target: target, How: how}, at(from), at(to)})
}

func TestAnHonestRunBreaksNoPromise(t *testing.T) {
	t.Parallel()
	l := honest()
	v := Judge(l)
	if len(v.Violations) > 0 {
		t.Errorf("broken:\n%s", v.Broken(l))
	}
	for _, row := range []string{"| readings taken | 12 |", "| readings stored in archive | 12 | 12 |", "| … done | 1 |", "| measurements that plugs gave | 13 |"} {
		if !strings.Contains(v.Table(), row) {
			t.Errorf("no %q in\n%s", row, v.Table())
		}
	}
}

// broken runs all checks on an honest run that something was done to, and wants so
// many violations of one promise, and none of any other.
func broken(t *testing.T, promise string, want int, spoil func(*Ledger)) {
	t.Helper()
	l := honest()
	spoil(&l)
	v := Judge(l)
	got := 0
	for _, b := range v.Violations {
		if b.Promise == promise {
			got++
		} else {
			t.Errorf("also broken: %v", b)
		}
	}
	if got != want {
		t.Errorf("%q was broken %d times, want %d:\n%s", promise, got, want, v.Broken(l))
	}
	if want > 0 && !strings.Contains(v.Broken(l), promise) {
		t.Errorf("it is not told:\n%s", v.Broken(l))
	}
}

func TestReadingsAreJudged(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		promise string
		spoil   func(*Ledger)
	}{
		"one is missing in a store": {promiseMissing + "influx", func(l *Ledger) { l.Stored["influx"] = l.Stored["influx"][1:] }},
		"one is twice in a store": {promiseDouble + "archive", func(l *Ledger) {
			l.Stored["archive"] = slices.Insert(l.Stored["archive"], 1, l.Stored["archive"][0])
		}},
		"one differs in the last digit": {promiseAltered + "archive", func(l *Ledger) { l.Stored["archive"][4].CurrentA++ }},
		"one differs in its doubts":     {promiseAltered + "archive", func(l *Ledger) { l.Stored["archive"][4].Quality = wattline.QualityAfterGap }},
		"two stand the wrong way round": {promiseOrder + "archive", func(l *Ledger) {
			s := l.Stored["archive"]
			s[1], s[2] = s[2], s[1]
		}},
		"a store has one that nobody took": {"readings in influx that nobody took", func(l *Ledger) {
			more := l.Stored["influx"][11]
			more.Time = wattline.At(more.Time.Add(time.Second))
			l.Stored["influx"] = append(l.Stored["influx"], more)
		}},
		"a query showed one as it was not": {promiseShown, func(l *Ledger) { l.Shown[1].PowerW++ }},
		"a query showed one of no time":    {promiseShown, func(l *Ledger) { l.Shown[1].Time = wattline.At(at(1.5)) }},
		"a plug gave one that nobody took": {promiseLost, func(l *Ledger) {
			l.give("desk-2", Answer{At: at(12.2), On: true, Sent: true})
		}},
		"a plug gave one long after it was read back": {promiseLost, func(l *Ledger) {
			l.give("desk-1", Answer{At: at(11), Sent: true})
		}},
	} {
		t.Run(name, func(t *testing.T) { broken(t, tc.promise, 1, tc.spoil) })
	}
}

// TestTheJournalIsJudged breaks the journal alone: what was made of it breaks too,
// and is judged for itself above.
func TestTheJournalIsJudged(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func([]wattline.Reading) []wattline.Reading{
		"a number is missing": func(r []wattline.Reading) []wattline.Reading { return slices.Delete(r, 3, 4) },
		"a number is twice":   func(r []wattline.Reading) []wattline.Reading { return slices.Insert(r, 3, r[3]) },
		"the stream changes":  func(r []wattline.Reading) []wattline.Reading { r[11].Stream = "other"; return r },
		"time stands still":   func(r []wattline.Reading) []wattline.Reading { r[3].Time = r[2].Time; return r },
		"energy falls":        func(r []wattline.Reading) []wattline.Reading { r[3].EnergyWh = r[2].EnergyWh - 1; return r },
	} {
		t.Run(name, func(t *testing.T) {
			if got := checkNumbers(spoil(honest().Taken)); len(got) != 1 {
				t.Errorf("%d violations, want one: %v", len(got), got)
			}
		})
	}
}

func TestAReadingMustBeWhatAPlugGave(t *testing.T) {
	t.Parallel()
	for name, spoil := range map[string]func(*Ledger){
		"it differs in one value":          func(l *Ledger) { l.Taken[4].VoltageV++ },
		"it differs in the relay":          func(l *Ledger) { l.Taken[4].Relay = wattline.RelayOn },
		"it was made up while nobody read": func(l *Ledger) { l.Taken[4].Time = wattline.At(at(60)) },
		"it counts an answer again":        func(l *Ledger) { l.Taken = append(l.Taken, l.Taken[11]) },
		"it came before the plug spoke":    func(l *Ledger) { l.Taken[0].Time = wattline.At(at(0.5)) },
	} {
		t.Run(name, func(t *testing.T) {
			l := honest()
			spoil(&l)
			if _, got := match(l); len(got) != 1 {
				t.Errorf("%d violations, want one: %v", len(got), got)
			}
		})
	}
	t.Run("unless it is made of the day statistics", func(t *testing.T) {
		l := honest()
		l.Taken = append(l.Taken, wattline.Reading{Device: "desk-2", Time: wattline.At(at(100)), Quality: wattline.QualityEstimated})
		if _, got := match(l); len(got) != 0 {
			t.Errorf("violations: %v", got)
		}
	})
}

func TestWhatExcusesALostMeasurement(t *testing.T) {
	t.Parallel()
	lose := func(l *Ledger) { l.give("desk-2", Answer{At: at(20), On: true, Sent: true}) }
	for name, tc := range map[string]struct {
		excuse func(*Ledger)
		fate   fate
	}{
		"nothing":                                       {func(*Ledger) {}, lost},
		"the collector was killed":                      {func(l *Ledger) { l.did(plan.Kill, plan.Agents, "", 20.1, 22) }, killed},
		"it was killed long before":                     {func(l *Ledger) { l.did(plan.Kill, plan.Agents, "", 10, 16) }, lost},
		"another process was killed":                    {func(l *Ledger) { l.did(plan.Kill, plan.Hook, "", 19, 22) }, lost},
		"the network was cut":                           {func(l *Ledger) { l.did(plan.Sever, plan.AllPlugs, "", 18, 20) }, cut},
		"the plug hung":                                 {func(l *Ledger) { l.did(plan.Fault, "desk-2", "hang", 18, 20) }, awry},
		"another plug hung":                             {func(l *Ledger) { l.did(plan.Fault, "desk-1", "hang", 18, 20) }, lost},
		"its clock was set":                             {func(l *Ledger) { l.did(plan.Clock, "desk-2", "1s", 20, 20) }, lost},
		"the collector had just heard of its new name":  {func(l *Ledger) { l.rename(5, 21) }, awry},
		"it had been renamed long before":               {func(l *Ledger) { l.rename(5, 10) }, lost},
		"the journal's disk was full":                   {func(l *Ledger) { l.did(plan.Fill, plan.JournalDisk, "", 18, 20) }, full},
		"the collector said so":                         {func(l *Ledger) { l.Admitted["desk-2"] = []Span{{at(20.5), at(23)}} }, admitted},
		"the collector said so of another one":          {func(l *Ledger) { l.Admitted["desk-1"] = []Span{{at(20.5), at(23)}} }, lost},
		"the collector said so too late":                {func(l *Ledger) { l.Admitted["desk-2"] = []Span{{at(30), at(33)}} }, lost},
		"it was read back":                              {func(l *Ledger) { l.order(19.8, 20.1, wattline.OutcomeDone) }, readBack},
		"it was read back for somebody who is not told": {func(l *Ledger) { l.order(19.8, 20.1, "") }, readBack},
		"it came after the command's answer":            {func(l *Ledger) { l.order(19.8, 19.95, wattline.OutcomeDone) }, lost},
	} {
		t.Run(name, func(t *testing.T) {
			l := honest()
			lose(&l)
			tc.excuse(&l)
			used, _ := match(l)
			fates, broken := checkLost(l, used)
			if fates[tc.fate] < 1 || (len(broken) > 0) != (tc.fate == lost) {
				t.Errorf("the fates are %v, want %q; %v", fates, tc.fate, broken)
			}
		})
	}
}

// rename gives desk-2 another name, under which it is first read at an instant.
func (l *Ledger) rename(told, read float64) {
	l.did(plan.Rename, "desk-2", "desk-2.renamed", told, told)
	l.Plugs["desk-2.renamed"] = "desk-2"
	l.Taken = append(l.Taken, wattline.Reading{Device: "desk-2.renamed", Time: wattline.At(at(read))})
}

func TestHowLongAPlugWasReadUnderTwoNames(t *testing.T) {
	t.Parallel()
	l := honest()
	l.did(plan.Rename, "desk-2", "desk-2.renamed", 5, 5)
	if got := twoNames(l); got != 0 {
		t.Errorf("%v, though nothing was read under the new one", got)
	}
	l.Taken = nil
	for _, r := range []struct {
		device string
		at     float64
	}{{"desk-2", 4}, {"desk-2.renamed", 6}, {"desk-2", 8.5}, {"desk-2.renamed", 9}} {
		l.Taken = append(l.Taken, wattline.Reading{Device: r.device, Time: wattline.At(at(r.at))})
	}
	if got := twoNames(l); got != 2500*time.Millisecond {
		t.Errorf("%v, not 2.5s", got)
	}
}

// order has desk-2 switched at 19.9 s by a command.
func (l *Ledger) order(asked, told float64, outcome wattline.Outcome) {
	l.Answers["desk-2"] = slices.Insert(l.Answers["desk-2"], 2, Answer{N: 99, At: at(19.9), Switched: true, On: true})
	l.Commands = append(l.Commands, Command{Device: "desk-2", On: true, Asked: at(asked), Told: at(told), Deadline: at(told), Outcome: outcome})
}

func TestAPollAndAReadingBackInOneMillisecondAreToldApart(t *testing.T) {
	t.Parallel()
	poll := Answer{N: 1, At: at(1), On: true, Sent: true, PowerW: 5}
	switching, back := Answer{N: 2, At: at(1), Switched: true, On: true, Sent: true}, poll
	back.N = 3
	r := wattline.Reading{Time: wattline.At(at(1.001)), PowerW: 5, Relay: wattline.RelayOn}
	for name, answers := range map[string][]Answer{
		"the poll first":  {poll, switching, back},
		"the poll second": {switching, back, poll},
	} {
		if got, ok := answerTo(r, answers, nil); !ok || got.N != poll.N {
			t.Errorf("%s: the reading is made of %+v", name, got)
		}
	}
	if got, ok := answerTo(r, []Answer{switching, back}, nil); !ok || got.N != back.N {
		t.Errorf("alone: the reading is made of %+v", got)
	}
}

func TestEnergyIsJudged(t *testing.T) {
	t.Parallel()
	off := func(by wattline.Milli) func(*Ledger) {
		return func(l *Ledger) {
			l.Energy = func(_ string, from, to time.Time) (wattline.Milli, error) {
				return wattline.Milli(100*to.Sub(from).Seconds()) + by, nil
			}
		}
	}
	t.Run("the meter's step at both ends is allowed", func(t *testing.T) { broken(t, promiseEnergy, 0, off(1999)) })
	t.Run("more is not", func(t *testing.T) { broken(t, promiseEnergy, 2, off(2500)) })
	t.Run("neither too much nor too little", func(t *testing.T) { broken(t, promiseEnergy, 2, off(-2500)) })
	t.Run("a power cut takes what was not read", func(t *testing.T) {
		broken(t, promiseEnergy, 1, func(l *Ledger) { // desk-2's is not excused
			off(2500)(l)
			l.did(plan.Fault, "desk-1", "power-cut:for=3s", 5.5, 6.5)
		})
	})
	t.Run("what the plug cannot tell is not passed over", func(t *testing.T) {
		broken(t, promiseEnergy, 2, func(l *Ledger) {
			l.Energy = func(string, time.Time, time.Time) (wattline.Milli, error) { return 0, errors.New("forgotten") }
		})
	})
}
