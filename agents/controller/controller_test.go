package controller_test

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/controller"
	"github.com/wattline/wattline/agents/kasa"
)

// plug is one plug: what it shows, and how it fails.
type plug struct {
	relay   wattline.Relay
	led     wattline.Relay
	setErr  error
	deaf    bool // it accepts commands and does nothing
	lag     int  // reads until it shows what it was told
	readErr error
	pending wattline.Relay
	sets    []bool
}

func (p *plug) SetRelay(ctx context.Context, _ kasa.Target, on bool) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	p.sets = append(p.sets, on)
	if !p.deaf && (p.setErr == nil || sent(p.setErr)) {
		p.pending = wattline.RelayOf(on)
	}
	return p.setErr
}

func sent(err error) bool {
	known := &kasa.Error{}
	ok := errors.As(err, &known)
	return ok && known.Sent
}

func (p *plug) SetLED(_ context.Context, _ kasa.Target, on bool) error {
	p.led = wattline.RelayOf(on)
	return nil
}

func (p *plug) ReadBack(context.Context, kasa.Target) (kasa.Measurement, error) {
	if p.readErr != nil {
		return kasa.Measurement{}, p.readErr
	}
	if p.lag--; p.lag < 0 && p.pending != "" {
		p.relay = p.pending
	}
	return kasa.Measurement{At: time.Now(), Info: &kasa.Info{}, Relay: p.relay, LED: p.led}, nil
}

// run runs a controller of the site hq with desk-1, and fridge-1 that is
// protected, in a bubble of fake time.
func run(t *testing.T, p controller.Plugs, do func(*testing.T, *agenttest.Bus)) {
	t.Helper()
	runPaced(t, p, 0, do)
}

// runPaced is run with a limit on how many are switched on in a second.
func runPaced(t *testing.T, p controller.Plugs, perSecond float64, do func(*testing.T, *agenttest.Bus)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		bus := agenttest.New(t)
		c := controller.New(controller.Options{
			Bus: bus, Plugs: p, Site: "hq", SwitchOnPerS: perSecond, Log: slog.New(slog.DiscardHandler),
		})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- c.Run(ctx) }()
		synctest.Wait()
		bus.DeliverDevice(wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1", Site: "hq", Address: "192.0.2.11"})
		bus.DeliverDevice(wattline.Device{ID: "fridge-1", Kind: "fridge", Location: "hq/f1", Site: "hq", Address: "192.0.2.12", Protected: wattline.ProtectionLocked})
		bus.Deliver(stateTopic("desk-1"), wattline.State{
			Device: "desk-1", Availability: wattline.AvailabilityStale, Relay: wattline.RelayOff, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()),
			Error: &wattline.StateError{Class: "timeout"}, Capabilities: []wattline.Capability{wattline.CapabilityRelay, wattline.CapabilityLED},
		})
		do(t, bus)
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func stateTopic(device string) wattline.Topic {
	return wattline.Topic{Kind: wattline.TopicState, Site: "hq", Device: device}
}

func command(bus *agenttest.Bus, device string, body any) (wattline.Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	answer, err := bus.Request(ctx, wattline.Topic{Kind: wattline.TopicCommand, Site: "hq", Device: device}, body)
	result, _ := answer.(wattline.Result)
	return result, err
}

func on(device string) wattline.Command {
	return wattline.Command{Device: device, Action: wattline.ActionOn}
}

func TestACommandIsCarriedOutReadBackAndPublished(t *testing.T) {
	p := &plug{relay: wattline.RelayOff, lag: 1}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		result, err := command(bus, "desk-1", on("desk-1"))
		if err != nil || result.Outcome != wattline.OutcomeDone || result.Relay != wattline.RelayOn || result.ID != "ask-1" || result.Actor != "test" {
			t.Fatalf("%+v %v", result, err)
		}
		states := agenttest.Published[wattline.State](bus, stateTopic("desk-1"))
		if len(states) != 1 {
			t.Fatalf("%d states", len(states))
		}
		if s := states[0]; s.Relay != wattline.RelayOn || s.Availability != wattline.AvailabilityUp || s.Error != nil || !s.Can(wattline.CapabilityLED) {
			t.Errorf("%+v", s)
		}
		events := agenttest.Published[wattline.Result](bus, wattline.Topic{Kind: wattline.TopicEvent, Event: "command"})
		if len(events) != 1 || events[0].Outcome != wattline.OutcomeDone || events[0].Device != "desk-1" {
			t.Errorf("%+v", events)
		}
		if result, err = command(bus, "desk-1", wattline.Command{Device: "desk-1", Action: wattline.ActionLEDOff}); err != nil || result.LED != wattline.RelayOff {
			t.Errorf("%+v %v", result, err)
		}
	})
}

func TestWhatIsRefusedIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		device string
		body   any
		code   wattline.Code
	}{
		"a protected device":          {"fridge-1", on("fridge-1"), wattline.CodeProtected},
		"an unknown device":           {"desk-9", on("desk-9"), wattline.CodeNotFound},
		"another device in the body":  {"desk-1", on("fridge-1"), wattline.CodeInvalid},
		"a missing action":            {"desk-1", json.RawMessage(`{"device":"desk-1"}`), wattline.CodeInvalid},
		"a null action":               {"desk-1", json.RawMessage(`{"device":"desk-1","action":null}`), wattline.CodeInvalid},
		"a misspelt action":           {"desk-1", json.RawMessage(`{"device":"desk-1","action":"OFF"}`), wattline.CodeInvalid},
		"a misspelt key":              {"desk-1", json.RawMessage(`{"device":"desk-1","acton":"off"}`), wattline.CodeInvalid},
		"an action given twice":       {"desk-1", json.RawMessage(`{"device":"desk-1","action":"on","action":"off"}`), wattline.CodeInvalid},
		"a number where a text is":    {"desk-1", json.RawMessage(`{"device":"desk-1","action":0}`), wattline.CodeInvalid},
		"an empty body":               {"desk-1", json.RawMessage(`{}`), wattline.CodeInvalid},
		"a body that is not JSON":     {"desk-1", json.RawMessage(`off`), wattline.CodeInvalid},
		"more behind the body":        {"desk-1", json.RawMessage(`{"device":"desk-1","action":"off"}1`), wattline.CodeInvalid},
		"the light of a plug without": {"fridge-1", wattline.Command{Device: "fridge-1", Action: wattline.ActionLEDOn}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &plug{relay: wattline.RelayOn}
			run(t, p, func(t *testing.T, bus *agenttest.Bus) {
				_, err := command(bus, c.device, c.body)
				if c.code == "" && err != nil || c.code != "" && wattline.AsError(err).Code != c.code {
					t.Errorf("got %v", err)
				}
				if len(p.sets) > 0 {
					t.Errorf("the plug was told %v", p.sets)
				}
			})
		})
	}
}

func TestAProtectionHoldsAgainWhenItsLiftIsOver(t *testing.T) {
	p := &plug{relay: wattline.RelayOff}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		bus.DeliverDevice(wattline.Device{
			ID: "fridge-1", Kind: "fridge", Location: "hq/f1", Site: "hq", Address: "192.0.2.12", Protected: wattline.ProtectionLocked,
			Lifted: wattline.Lift{Until: wattline.At(time.Now().Add(time.Minute)), Reason: "moved", By: "token:kitchen"},
		})
		if _, err := command(bus, "fridge-1", on("fridge-1")); err != nil {
			t.Error(err)
		}
		time.Sleep(time.Minute)
		if _, err := command(bus, "fridge-1", on("fridge-1")); err == nil || wattline.AsError(err).Code != wattline.CodeProtected {
			t.Errorf("after its end: %v", err)
		}
	})
}

func TestAnotherPlugAtTheAddressIsNotSwitched(t *testing.T) {
	p := &plug{relay: wattline.RelayOff}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		bus.Deliver(stateTopic("desk-1"), wattline.State{
			Device: "desk-1", Availability: wattline.AvailabilityDown, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()),
			Error: &wattline.StateError{Class: "other_plug", Message: "another plug answers"},
		})
		if _, err := command(bus, "desk-1", on("desk-1")); err == nil || wattline.AsError(err).Code != wattline.CodeDeviceUnreachable || len(p.sets) != 0 {
			t.Errorf("%v, switched %v", err, p.sets)
		}
	})
}

// metPlugs notes the MAC of the plug that each command was meant for.
type metPlugs struct {
	plug
	meant []string
}

func (p *metPlugs) SetRelay(ctx context.Context, target kasa.Target, on bool) error {
	p.meant = append(p.meant, target.MAC)
	return p.plug.SetRelay(ctx, target, on)
}

func TestACommandIsForThePlugThatTheDeviceIsKnownBy(t *testing.T) {
	const mac = "50:C7:BF:00:00:01"
	for name, c := range map[string]struct{ address, meant string }{
		"at its address":          {"192.0.2.11", mac},
		"any, at another address": {"192.0.2.99", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := &metPlugs{}
			run(t, p, func(t *testing.T, bus *agenttest.Bus) {
				bus.Deliver(stateTopic("desk-1"), wattline.State{
					Device: "desk-1", Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()),
					MAC: mac, Address: c.address,
				})
				if _, err := command(bus, "desk-1", on("desk-1")); err != nil || !slices.Equal(p.meant, []string{c.meant}) {
					t.Errorf("%v, meant %q", err, p.meant)
				}
			})
		})
	}
}

func TestAStateThatComesAheadOfItsDeviceCounts(t *testing.T) {
	p := &metPlugs{}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		bus.Deliver(stateTopic("desk-2"), wattline.State{
			Device: "desk-2", Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()),
			MAC: "50:C7:BF:00:00:02", Address: "192.0.2.13",
		})
		bus.DeliverDevice(wattline.Device{ID: "desk-2", Kind: "workstation", Location: "hq/f1", Site: "hq", Address: "192.0.2.13"})
		if _, err := command(bus, "desk-2", on("desk-2")); err != nil || !slices.Equal(p.meant, []string{"50:C7:BF:00:00:02"}) {
			t.Errorf("%v, meant %q", err, p.meant)
		}
	})
}

func TestEveryEndOfACommandHasItsCode(t *testing.T) {
	lost := &kasa.Error{Class: kasa.ClassTimeout, Message: "no answer", Sent: true}
	away := &kasa.Error{Class: kasa.ClassRefused, Message: "connection refused"}
	for name, c := range map[string]struct {
		plug plug
		code wattline.Code
	}{
		"the plug is away":                                     {plug{setErr: away}, wattline.CodeDeviceUnreachable},
		"another plug answers, and is left alone":              {plug{setErr: &kasa.Error{Class: kasa.ClassOtherPlug}}, wattline.CodeDeviceUnreachable},
		"another plug answers when it is read back":            {plug{relay: wattline.RelayOff, readErr: &kasa.Error{Class: kasa.ClassOtherPlug}}, wattline.CodeTimeout},
		"the plug answers with an error":                       {plug{setErr: &kasa.Error{Class: kasa.ClassDevice, Code: -3, Sent: true}}, wattline.CodeDeviceError},
		"too many wait for the plug":                           {plug{setErr: &kasa.Error{Class: kasa.ClassBusy}}, wattline.CodeBusy},
		"the plug says yes and does nothing":                   {plug{relay: wattline.RelayOff, deaf: true}, wattline.CodeDeviceError},
		"the answer is lost, but the plug shows that it acted": {plug{relay: wattline.RelayOff, setErr: lost}, ""},
		"the answer is lost, and the plug does not show it":    {plug{relay: wattline.RelayOff, setErr: lost, deaf: true}, wattline.CodeTimeout},
		"the answer is lost and so is the plug":                {plug{setErr: lost, readErr: away}, wattline.CodeTimeout},
		"the plug says yes and cannot be read back":            {plug{readErr: away}, wattline.CodeTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			p := c.plug
			run(t, &p, func(t *testing.T, bus *agenttest.Bus) {
				_, err := command(bus, "desk-1", on("desk-1"))
				if c.code == "" && err != nil || c.code != "" && (err == nil || wattline.AsError(err).Code != c.code) {
					t.Errorf("got %v, want %q", err, c.code)
				}
				if !slices.Equal(p.sets, []bool{true}) {
					t.Errorf("the plug was told %v", p.sets)
				}
				events := agenttest.Published[wattline.Result](bus, wattline.Topic{Kind: wattline.TopicEvent, Event: "command"})
				if len(events) != 1 || events[0].Code != c.code || events[0].Outcome != wattline.OutcomeOf(c.code) {
					t.Errorf("%+v", events)
				}
			})
		})
	}
}

func TestACommandPastItsDeadlineIsNotSent(t *testing.T) {
	p := &plug{relay: wattline.RelayOff}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := bus.Request(ctx, wattline.Topic{Kind: wattline.TopicCommand, Site: "hq", Device: "desk-1"}, on("desk-1"))
		if wattline.AsError(err).Code != wattline.CodeTimeout || len(p.sets) > 0 {
			t.Errorf("%v, told %v", err, p.sets)
		}
	})
}

func TestADeviceThatIsGoneIsNotSwitched(t *testing.T) {
	p := &plug{relay: wattline.RelayOff}
	run(t, p, func(t *testing.T, bus *agenttest.Bus) {
		bus.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-1"}, nil)
		if _, err := command(bus, "desk-1", on("desk-1")); wattline.AsError(err).Code != wattline.CodeNotFound || len(p.sets) > 0 {
			t.Errorf("%v, told %v", err, p.sets)
		}
	})
}
