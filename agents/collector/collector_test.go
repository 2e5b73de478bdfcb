package collector_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
)

func TestReadingsAreOnDiskBeforeTheyArePublished(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(time.Minute)
		got := o.readings("desk-1")
		if len(got) < 12 || len(got) > 14 {
			t.Fatalf("%d readings in a minute at 5 s", len(got))
		}
		for i, r := range got {
			if r.Seq != uint64(i+1) || r.Stream != "stream-1" {
				t.Errorf("reading %d has the number %d of %q", i, r.Seq, r.Stream)
			}
		}
		o.journal.mu.Lock()
		o.journal.fail = errors.New("disk full")
		o.journal.mu.Unlock()
		after(time.Minute)
		if more := o.readings("desk-1"); len(more) != len(got) {
			t.Errorf("%d readings were published that are not on disk", len(more)-len(got))
		}
	})
}

func TestAPlugWithoutAMeterGivesStateOnly(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("lamp-1", unmetered)
		after(3 * time.Minute)
		if got := o.readings("lamp-1"); len(got) > 0 {
			t.Errorf("readings of a plug without a meter: %+v", got)
		}
		states := o.states("lamp-1")
		if len(states) < 3 || len(states) > 5 {
			t.Fatalf("%d states in three minutes without a change", len(states))
		}
		if s := states[0]; s.Availability != wattline.AvailabilityUp || s.Relay != wattline.RelayOff || s.Can(wattline.CapabilityMeter) {
			t.Errorf("%+v", s)
		}
	})
}

func TestAFailingPlugGoesStaleThenDownAndReturnsWithinOnePoll(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(20 * time.Second)
		o.plugs.set("desk-1.lan", refused)
		after(10 * time.Minute)
		back := time.Now()
		o.plugs.set("desk-1.lan", metered)
		after(5 * time.Second)
		var turns []string
		for _, s := range o.states("desk-1") {
			turn := string(s.Availability)
			if s.Error != nil {
				turn += " " + s.Error.Class
			}
			if len(turns) == 0 || turns[len(turns)-1] != turn {
				turns = append(turns, turn)
			}
		}
		want := []string{"up", "stale refused", "down refused", "up"}
		if !slices.Equal(turns, want) {
			t.Errorf("states were %v, want %v", turns, want)
		}
		reads := o.plugs.readsOf("desk-1.lan")
		if last := reads[len(reads)-1]; last.Before(back) {
			t.Error("the plug was not read within one poll of its return")
		}
		if n := len(reads); n > 4+10*12*5/4+5 {
			t.Errorf("%d reads in ten minutes: a plug that fails is pressed", n)
		}
		readings := o.readings("desk-1")
		first := slices.IndexFunc(readings, func(r wattline.Reading) bool { return !r.Time.Before(back.Truncate(time.Millisecond)) })
		if r := readings[first]; !r.Quality.Has(wattline.QualityAfterGap) || r.CoversS != 0 {
			t.Errorf("the reading after the gap does not say so: %+v", r)
		}
	})
}

func TestASlowPlugDelaysNobody(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		for i := range 40 {
			o.add(fmt.Sprintf("hang-%d", i), hanging)
		}
		o.add("desk-1", metered)
		after(time.Minute)
		reads := o.plugs.readsOf("desk-1.lan")
		for i := 2; i < len(reads); i++ {
			if gap := reads[i].Sub(reads[i-1]); gap != 5*time.Second {
				t.Errorf("%v between two polls", gap)
			}
		}
		if len(reads) < 12 {
			t.Errorf("%d reads in a minute", len(reads))
		}
	})
}

func TestPollsAreSpreadOverTheInterval(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		const devices = 500
		for i := range devices {
			o.add(fmt.Sprintf("desk-%d", i), func(ctx context.Context) (kasa.Measurement, error) {
				time.Sleep(20 * time.Millisecond)
				return metered(ctx)
			})
		}
		after(30 * time.Second)
		buckets := map[int64]int{}
		for i := range devices {
			for _, at := range o.plugs.readsOf(fmt.Sprintf("desk-%d.lan", i)) {
				buckets[at.UnixMilli()/100]++
			}
		}
		for bucket, n := range buckets {
			if n > 40 { // 10 would be even, and first contacts come at 20 on top
				t.Errorf("%d polls within the tenth of a second %d", n, bucket)
			}
		}
		if o.plugs.most > 20 {
			t.Errorf("%d plugs were talked to at once", o.plugs.most)
		}
	})
}

func TestDevicesComeChangeAndGoWhileItRuns(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(7 * time.Second)
		moved := device("desk-1")
		moved.Address = "elsewhere.lan"
		o.plugs.set("elsewhere.lan", metered)
		o.bus.DeliverDevice(moved)
		after(12 * time.Second)
		before := len(o.plugs.readsOf("desk-1.lan"))
		if len(o.plugs.readsOf("elsewhere.lan")) < 2 {
			t.Error("the new address is not polled")
		}
		renamed := moved
		renamed.Kind = "printer"
		o.bus.DeliverDevice(renamed)
		o.bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}, nil)
		after(30 * time.Second)
		gone := len(o.plugs.readsOf("elsewhere.lan"))
		after(30 * time.Second)
		if len(o.plugs.readsOf("elsewhere.lan")) != gone || len(o.plugs.readsOf("desk-1.lan")) != before {
			t.Error("a device that is gone is polled")
		}
		if o.bus.IsRetained(stateTopic("desk-1")) || o.bus.IsRetained(dataTopic("desk-1")) {
			t.Error("a device that is gone is still published")
		}
		elsewhere := device("desk-2")
		elsewhere.Site = "annex"
		o.bus.DeliverDevice(elsewhere)
		o.bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-3"}, json.RawMessage(`{"id":"desk-3"}`))
		after(30 * time.Second)
		if len(o.plugs.readsOf("desk-2.lan")) > 0 {
			t.Error("a device of another site is polled")
		}
	})
}

func TestAnUnusableAddressIsSaidInTheState(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		bad := device("desk-1")
		bad.Address = "192.0.2.999"
		o.bus.DeliverDevice(bad)
		after(time.Minute)
		states := o.states("desk-1")
		if len(states) != 1 || states[0].Availability != wattline.AvailabilityDown || states[0].Error.Class != "address" {
			t.Errorf("%+v", states)
		}
		if _, err := o.read(t.Context(), "desk-1"); wattline.AsError(err).Code != wattline.CodeUnsupported {
			t.Errorf("a fresh answer: %v", err)
		}
	})
}

func TestReplayIsCheckedAndServed(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		topic := wattline.Topic{Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbReplay}
		answer, err := o.bus.Request(t.Context(), topic, wattline.ReplayQuery{Stream: "stream-1", From: 1})
		if page, ok := answer.(wattline.ReplayPage); err != nil || !ok || page.Last != 9 {
			t.Errorf("%+v %v", answer, err)
		}
		for _, bad := range []string{`{}`, `{"stream":"s","from":0}`, `{"stream":"a/b","from":1}`, `{"stream":"s","from":1,"limit":9999}`, `{"stream":"s","from":-1}`} {
			if _, err := o.bus.Request(t.Context(), topic, json.RawMessage(bad)); wattline.AsError(err).Code != wattline.CodeInvalid {
				t.Errorf("%s: %v", bad, err)
			}
		}
		topic.Verb = "reboot"
		if _, err := o.bus.Request(t.Context(), topic, struct{}{}); wattline.AsError(err).Code != wattline.CodeNotFound {
			t.Error(err)
		}
	})
}

func TestADeviceThatWentWhileNobodyPolledIsUnpublishedOnce(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		leave := func() {
			for _, topic := range []wattline.Topic{stateTopic("desk-1"), dataTopic("desk-1")} {
				if err := o.bus.Retain(t.Context(), topic, wattline.State{Device: "desk-1", Since: wattline.At(time.Now()), Time: wattline.At(time.Now())}); err != nil {
					t.Fatal(err)
				}
			}
		}
		sayGone := func() {
			o.bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}, nil)
			after(time.Minute)
		}
		leave()
		sayGone()
		if o.bus.IsRetained(stateTopic("desk-1")) || o.bus.IsRetained(dataTopic("desk-1")) {
			t.Error("a device that is gone is still published")
		}
		leave()
		sayGone()
		if !o.bus.IsRetained(stateTopic("desk-1")) {
			t.Error("what the registry says again and again is acted upon again and again")
		}
	})
}

// unheard is a bus whose broker refuses some subscriptions.
type unheard struct {
	*agenttest.Bus
	kind wattline.TopicKind
}

func (u unheard) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	if o.Filter.Kind == u.kind {
		return nil, wattline.Errorf(wattline.CodeForbidden, "refused")
	}
	return u.Bus.Subscribe(o, handle)
}

func TestWhatTheBrokerRefusesEndsTheCollector(t *testing.T) {
	for _, kind := range []wattline.TopicKind{wattline.TopicDevice, wattline.TopicData, wattline.TopicState, wattline.TopicStored} {
		t.Run(string(kind), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := collector.New(collector.Options{
					Bus: unheard{agenttest.New(t), kind}, Plugs: newPlugs(), Journal: newJournal(), Site: "hq", Log: slog.New(slog.DiscardHandler),
				})
				if err := c.Run(t.Context()); err == nil || wattline.AsError(err).Code != wattline.CodeForbidden {
					t.Errorf("error %v", err)
				}
			})
		})
	}
}
