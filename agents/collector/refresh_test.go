package collector_test

import (
	"context"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

// read asks for a fresh answer.
func (o office) read(ctx context.Context, device string) (any, error) {
	return o.bus.Request(ctx, wattline.Topic{
		Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbRead,
	}, wattline.GetQuery{Device: device})
}

func TestWhatAControllerSaidIsCorrectedByTheNextPoll(t *testing.T) {
	said := func(relay wattline.Relay) wattline.State {
		now := wattline.At(time.Now())
		return wattline.State{Device: "desk-1", Availability: wattline.AvailabilityUp, Since: now, Time: now, Relay: relay}
	}
	t.Run("a plug that was switched back by hand", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			o.add("desk-1", metered) // it is on
			after(12 * time.Second)
			o.bus.Deliver(stateTopic("desk-1"), said(wattline.RelayOff))
			after(6 * time.Second)
			states := o.states("desk-1")
			if len(states) != 2 || states[1].Relay != wattline.RelayOn {
				t.Errorf("%+v", states)
			}
		})
	})
	t.Run("a plug that is gone again", func(t *testing.T) {
		run(t, func(t *testing.T, o office) {
			o.add("desk-1", refused)
			after(30 * time.Second)
			before := len(o.states("desk-1"))
			o.bus.Deliver(stateTopic("desk-1"), said(wattline.RelayOff))
			after(6 * time.Second)
			states := o.states("desk-1")
			if last := states[len(states)-1]; len(states) == before || last.Availability != wattline.AvailabilityDown || last.Relay != wattline.RelayOff {
				t.Errorf("%d states more, the last %+v", len(states)-before, last)
			}
		})
	})
}

func TestAFreshAnswerThatComesTooLateChangesNothing(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		after(12 * time.Second)
		o.plugs.set("desk-1.lan", hanging)
		asked := make(chan error, 1)
		go func() {
			_, err := o.read(t.Context(), "desk-1")
			asked <- err
		}()
		after(time.Second)
		o.bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}, nil)
		if err := <-asked; err == nil {
			t.Error("an answer for a device that was removed")
		}
		after(time.Minute)
		if o.bus.IsRetained(stateTopic("desk-1")) || o.bus.IsRetained(dataTopic("desk-1")) {
			t.Error("something is retained of a device that was removed")
		}
	})
}

func TestADiskThatStallsHasNoTimeCoveredTwice(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		slow := device("desk-1")
		slow.PollS = 20_000
		o.plugs.set("desk-1.lan", metered)
		o.bus.DeliverDevice(slow)
		after(50 * time.Second)
		release := o.journal.stalls()
		after(time.Minute)
		release()
		after(time.Minute)
		got := o.journal.kept()
		for i := 1; i < len(got); i++ {
			before, now := got[i-1], got[i]
			if took := now.Time.Sub(before.Time.Time); wattline.Milli(took.Milliseconds()) < now.CoversS || now.EnergyWh < before.EnergyWh {
				t.Errorf("%v after the reading before it covers %v s, and it went from %v to %v Wh", took, now.CoversS, before.EnergyWh, now.EnergyWh)
			}
		}
		if len(got) < 5 {
			t.Errorf("%d readings", len(got))
		}
	})
}

func TestAFreshAnswerIsAskedOfThePlug(t *testing.T) {
	run(t, func(t *testing.T, o office) {
		o.add("desk-1", metered)
		o.add("desk-2", refused)
		after(time.Second)
		ask := func(body any) (any, error) {
			return o.bus.Request(t.Context(), wattline.Topic{
				Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbRead,
			}, body)
		}
		before := len(o.plugs.readsOf("desk-1.lan"))
		answer, err := ask(wattline.GetQuery{Device: "desk-1"})
		if err != nil {
			t.Fatal(err)
		}
		fresh, ok := answer.(wattline.FreshState)
		if !ok || fresh.Reading == nil || fresh.Reading.Seq == 0 || fresh.State.Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", answer)
		}
		if len(o.plugs.readsOf("desk-1.lan")) != before+1 {
			t.Error("the plug was not asked")
		}
		for body, code := range map[any]wattline.Code{
			wattline.GetQuery{Device: "desk-2"}: wattline.CodeDeviceUnreachable,
			wattline.GetQuery{Device: "desk-9"}: wattline.CodeNotFound,
			struct{}{}:                          wattline.CodeInvalid,
		} {
			if _, err := ask(body); wattline.AsError(err).Code != code {
				t.Errorf("%+v: %v", body, err)
			}
		}
	})
}
