package plan_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline/e2e/chaos/plan"
)

func options(seed uint64) plan.Options {
	o := plan.Options{
		Seed: seed, Length: 20 * time.Minute, Kills: 20, Cuts: 60, Faults: 40, Renames: 10, Fills: 3,
		Down: 8 * time.Second, StoreDown: 2 * time.Minute,
	}
	for i := range 100 {
		o.Plugs = append(o.Plugs, fmt.Sprintf("desk-%d", i))
	}
	return o
}

func TestAPlan(t *testing.T) {
	t.Parallel()

	t.Run("is the same for the same seed, and another for another", func(t *testing.T) {
		if diff := cmp.Diff(plan.Make(options(7)), plan.Make(options(7))); diff != "" {
			t.Errorf("two plans of one seed:\n%s", diff)
		}
		if cmp.Equal(plan.Make(options(7)), plan.Make(options(8))) {
			t.Error("two seeds give one plan")
		}
	})

	t.Run("kills each process as often as asked, and takes the broker's data once", func(t *testing.T) {
		steps := plan.Make(options(7))
		for _, process := range plan.Processes() {
			if got := len(of(steps, process, plan.Kill, plan.Erase)); got != 20 {
				t.Errorf("%s is killed %d times", process, got)
			}
		}
		if got := len(of(steps, plan.Broker, plan.Erase)); got != 1 {
			t.Errorf("the broker's data are taken %d times", got)
		}
	})

	t.Run("keeps a store away for a minute at least once, and fills the journal's disk meanwhile, and before all else", func(t *testing.T) {
		for seed := range uint64(50) {
			steps := plan.Make(options(seed))
			for _, store := range []string{plan.Influxd, plan.Archive} {
				if !slices.ContainsFunc(of(steps, store, plan.Kill), func(s plan.Step) bool { return s.For >= time.Minute }) {
					t.Errorf("seed %d: %s is never away for a minute", seed, store)
				}
			}
			outages := of(steps, plan.Influxd, plan.Kill)
			for _, fill := range of(steps, plan.JournalDisk, plan.Fill)[1:] {
				if !slices.ContainsFunc(outages, func(o plan.Step) bool { return o.At <= fill.At && o.At+o.For >= fill.At+fill.For }) {
					t.Errorf("seed %d: %v, while the store is there", seed, fill)
				}
			}
		}
	})

	t.Run("cuts every cable and has each kind of cut", func(t *testing.T) {
		steps := plan.Make(options(7))
		kinds := map[plan.What]int{}
		for _, cable := range plan.Cables() {
			cuts := of(steps, cable, plan.Sever, plan.Stall, plan.Delay)
			if len(cuts) < 6 {
				t.Errorf("%s is cut %d times", cable, len(cuts))
			}
			for _, cut := range cuts {
				kinds[cut.What]++
			}
		}
		if len(kinds) != 3 {
			t.Errorf("the kinds are %v", kinds)
		}
	})

	t.Run("lets steps on one target never overlap, and ends in time, whatever is asked", func(t *testing.T) {
		rapid.Check(t, func(t *rapid.T) {
			o := options(rapid.Uint64().Draw(t, "seed"))
			o.Length = time.Duration(rapid.IntRange(20, 2000).Draw(t, "length in s")) * time.Second
			o.Kills = rapid.IntRange(0, 25).Draw(t, "kills")
			o.Plugs = o.Plugs[:rapid.IntRange(1, 100).Draw(t, "plugs")]
			free := map[string]time.Duration{}
			for _, step := range plan.Make(o) {
				if step.At < free[step.Target] && step.What != plan.Rename && step.What != plan.Fault || step.At < 0 || step.For < 0 || step.At+step.For > o.Length {
					t.Fatalf("%v, when %s is free from %v on and all is to end at %v", step, step.Target, free[step.Target], o.Length)
				}
				free[step.Target] = step.At + step.For
			}
		})
	})

	t.Run("reads as a line", func(t *testing.T) {
		step := plan.Step{At: 1500 * time.Millisecond, For: 2 * time.Second, What: plan.Delay, Target: plan.Cable(plan.Agents, plan.Broker), How: "20ms"}
		if got := strings.TrimSpace(step.String()); got != "1.50s delay agents–broker 20ms for 2.00s" {
			t.Errorf("it reads %q", got)
		}
	})
}

func of(steps []plan.Step, target string, kinds ...plan.What) (found []plan.Step) {
	for _, s := range steps {
		if s.Target == target && slices.Contains(kinds, s.What) {
			found = append(found, s)
		}
	}
	return found
}
