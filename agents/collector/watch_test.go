package collector_test

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

// watch asks for a lease; 0 ends it.
func (o office) watch(t testing.TB, device, holder string, lease time.Duration) (wattline.Watch, error) {
	t.Helper()
	answer, err := o.bus.Request(t.Context(), wattline.Topic{
		Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbWatch,
	}, wattline.WatchQuery{Device: device, Holder: holder, LeaseS: wattline.Milli(lease.Milliseconds())})
	watch, _ := answer.(wattline.Watch)
	return watch, err
}

// readsIn is how often a plug is read in a time.
func (o office) readsIn(host string, length time.Duration) int {
	before := len(o.plugs.readsOf(host))
	after(length)
	return len(o.plugs.readsOf(host)) - before
}

func expectWatch(t *testing.T, got wattline.Watch, err error, poll wattline.Milli) {
	t.Helper()
	if err != nil || got.PollS != poll {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestAWatchedDeviceIsPolledEverySecondUntilTheLastLeaseEnds(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(12 * time.Second)
		watch, err := o.watch(t, "desk-1", "ana", 20*time.Second)
		expectWatch(t, watch, err, 1000)
		if left := time.Until(watch.Until.Time); left < 19*time.Second || left > 20*time.Second {
			t.Errorf("until %v", watch.Until)
		}
		if got := o.readsIn("desk-1.lan", 10*time.Second); got != 10 {
			t.Errorf("%d polls in ten seconds", got)
		}
		watch, err = o.watch(t, "desk-1", "ben", 20*time.Second)
		expectWatch(t, watch, err, 1000)
		watch, err = o.watch(t, "desk-1", "ana", 0)
		expectWatch(t, watch, err, 1000) // ben goes on
		if got := o.readsIn("desk-1.lan", 20*time.Second); got != 20 {
			t.Errorf("%d polls in twenty seconds", got)
		}
		after(5 * time.Second)
		if got := o.readsIn("desk-1.lan", 20*time.Second); got != 4 {
			t.Errorf("%d polls in twenty seconds after the watch", got)
		}
		watch, err = o.watch(t, "desk-1", "nobody", 0)
		expectWatch(t, watch, err, 5000)
	})
}

func TestBeingWatchedMakesNoGapsAndCoversAllTime(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		turns := rapid.SliceOfN(rapid.IntRange(-20_000, 20_000), 1, 12).Draw(rt, "turns") // ms; below 0 to end the watch
		run(t, func(t *testing.T, o office) {
			o.with(t, &history{})
			o.add("desk-1", metered)
			after(time.Second)
			for _, ms := range turns {
				lease := 7 * time.Second
				if ms < 0 {
					ms, lease = -ms, 0
				}
				if _, err := o.watch(t, "desk-1", "ana", lease); err != nil {
					rt.Fatal(err)
				}
				after(time.Duration(ms) * time.Millisecond)
			}
			kept := o.journal.kept()
			var covered wattline.Milli
			for _, r := range kept {
				covered += r.CoversS
				if r.Quality != 0 {
					rt.Errorf("%+v", r)
				}
			}
			if all := kept[len(kept)-1].Time.Sub(kept[0].Time.Time); covered != wattline.Milli(all.Milliseconds()) {
				rt.Errorf("%v covered of %v", covered, all)
			}
		})
	})
}

func TestAWatchedDeviceThatHangsForAMomentHasNoGap(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(12 * time.Second)
		if _, err := o.watch(t, "desk-1", "ana", time.Minute); err != nil {
			t.Fatal(err)
		}
		after(5 * time.Second)
		o.plugs.set("desk-1.lan", hanging)
		after(8 * time.Second) // eight polls at a second, less than three at five
		o.plugs.set("desk-1.lan", metered)
		after(10 * time.Second)
		for _, r := range o.readings("desk-1")[1:] {
			if r.CoversS == 0 || r.Quality != 0 {
				t.Errorf("%+v", r)
			}
		}
	})
}

func TestAPlugThatFailsIsNotAskedSoonerForBeingWatched(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", refused)
		after(time.Minute)
		if _, err := o.watch(t, "desk-1", "ana", time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := o.readsIn("desk-1.lan", 30*time.Second); got > 9 {
			t.Errorf("%d polls in half a minute", got)
		}
	})
}

func TestWatchesAreBounded(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		for i := range 70 {
			o.add(fmt.Sprint("desk-", i), metered)
		}
		after(time.Minute)
		for i := range 70 {
			holder := fmt.Sprint("holder-", i/16)
			_, err := o.watch(t, fmt.Sprint("desk-", i), holder, 30*time.Second)
			if (err == nil) != (i < 64) || err != nil && wattline.AsError(err).Code != wattline.CodeBusy {
				t.Errorf("watch %d: %v", i, err)
			}
		}
		if _, err := o.watch(t, "desk-1", "holder-0", time.Minute); err != nil {
			t.Errorf("renewed: %v", err)
		}
		if _, err := o.watch(t, "desk-20", "holder-0", time.Minute); wattline.AsError(err).Code != wattline.CodeBusy {
			t.Errorf("one too many of a holder: %v", err)
		}
		after(31 * time.Second)
		if _, err := o.watch(t, "desk-69", "holder-9", time.Minute); err != nil {
			t.Errorf("when the others are over: %v", err)
		}
		for name, code := range map[string]wattline.Code{"absent": wattline.CodeNotFound, "NO": wattline.CodeInvalid} {
			if _, err := o.watch(t, name, "ana", time.Second); wattline.AsError(err).Code != code {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := o.watch(t, "desk-1", "ana", time.Hour); wattline.AsError(err).Code != wattline.CodeInvalid {
			t.Errorf("an hour: %v", err)
		}
	})
}
