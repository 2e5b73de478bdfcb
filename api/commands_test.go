package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

func TestARelayIsSwitchedByOneCommandToItsSite(t *testing.T) {
	o := open(t)
	for _, c := range []struct {
		part, state string
		action      wattline.Action
	}{
		{"relay", "on", wattline.ActionOn},
		{"relay", "off", wattline.ActionOff},
		{"led", "on", wattline.ActionLEDOn},
		{"led", "off", wattline.ActionLEDOff},
	} {
		a := o.do(t, http.MethodPut, "/api/v1/devices/desk-1/"+c.part, `{"state":"`+c.state+`"}`)
		asks := o.bus.asks()
		asked := asks[len(asks)-1]
		if asked.Topic != (wattline.Topic{Kind: wattline.TopicCommand, Site: "hq", Device: "desk-1"}) ||
			asked.Body != (wattline.Command{Device: "desk-1", Action: c.action, Confirm: c.action == wattline.ActionOn}) || asked.Actor == "" || asked.ID == "" || asked.Timeout <= 0 {
			t.Errorf("asked %+v", asked)
		}
		result := decoded[wattline.Result](t, a)
		if a.status != http.StatusOK || result.Outcome != wattline.OutcomeDone || result.Action != c.action || result.ID != asked.ID {
			t.Errorf("%d %+v", a.status, result)
		}
	}
	if asks := o.bus.asks(); len(asks) != 4 {
		t.Errorf("%d commands were sent", len(asks))
	}
}

func TestWhoReadsTheStateAfterSwitchingSeesIt(t *testing.T) {
	o := open(t)
	o.do(t, http.MethodPut, "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
	if got := o.fresh(t, "desk-1").State; got.Relay != wattline.RelayOff || !got.Time.Equal(noon().Time) {
		t.Errorf("%+v", got)
	}
	published := stateOf("desk-1", later(time.Second)) // a little older than the command's answer
	published.Relay, published.Firmware = wattline.RelayOff, "2"
	o.bus.state(t, "hq", published, false)
	if diff := cmp.Diff(published, o.fresh(t, "desk-1").State); diff != "" {
		t.Error(diff)
	}
}

func TestAProtectedDeviceIsNotSwitchedAndItsLightIs(t *testing.T) {
	o := open(t)
	device := plug("fridge")
	device.Protected = wattline.ProtectionAlwaysOn
	o.bus.device(t, device)
	wantProblem(t, o.do(t, "PUT", "/api/v1/devices/fridge/relay", `{"state":"off"}`), wattline.CodeProtected, "")
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
	if a := o.do(t, "PUT", "/api/v1/devices/fridge/led", `{"state":"off"}`); a.status != http.StatusOK {
		t.Errorf("%d %s", a.status, a.body)
	}
	device.Lifted = wattline.Lift{Until: wattline.At(time.Now().Add(time.Hour)), Reason: "defrosting", By: "token:kitchen"}
	o.bus.device(t, device)
	if a := o.do(t, "PUT", "/api/v1/devices/fridge/relay", `{"state":"off"}`); a.status != http.StatusOK {
		t.Errorf("lifted: %d %s", a.status, a.body)
	}
}

func TestAControllersRefusalIsAnErrorWithTheCommandsID(t *testing.T) {
	o := open(t)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(_ context.Context, ask bus.Ask) (any, error) {
			command, _ := ask.Body.(wattline.Command)
			return wattline.FailedResult(command, wattline.Errorf(wattline.CodeDeviceError, "err_code -3"), noon()), nil
		}
	})
	a := o.do(t, "PUT", "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
	wantProblem(t, a, wattline.CodeDeviceError, "")
	if id := a.problem(t).CommandID; id == "" || id != o.bus.asks()[0].ID {
		t.Errorf("command id %q", id)
	}
	t.Run("and one that answers something else is a fault of ours", func(t *testing.T) {
		for _, result := range []wattline.Result{
			{Device: "desk-2", Action: wattline.ActionOff, Outcome: wattline.OutcomeDone, Time: noon()},
			{Device: "desk-1", Action: wattline.ActionOn, Outcome: wattline.OutcomeDone, Time: noon()},
			{Device: "desk-1", Action: wattline.ActionOff, Outcome: wattline.OutcomeTimeout, Time: noon()},
		} {
			o.bus.set(func(b *fakeBus) { b.answer = func(context.Context, bus.Ask) (any, error) { return result, nil } })
			wantProblem(t, o.do(t, "PUT", "/api/v1/devices/desk-1/relay", `{"state":"off"}`), wattline.CodeInternal, "")
		}
	})
}

func TestCommandsTellForEachDeviceWhatBecameOfIt(t *testing.T) {
	o := open(t)
	for i, id := range []string{"s-1", "s-2", "s-3", "s-4", "s-5", "s-6"} {
		device := plug(id)
		if i == 5 {
			device.Protected = wattline.ProtectionAlwaysOn
		}
		o.bus.device(t, device)
	}
	answers := map[string]wattline.Code{
		"s-2": wattline.CodeDeviceUnreachable, "s-3": wattline.CodeTimeout, "s-4": wattline.CodeNoResponder, "s-5": wattline.CodeDeviceError,
	}
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			if code, bad := answers[ask.Topic.Device]; bad {
				return nil, wattline.Errorf(code, "as told")
			}
			return answerAll(ctx, ask)
		}
	})
	a := o.do(t, "POST", "/api/v1/commands", `{"selector":{"ids":["s-6","s-2","nobody","s-1","s-1","s-3","s-5","s-4"]},"action":"off"}`)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	var got []string
	for _, r := range decoded[api.CommandsResponse](t, a).Results {
		got = append(got, fmt.Sprintf("%s %s %s", r.Device, r.Outcome, r.Code))
		wasSent := r.Device != "nobody" && r.Device != "s-6"
		if r.Action != wattline.ActionOff || r.Time.IsZero() || (r.ID != "") != wasSent || (r.Code == "") != (r.Message == "") {
			t.Errorf("%+v", r)
		}
	}
	want := []string{
		"nobody refused not_found", "s-1 done ", "s-2 unreachable device_unreachable", "s-3 timeout timeout",
		"s-4 not_sent no_responder", "s-5 failed device_error", "s-6 refused protected",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestCommandsGoToWhatTheSelectorChooses(t *testing.T) {
	o := open(t)
	for selector, want := range map[string]int{
		`{"all":true}`: 5, `{"location":"hq/f1"}`: 2, `{"kind":"printer"}`: 2, `{"labels":{"floor":"1"}}`: 1,
		`{"location":"nowhere"}`: 0, `{"ids":["desk-1","printer-1"],"kind":"printer"}`: 1,
	} {
		a := o.do(t, "POST", "/api/v1/commands", `{"selector":`+selector+`,"action":"led_off"}`)
		if results := decoded[api.CommandsResponse](t, a).Results; len(results) != want || results == nil {
			t.Errorf("%s: %+v", selector, results)
		}
	}
}

func TestCommandsAreBounded(t *testing.T) {
	o := open(t, func(options *api.Options) {
		options.Limits.CommandDevices, options.Limits.CommandsInFlight = 50, 4
	})
	for i := range 50 {
		o.bus.device(t, plug(fmt.Sprintf("plug-%02d", i)))
	}
	t.Run("in the number of devices", func(t *testing.T) {
		a := o.do(t, "POST", "/api/v1/commands", `{"selector":{"all":true},"action":"on"}`)
		wantProblem(t, a, wattline.CodeInvalid, "selector")
		if !strings.Contains(a.problem(t).Detail, "55 devices") || len(o.bus.asks()) != 0 {
			t.Errorf("%s, %d asks", a.body, len(o.bus.asks()))
		}
	})
	t.Run("in how many go at once", func(t *testing.T) {
		var now, most atomic.Int64
		var mu sync.Mutex
		o.bus.set(func(b *fakeBus) {
			b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
				n := now.Add(1)
				defer now.Add(-1)
				mu.Lock()
				most.Store(max(most.Load(), n))
				mu.Unlock()
				return answerAll(ctx, ask)
			}
		})
		a := o.do(t, "POST", "/api/v1/commands", `{"selector":{"kind":"spare"},"action":"on"}`)
		if got := len(decoded[api.CommandsResponse](t, a).Results); got != 50 || most.Load() > 4 {
			t.Errorf("%d results, %d at once", got, most.Load())
		}
	})
	t.Run("in time, and those not reached were not sent", func(t *testing.T) {
		o.bus.set(func(b *fakeBus) {
			b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
				<-ctx.Done()
				return nil, wattline.Errorf(wattline.CodeTimeout, "silence")
			}
		})
		a := o.do(t, "POST", "/api/v1/commands", `{"selector":{"kind":"spare"},"action":"on","timeout_s":0.1}`)
		outcomes := map[wattline.Outcome]int{}
		for _, r := range decoded[api.CommandsResponse](t, a).Results {
			outcomes[r.Outcome]++
		}
		want := map[wattline.Outcome]int{wattline.OutcomeTimeout: 4, wattline.OutcomeNotSent: 46}
		if diff := cmp.Diff(want, outcomes); diff != "" {
			t.Error(diff)
		}
	})
}
