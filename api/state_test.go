package api_test

import (
	"context"
	"net/http"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

func (o *office) fresh(t testing.TB, id string) wattline.FreshState {
	t.Helper()
	a := o.get(t, "/api/v1/devices/"+id+"/state")
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return decoded[wattline.FreshState](t, a)
}

func TestTheStateIsServedFromWhatTheTopicsSaid(t *testing.T) {
	o := open(t)
	reading := readingOf("desk-1", noon())
	reading.Stream, reading.Seq = "", 0 // which count the readings of all devices
	want := wattline.FreshState{State: stateOf("desk-1", noon()), Reading: &reading}
	for range 2 { // made, and kept
		if diff := cmp.Diff(want, o.fresh(t, "desk-1")); diff != "" {
			t.Error(diff)
		}
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
	t.Run("and is unknown where they said nothing, never off", func(t *testing.T) {
		got := o.fresh(t, "new-1")
		if got.State.Availability != wattline.AvailabilityUnknown || got.State.Relay != "" || got.Reading != nil {
			t.Errorf("%+v", got)
		}
	})
}

func TestANewerValueIsShownAtOnceAndAnOlderOneNever(t *testing.T) {
	o := open(t)
	off := stateOf("desk-1", later(time.Minute))
	off.Relay = wattline.RelayOff
	o.bus.state(t, "hq", off, false)
	reading := readingOf("desk-1", later(time.Minute))
	reading.PowerW = 0
	o.bus.reading(t, "hq", reading, false)
	o.bus.state(t, "hq", stateOf("desk-1", noon()), true)
	o.bus.state(t, "hq", stateOf("desk-1", noon()), false)
	o.bus.reading(t, "hq", readingOf("desk-1", noon()), true)
	reading.Stream, reading.Seq = "", 0
	if diff := cmp.Diff(wattline.FreshState{State: off, Reading: &reading}, o.fresh(t, "desk-1")); diff != "" {
		t.Error(diff)
	}
}

func TestInWhateverOrderValuesComeTheNewestStays(t *testing.T) {
	o := open(t)
	rapid.Check(t, func(rt *rapid.T) {
		o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}})
		o.furnish(t)
		newest := noon()
		for _, ms := range rapid.SliceOfN(rapid.IntRange(-10_000, 10_000), 1, 20).Draw(rt, "offsets") {
			at := later(time.Duration(ms) * time.Millisecond)
			if at.After(newest.Time) {
				newest = at
			}
			o.bus.reading(t, "hq", readingOf("desk-1", at), rapid.Bool().Draw(rt, "retained"))
			o.bus.state(t, "hq", stateOf("desk-1", at), rapid.Bool().Draw(rt, "state retained"))
		}
		got := o.fresh(t, "desk-1")
		if !got.Reading.Time.Equal(newest.Time) || !got.State.Time.Equal(newest.Time) {
			rt.Errorf("got %s and %s, want %s", got.Reading.Time, got.State.Time, newest)
		}
	})
}

func TestAValueFromAClockThatWasAheadGivesWayToALiveOne(t *testing.T) {
	o := open(t)
	future := wattline.At(time.Now().Add(24 * time.Hour))
	o.bus.reading(t, "hq", readingOf("desk-1", future), false)
	o.bus.reading(t, "hq", readingOf("desk-1", noon()), true)
	if got := o.fresh(t, "desk-1"); !got.Reading.Time.Equal(future.Time) {
		t.Errorf("a retained one took its place: %s", got.Reading.Time)
	}
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Minute)), false)
	if got := o.fresh(t, "desk-1"); !got.Reading.Time.Equal(later(time.Minute).Time) {
		t.Errorf("it stayed: %s", got.Reading.Time)
	}
}

func TestADeviceWhoseCollectorIsGoneIsStaleAndComesBackWithIt(t *testing.T) {
	o := open(t)
	had := o.bus.Instances()
	o.bus.set(func(b *fakeBus) { b.instances = nil })
	eventually(t, "stale", func() bool {
		return o.fresh(t, "desk-1").State.Availability == wattline.AvailabilityStale
	})
	got := o.fresh(t, "desk-1")
	if got.State.Error == nil || got.State.Error.Class != "no_collector" || got.Reading == nil {
		t.Errorf("%+v", got.State)
	}
	if down := o.fresh(t, "down-1"); down.State.Availability != wattline.AvailabilityDown {
		t.Errorf("down-1 is %s", down.State.Availability)
	}
	o.bus.set(func(b *fakeBus) { b.instances = had })
	eventually(t, "up", func() bool { return o.fresh(t, "desk-1").State.Availability == wattline.AvailabilityUp })
}

func TestRefreshAsksTheCollectorThatPollsTheDevice(t *testing.T) {
	o := open(t)
	for _, c := range []struct{ id, instance string }{{"desk-1", "agent-1"}, {"new-1", "agent-1"}} {
		got := decoded[wattline.FreshState](t, o.get(t, "/api/v1/devices/"+c.id+"/state?refresh=true"))
		if !got.State.Time.Equal(later(time.Hour).Time) || got.Reading.Seq != 0 {
			t.Errorf("%s: %+v", c.id, got)
		}
		asks := o.bus.asks()
		want := wattline.Topic{Kind: wattline.TopicQuery, Component: "collector", Instance: c.instance, Verb: "read"}
		if last := asks[len(asks)-1]; last.Topic != want || last.Body != (wattline.GetQuery{Device: c.id}) || last.Actor == "" {
			t.Errorf("asked %+v", last)
		}
	}
	t.Run("refresh=false does not ask", func(t *testing.T) {
		before := len(o.bus.asks())
		if a := o.get(t, "/api/v1/devices/desk-1/state?refresh=false"); a.status != 200 || len(o.bus.asks()) != before {
			t.Errorf("%d, %d asks", a.status, len(o.bus.asks())-before)
		}
	})
	t.Run("no collector for the site is no_responder", func(t *testing.T) {
		o.bus.set(func(b *fakeBus) { b.instances = nil })
		eventually(t, "no_responder", func() bool {
			return o.get(t, "/api/v1/devices/desk-1/state?refresh=true").status == http.StatusServiceUnavailable
		})
	})
	t.Run("an answer for another device is not passed on", func(t *testing.T) {
		o.bus.set(func(b *fakeBus) {
			b.instances = newFakeBus().instances
			b.answer = func(context.Context, bus.Ask) (any, error) {
				return wattline.FreshState{State: stateOf("desk-2", noon())}, nil
			}
		})
		wantProblem(t, o.get(t, "/api/v1/devices/new-1/state?refresh=true"), wattline.CodeInternal, "")
	})
}
