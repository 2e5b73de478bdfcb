package transfer_test

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/transfer"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestWhateverFailsTheTargetEndsWithWhatTheSourceHas(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		source, target := &faulty{Memory: drawn(rt)}, &faulty{Memory: storetest.NewMemory()}
		faults := rapid.SliceOfN(rapid.SampledFrom(kinds()), 0, 12)
		source.faults, target.faults = faults.Draw(rt, "faults of the source"), faults.Draw(rt, "faults of the target")
		atOnce := rapid.IntRange(1, 4).Draw(rt, "at once")
		most := len(source.faults) + len(target.faults) + 1
		synctest.Test(t, func(t *testing.T) {
			leaveTheYear2000()
			task := transfer.Task{Source: source, Target: target, AtOnce: atOnce, Patience: time.Hour}
			report, err := transfer.Run(t.Context(), task)
			for runs := 1; err != nil; runs++ {
				if !errors.Is(err, errKilled) || runs > most {
					t.Fatal(err)
				}
				report, err = transfer.Run(t.Context(), task)
			}
			if diff := cmp.Diff(everything(t, source.Memory), everything(t, target.Memory)); diff != "" {
				t.Fatalf("source and target differ (-source +target):\n%s", diff)
			}
			if !report.OK() || report.Extra != 0 {
				t.Fatalf("%+v", report)
			}
			if want := int64(len(everything(t, source.Memory))); report.Done != want || readingsIn(report) != want {
				t.Fatalf("the report counts %d and %d readings of %d", report.Done, readingsIn(report), want)
			}
		})
	})
}

func readingsIn(report *transfer.Report) (n int64) {
	n, _ = report.Totals()
	return n
}

// drawn is a store with a few devices' readings over a few days, of which there is one
// at least.
func drawn(t *rapid.T) *storetest.Memory {
	s := storetest.NewMemory()
	keep(t, s, reading("a", monday().Add(-time.Hour), 0))
	for _, device := range rapid.SliceOfDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d-1", "d.2"}), rapid.ID[string]).Draw(t, "devices") {
		at := monday().Add(time.Duration(rapid.IntRange(0, 3*86400).Draw(t, "begins")) * time.Second)
		for i := range rapid.IntRange(0, 12).Draw(t, "readings") {
			at = at.Add(time.Duration(rapid.IntRange(1, 20*3600*1000).Draw(t, "step")) * time.Millisecond)
			keep(t, s, reading(device, at, i))
		}
	}
	return s
}

func monday() time.Time { return time.Date(2026, 3, 23, 0, 0, 0, 0, time.UTC) }

// leaveTheYear2000, in which a bubble's clock begins, for the days of the readings.
func leaveTheYear2000() { time.Sleep(time.Until(monday().AddDate(0, 1, 0))) }

func reading(device string, at time.Time, i int) wattline.Reading {
	return wattline.Reading{
		Device: device, Time: wattline.At(at), PowerW: wattline.Milli(60_000 + i), VoltageV: 230_000, CurrentA: 270,
		EnergyWh: wattline.Milli(i * 1000), MeterWh: wattline.Milli(i * 1000), Relay: wattline.RelayOf(i%3 != 0), RSSIdBm: -50, CoversS: 5000,
	}
}

type tester interface {
	Fatal(args ...any)
	Context() context.Context
}

func keep(t tester, s store.Store, readings ...wattline.Reading) {
	if err := s.Write(t.Context(), readings); err != nil {
		t.Fatal(err)
	}
}

func everything(t tester, s store.Store) []wattline.Reading {
	devices, err := s.Devices(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(devices) == 0 {
		return nil
	}
	all, err := s.Readings(t.Context(), store.Query{Devices: devices, From: monday().AddDate(-5, 0, 0), To: monday().AddDate(5, 0, 0), Limit: store.MaxLimit})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestWhatTheTargetLacksIsListed(t *testing.T) {
	source := storetest.NewMemory()
	for i := range 10 {
		keep(t, source, reading("a", monday().Add(time.Duration(i)*6*time.Hour), i), reading("b", monday().Add(time.Duration(i)*6*time.Hour), i))
	}

	t.Run("a refused reading, with the reason, its day and its count", func(t *testing.T) {
		target := picky{storetest.NewMemory(), func(r wattline.Reading) string {
			if r.Device == "b" && r.Time.Before(monday().Add(7*time.Hour)) {
				return "too old"
			}
			return ""
		}}
		report := run(t, transfer.Task{Source: source, Target: target})
		if report.OK() || report.Refused != 2 || report.Mismatched != 1 {
			t.Errorf("%+v", report)
		}
		want := []transfer.Refusal{{"b", wattline.At(monday()), "too old"}, {"b", wattline.At(monday().Add(6 * time.Hour)), "too old"}}
		if diff := cmp.Diff(want, report.Refusals); diff != "" {
			t.Error(diff)
		}
		lacking := []transfer.Mismatch{{Device: "b", Day: "2026-03-23", Source: 4, Target: 2, Missing: 2}}
		if diff := cmp.Diff(lacking, report.Mismatches); diff != "" {
			t.Error(diff)
		}
	})

	t.Run("a reading of which the target had another version", func(t *testing.T) {
		target := storetest.NewMemory()
		keep(t, target, reading("a", monday().Add(6*time.Hour), 7))
		report := run(t, transfer.Task{Source: source, Target: target})
		want := []transfer.Mismatch{{Device: "a", Day: "2026-03-23", Source: 4, Target: 4, Different: 1}}
		if diff := cmp.Diff(want, report.Mismatches); diff != "" || report.Refused != 0 {
			t.Error(diff, report.Refused)
		}
	})

	t.Run("everything, when nothing was copied", func(t *testing.T) {
		target := storetest.NewMemory()
		report := run(t, transfer.Task{Source: source, Target: target, VerifyOnly: true})
		if len(report.Mismatches) != 6 || report.Mismatched != 6 || everything(t, target) != nil {
			t.Errorf("%+v", report)
		}
	})

	t.Run("but not what the target alone has", func(t *testing.T) {
		target := storetest.NewMemory()
		keep(t, target, reading("a", monday().Add(time.Hour), 1), reading("a", monday().AddDate(0, 1, 0), 9), reading("z", monday(), 1))
		report := run(t, transfer.Task{Source: source, Target: target})
		if !report.OK() || report.Extra != 1 {
			t.Errorf("%+v", report)
		}
	})

	t.Run("no more than a thousand times, and counted all the same", func(t *testing.T) {
		many := storetest.NewMemory()
		for i := range 1500 {
			keep(t, many, reading("a", monday().Add(time.Duration(i)*time.Second), i))
		}
		target := picky{storetest.NewMemory(), func(wattline.Reading) string { return "no" }}
		report := run(t, transfer.Task{Source: many, Target: target})
		if report.Refused != 1500 || len(report.Refusals) != 1000 {
			t.Error(report.Refused, len(report.Refusals))
		}
	})
}

func run(t *testing.T, task transfer.Task) *transfer.Report {
	t.Helper()
	report, err := transfer.Run(t.Context(), task)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestATaskIsBounded(t *testing.T) {
	source := storetest.NewMemory()
	for i := range 100 {
		keep(t, source, reading("a", monday().Add(time.Duration(i)*time.Hour), i), reading("b", monday().Add(time.Duration(i)*time.Hour), i))
	}
	for name, c := range map[string]struct {
		devices      []string
		since, until time.Time
		want         int
	}{
		"by nothing":      {want: 200},
		"to some devices": {devices: []string{"b", "b"}, want: 100},
		"from a time on":  {since: monday().Add(90 * time.Hour), want: 20},
		"before a time":   {until: monday().Add(90 * time.Minute), want: 4},
		"to a stretch":    {since: monday().Add(30*time.Hour + 1), until: monday().Add(32 * time.Hour), want: 2},
	} {
		t.Run(name, func(t *testing.T) {
			target := storetest.NewMemory()
			report := run(t, transfer.Task{Source: source, Target: target, Devices: c.devices, Since: c.since, Until: c.until})
			if got := everything(t, target); len(got) != c.want || report.Done != int64(c.want) || !report.OK() {
				t.Errorf("%d readings were copied, %d reported, want %d", len(got), report.Done, c.want)
			}
		})
	}
	for name, c := range map[string]struct {
		task transfer.Task
		says string
	}{
		"an unknown device":  {transfer.Task{Devices: []string{"a", "nope"}}, `"nope"`},
		"a time of nothing":  {transfer.Task{Since: monday().AddDate(1, 0, 0)}, "the source has no readings"},
		"an empty source":    {transfer.Task{Source: storetest.NewMemory()}, "the source has no readings"},
		"a range backwards":  {transfer.Task{Since: monday(), Until: monday()}, "--since must come before"},
		"a time before 2000": {transfer.Task{Since: time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC)}, "2000"},
	} {
		t.Run("not by "+name, func(t *testing.T) {
			c.task.Target = storetest.NewMemory()
			if c.task.Source == nil {
				c.task.Source = source
			}
			if _, err := transfer.Run(t.Context(), c.task); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func TestAStoreThatStaysAwayEndsTheTask(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		leaveTheYear2000()
		source, target := storetest.NewMemory(), storetest.NewMemory()
		keep(t, source, reading("a", monday(), 1))
		target.Fail(&store.UnavailableError{Err: errors.New("connection refused")})
		began := time.Now()
		_, err := transfer.Run(t.Context(), transfer.Task{Source: source, Target: target})
		if err == nil || !strings.Contains(err.Error(), "the same command goes on") || !strings.Contains(err.Error(), "connection refused") {
			t.Errorf("got %v", err)
		}
		if waited := time.Since(began); waited > 2*time.Minute {
			t.Errorf("after %v", waited)
		}
		target.Fail(store.ErrMisconfigured)
		began = time.Now()
		if _, err := transfer.Run(t.Context(), transfer.Task{Source: source, Target: target}); !errors.Is(err, store.ErrMisconfigured) || time.Since(began) > 0 {
			t.Errorf("what a person must mend: %v after %v", err, time.Since(began))
		}
	})
}

// ended is a copy of five days that was ended when it came to write the third.
func ended(t *testing.T) (source, target *storetest.Memory) {
	source, target = storetest.NewMemory(), storetest.NewMemory()
	for i := range 5 {
		keep(t, source, reading("a", monday().AddDate(0, 0, i), i), reading("b", monday().AddDate(0, 0, i), i))
	}
	// A day is looked at, written and compared.
	interrupted := &faulty{Memory: target, faults: []fault{none, none, none, none, none, none, none, before}}
	if _, err := transfer.Run(t.Context(), transfer.Task{Source: source, Target: interrupted, AtOnce: 1}); !errors.Is(err, errKilled) {
		t.Fatal(err)
	}
	return source, target
}

func TestACopyThatIsGivenAgain(t *testing.T) {
	for name, c := range map[string]struct {
		meanwhile func(source, target *storetest.Memory) (newTarget *storetest.Memory)
		written   int
	}{
		"writes what is not there yet, and no more": {
			func(_, target *storetest.Memory) *storetest.Memory { return target }, 6,
		},
		"writes what came to the source meanwhile, on a day that was copied": {
			func(source, target *storetest.Memory) *storetest.Memory {
				keep(t, source, reading("a", monday().Add(time.Hour), 7))
				return target
			}, 8,
		},
		"writes everything, where the target was emptied or is another": {
			func(_, _ *storetest.Memory) *storetest.Memory { return storetest.NewMemory() }, 10,
		},
	} {
		t.Run(name, func(t *testing.T) {
			source, target := ended(t)
			target = c.meanwhile(source, target)
			written := 0
			report := run(t, transfer.Task{Source: source, AtOnce: 1, Target: picky{target, func(wattline.Reading) string {
				written++
				return ""
			}}})
			if diff := cmp.Diff(everything(t, source), everything(t, target)); diff != "" {
				t.Errorf("source and target differ (-source +target):\n%s", diff)
			}
			all := int64(len(everything(t, source)))
			if written != c.written || report.Done != all || readingsIn(report) != all || !report.OK() {
				t.Errorf("%d readings were written; %+v", written, report)
			}
		})
	}
}

func TestProgressComesToTheTotal(t *testing.T) {
	source := storetest.NewMemory()
	for i := range 50 {
		keep(t, source, reading("a", monday().Add(time.Duration(i)*time.Hour), i), reading("b", monday().Add(time.Duration(i)*time.Hour), i))
	}
	var seen []int64
	run(t, transfer.Task{Source: source, Target: storetest.NewMemory(), Progress: func(done, total int64) {
		if total != 100 {
			t.Errorf("the total is %d", total)
		}
		seen = append(seen, done)
	}})
	if !slices.IsSorted(seen) || seen[len(seen)-1] != 100 {
		t.Errorf("%v", seen)
	}
}
