package api_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

// post sends commands with headers of name and value.
func (o *office) post(t testing.TB, body string, headers ...string) answer {
	t.Helper()
	return o.postAs(t, "", body, headers...)
}

func (o *office) postAs(t testing.TB, token, body string, headers ...string) answer {
	t.Helper()
	r := request("POST", "/api/v1/commands", body)
	for i := 0; i < len(headers); i += 2 {
		r.Header.Add(headers[i], headers[i+1])
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	return o.send(t, r)
}

// outcomes are those of an answer, by device.
func outcomes(results []wattline.Result) map[string]wattline.Outcome {
	by := map[string]wattline.Outcome{}
	for _, r := range results {
		by[r.Device] = r.Outcome
	}
	return by
}

func (o *office) status(t testing.TB, id string) api.CommandStatus {
	t.Helper()
	a := o.get(t, "/api/v1/commands/"+id)
	if a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	return decoded[api.CommandStatus](t, a)
}

func recorded(records []wattline.CommandRecord) map[string]wattline.Outcome {
	by := map[string]wattline.Outcome{}
	for _, r := range records {
		by[r.Device] = r.Outcome
	}
	return by
}

func TestADryRunSendsNothingAndSaysWhatWouldBe(t *testing.T) {
	o := open(t)
	body := `{"selector":{"ids":["desk-1","printer-1","new-1","nobody"]},"action":"on","dry_run":true}`
	got := decoded[api.CommandsResponse](t, o.post(t, body))
	want := map[string]wattline.Outcome{
		"desk-1": wattline.OutcomeWouldSend, "new-1": wattline.OutcomeWouldSend,
		"printer-1": wattline.OutcomeRefused, "nobody": wattline.OutcomeRefused,
	}
	if diff := cmp.Diff(want, outcomes(got.Results)); diff != "" || got.ID != "" {
		t.Error(got.ID, diff)
	}
	o.bus.set(func(b *fakeBus) { b.instances = nil })
	if got := decoded[api.CommandsResponse](t, o.post(t, body)); got.Results[0].Code != wattline.CodeNoResponder {
		t.Errorf("without a controller: %+v", got.Results)
	}
	o.bus.set(func(b *fakeBus) { b.connected = false })
	if got := decoded[api.CommandsResponse](t, o.post(t, body)); got.Results[0].Code != wattline.CodeBrokerDown {
		t.Errorf("without a broker: %+v", got.Results)
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
	if a := o.get(t, "/api/v1/devices/new-1/commands"); len(decoded[api.CommandList](t, a).Commands) != 0 {
		t.Errorf("it is in the history: %s", a.body)
	}
}

func TestWhoDoesNotWaitAsksForTheOutcomesLater(t *testing.T) {
	o := open(t)
	release := make(chan bool)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			if ask.Topic.Device == "desk-2" {
				<-release
			}
			return answerAll(ctx, ask)
		}
	})
	a := o.post(t, `{"selector":{"ids":["desk-1","desk-2","nobody"]},"action":"off","timeout_s":600}`, "Prefer", "wait=5, Respond-Async")
	location := a.header.Get("Location")
	if a.status != http.StatusAccepted || !strings.HasPrefix(location, "/api/v1/commands/") || a.header.Get("Preference-Applied") != "respond-async" {
		t.Fatalf("%d %v %s", a.status, a.header, a.body)
	}
	id := strings.TrimPrefix(location, "/api/v1/commands/")
	eventually(t, "one outcome", func() bool {
		status := o.status(t, id)
		by := recorded(status.Results)
		return by["desk-1"] == wattline.OutcomeDone && by["desk-2"] == wattline.OutcomePending && !status.Done && status.Pending == 1
	})
	close(release)
	eventually(t, "the rest", func() bool { return o.status(t, id).Done })
	want := map[string]wattline.Outcome{"desk-1": wattline.OutcomeDone, "desk-2": wattline.OutcomeDone, "nobody": wattline.OutcomeRefused}
	if diff := cmp.Diff(want, recorded(o.status(t, id).Results)); diff != "" {
		t.Error(diff)
	}
	t.Run("so many at once", func(t *testing.T) {
		narrow := open(t, func(options *api.Options) { options.Limits.Background = 1 })
		hold := make(chan bool)
		narrow.bus.set(func(b *fakeBus) {
			b.answer = func(ctx context.Context, ask bus.Ask) (any, error) { <-hold; return answerAll(ctx, ask) }
		})
		narrow.post(t, `{"selector":{"ids":["desk-1"]},"action":"off"}`, "Prefer", "respond-async")
		wantProblem(t, narrow.post(t, `{"selector":{"ids":["desk-1"]},"action":"off"}`, "Prefer", "respond-async"), wattline.CodeBusy, "")
		close(hold)
	})
	t.Run("and more time only for them", func(t *testing.T) {
		wantProblem(t, o.post(t, `{"selector":{"ids":["desk-1"]},"action":"off","timeout_s":61}`), wattline.CodeInvalid, "timeout_s")
	})
}

func TestCommandsInTheBackgroundEndWithTheRightsOfWhoGaveThem(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Limits.CommandsInFlight = 1 })
	o.guests.let("guest", inScope(t, access.Operator, "*"))
	var sent atomic.Int64
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			if sent.Add(1) == 1 {
				o.guests.let("guest", access.Principal{})
			}
			return answerAll(ctx, ask)
		}
	})
	a := o.postAs(t, "guest", `{"selector":{"ids":["desk-1","desk-2","new-1"]},"action":"off"}`, "Prefer", "respond-async")
	id := strings.TrimPrefix(a.header.Get("Location"), "/api/v1/commands/")
	eventually(t, "the end", func() bool { return o.status(t, id).Done })
	want := map[string]wattline.Outcome{"desk-1": wattline.OutcomeDone, "desk-2": wattline.OutcomeRefused, "new-1": wattline.OutcomeRefused}
	if diff := cmp.Diff(want, recorded(o.status(t, id).Results)); diff != "" || sent.Load() != 1 {
		t.Error(sent.Load(), diff)
	}
}

func TestAnUnknownOutcomeIsCorrectedByTheController(t *testing.T) {
	o := open(t)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) {
			return nil, wattline.Errorf(wattline.CodeTimeout, "silence")
		}
	})
	a := o.do(t, "PUT", "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
	wantProblem(t, a, wattline.CodeTimeout, "")
	id := a.problem(t).CommandID
	if got := o.status(t, id).Results; len(got) != 1 || got[0].Outcome != wattline.OutcomeTimeout || got[0].Late {
		t.Errorf("%+v", got)
	}
	o.bus.command(t, wattline.Result{
		ID: id, Device: "desk-1", Action: wattline.ActionOff, Outcome: wattline.OutcomeDone, Relay: wattline.RelayOff, Time: wattline.At(time.Now()),
	})
	if got := o.status(t, id).Results; len(got) != 1 || got[0].Outcome != wattline.OutcomeDone || !got[0].Late || got[0].Code != "" {
		t.Errorf("%+v", got)
	}
}

func TestTheHistoryOfADeviceHasTheCommandsOfAll(t *testing.T) {
	o := open(t)
	o.do(t, "PUT", "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
	o.post(t, `{"selector":{"ids":["desk-1","desk-2"]},"action":"led_on"}`)
	o.do(t, "PUT", "/api/v1/devices/printer-1/relay", `{"state":"off"}`)
	for i := range 3 {
		o.bus.command(t, wattline.Result{
			ID: fmt.Sprintf("night-%d", i), Device: "desk-1", Action: wattline.ActionOn, Outcome: wattline.OutcomeFailed,
			Code: wattline.CodeDeviceError, Message: "it hums", Time: wattline.At(time.Now()), Actor: "schedule",
		})
	}
	o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicEvent, Event: "command"}, Payload: []byte(`{"device":"desk-1"}`)})
	var got []string
	target := "/api/v1/devices/desk-1/commands?limit=2"
	for next := ""; ; {
		page := decoded[api.CommandList](t, o.get(t, target+next))
		for _, r := range page.Commands {
			got = append(got, fmt.Sprintf("%s %s %s", r.Action, r.Outcome, strings.Split(r.Actor, "@")[0]))
		}
		if page.Next == "" {
			break
		}
		next = "&cursor=" + page.Next
	}
	want := []string{
		"on failed schedule", "on failed schedule", "on failed schedule", "led_on done token:admin", "off done token:admin", "on done schedule",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if page := decoded[api.CommandList](t, o.get(t, "/api/v1/devices/printer-1/commands")); len(page.Commands) != 1 || page.Commands[0].Code != wattline.CodeProtected {
		t.Errorf("what was refused: %+v", page)
	}
}

func TestCommandsAreSeenAsFarAsTheirDevicesAre(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Operator, "hq/f1"))
	o.guests.let("lab", inScope(t, access.Viewer, "lab"))
	all := decoded[api.CommandsResponse](t, o.post(t, `{"selector":{"ids":["desk-1","down-1","nobody"]},"action":"off"}`))
	seen := decoded[api.CommandStatus](t, o.doAs(t, "floor", "GET", "/api/v1/commands/"+all.ID, ""))
	if diff := cmp.Diff(map[string]wattline.Outcome{"desk-1": wattline.OutcomeDone}, recorded(seen.Results)); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{all.ID, all.Results[1].ID, "nothing"} {
		wantProblem(t, o.doAs(t, "lab", "GET", "/api/v1/commands/"+id, ""), wattline.CodeNotFound, "")
	}
	wantProblem(t, o.doAs(t, "floor", "GET", "/api/v1/devices/down-1/commands", ""), wattline.CodeNotFound, "")
	t.Run("what named no device is for whoever named it, whose name may have an @", func(t *testing.T) {
		for token, name := range map[string]string{"ana": "oidc:ana", "mail": "oidc:ana@example.org"} {
			who := inScope(t, access.Operator, "hq/f1")
			who.Name = name
			o.guests.let(token, who)
		}
		a := o.postAs(t, "mail", `{"selector":{"ids":["desk-1","nobody"]},"action":"off"}`, "Idempotency-Key", "k")
		id := decoded[api.CommandsResponse](t, a).ID
		for token, results := range map[string]int{"ana": 1, "mail": 2} {
			if seen := decoded[api.CommandStatus](t, o.doAs(t, token, "GET", "/api/v1/commands/"+id, "")); len(seen.Results) != results {
				t.Errorf("%s sees %+v", token, seen.Results)
			}
		}
	})
	t.Run("also in an answer that is repeated", func(t *testing.T) {
		const body = `{"selector":{"ids":["desk-1","down-1"]},"action":"off"}`
		o.guests.let("narrowed", inScope(t, access.Operator, "hq"))
		o.postAs(t, "narrowed", body, "Idempotency-Key", "k1")
		o.guests.let("narrowed", inScope(t, access.Operator, "hq/f1"))
		a := o.postAs(t, "narrowed", body, "Idempotency-Key", "k1")
		if strings.Contains(string(a.body), `"done"`) && len(decoded[api.CommandsResponse](t, a).Results) != 1 {
			t.Errorf("%s", a.body)
		}
	})
}
