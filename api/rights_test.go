package api_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

func inScope(t testing.TB, role access.Role, text string) access.Principal {
	t.Helper()
	scope, err := access.ParseScope(text)
	if err != nil {
		t.Fatal(err)
	}
	return access.Principal{Name: "token:guest", Role: role, Scope: scope}
}

func TestEveryRouteButHealthAndThePagesNeedsAToken(t *testing.T) {
	o := open(t)
	openToAll := []string{"/", "/-/healthy", "/-/ready", "/api/v1/session/oidc", "/api/v1/session/oidc/callback"}
	for _, route := range o.Routes() {
		method, path, _ := strings.Cut(route, " ")
		if slices.Contains(openToAll, path) || route == "POST /api/v1/session" || path == "/docs" || strings.HasPrefix(path, "/docs/") {
			continue
		}
		target := strings.NewReplacer(`\:`, ":", ":id", "desk-1", ":name", "weather", ":verb", "forecast", ":instance", "hook-1", ":hook", "influx").Replace(path)
		a := o.doAs(t, "stranger", method, target, "")
		if a.status != http.StatusUnauthorized || a.header.Get("WWW-Authenticate") != `Bearer realm="wattline"` {
			t.Errorf("%s answers %d, WWW-Authenticate %q", route, a.status, a.header.Get("WWW-Authenticate"))
		}
	}
}

func TestWhatIsOutOfScopeDoesNotExist(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	for name, ask := range map[string]struct{ method, target, body string }{
		"a device":    {"GET", "/api/v1/devices/%s", ""},
		"a change":    {"PATCH", "/api/v1/devices/%s", `{"kind":"lamp"}`},
		"a new one":   {"PUT", "/api/v1/devices/%s", deskMoved},
		"a removal":   {"DELETE", "/api/v1/devices/%s", ""},
		"a lift":      {"POST", "/api/v1/devices/%s/lift", `{"for_s":60,"reason":"x"}`},
		"its end":     {"DELETE", "/api/v1/devices/%s/lift", ""},
		"what it can": {"GET", "/api/v1/devices/%s/capabilities", ""},
		"its state":   {"GET", "/api/v1/devices/%s/state?refresh=true", ""},
		"the relay":   {"PUT", "/api/v1/devices/%s/relay", `{"state":"on"}`},
		"the light":   {"PUT", "/api/v1/devices/%s/led", `{"state":"on"}`},
		"readings":    {"GET", "/api/v1/readings?device=desk-1&device=%s", ""},
		"consumption": {"GET", "/api/v1/consumption?device=%s", ""},
		"aggregates":  {"GET", "/api/v1/aggregate?device=%s&field=power&op=mean", ""},
		"a command":   {"POST", "/api/v1/commands", `{"selector":{"ids":["desk-1","%s"]},"action":"on"}`},
	} {
		t.Run(name, func(t *testing.T) {
			put := func(id string) answer {
				replace := strings.NewReplacer("%s", id)
				return o.doAs(t, "floor", ask.method, replace.Replace(ask.target), replace.Replace(ask.body))
			}
			hidden, absent := put("printer-1"), put("printer-9")
			if hidden.status != absent.status || anonymous(hidden, "printer-1") != anonymous(absent, "printer-9") {
				t.Errorf("one that exists: %d %s\none that does not: %d %s", hidden.status, hidden.body, absent.status, absent.body)
			}
			if ask.method != "POST" && hidden.status != http.StatusNotFound {
				t.Errorf("status %d", hidden.status)
			}
		})
	}
}

// anonymous is an answer without what differs by request.
func anonymous(a answer, id string) string {
	text := strings.ReplaceAll(string(a.body), id, "ID")
	return regexp.MustCompile(`"(id|request_id|time)":"[^"]*"`).ReplaceAllString(text, "")
}

func TestARoleThatDoesNotAllowItIsForbidden(t *testing.T) {
	o := open(t)
	o.guests.let("viewer", inScope(t, access.Viewer, "*"))
	o.guests.let("narrow", inScope(t, access.Admin, "hq"))
	for _, ask := range []struct{ token, method, target, body string }{
		{"viewer", "PUT", "/api/v1/devices/desk-1/relay", `{"state":"on"}`},
		{"viewer", "PUT", "/api/v1/devices/desk-1/led", `{"state":"on"}`},
		{"viewer", "GET", "/api/v1/system/journal", ""},
		{"viewer", "POST", "/api/v1/system/history/rebuild", `{}`},
		{"narrow", "GET", "/api/v1/system/hooks", ""},
		{"narrow", "GET", "/api/v1/components/weather/forecast", ""},
		{"narrow", "GET", "/metrics", ""},
	} {
		wantProblem(t, o.doAs(t, ask.token, ask.method, ask.target, ask.body), wattline.CodeForbidden, "")
	}
	t.Run("of many devices too, and nothing is kept of it", func(t *testing.T) {
		wantProblem(t, o.doAs(t, "viewer", "POST", "/api/v1/commands", `{"selector":{"location":"hq/f1"},"action":"on"}`), wattline.CodeForbidden, "")
		wantProblem(t, o.doAs(t, "viewer", "POST", "/api/v1/commands", `{"selector":{"ids":["none"]},"action":"on"}`), wattline.CodeForbidden, "")
	})
	t.Run("and nothing was sent", func(t *testing.T) {
		for _, ask := range o.bus.asks() {
			t.Errorf("asked %v", ask.Topic)
		}
	})
}

// echo answers whatever is asked of the history with all devices that are named.
func echo(ctx context.Context, ask bus.Ask) (any, error) {
	switch query := ask.Body.(type) {
	case wattline.ReadingsQuery:
		var found wattline.ReadingsPage
		for _, id := range query.Devices {
			found.Readings = append(found.Readings, readingOf(id, noon()))
		}
		return found, nil
	case wattline.ConsumptionQuery:
		var found wattline.ConsumptionPage
		for _, group := range query.Groups {
			found.Rows = append(found.Rows, wattline.Consumption{Group: group.Name + strings.Join(group.Devices, "+")})
		}
		return found, nil
	}
	return answerAll(ctx, ask)
}

// TestNoAnswerNamesADeviceOutOfScope puts random requests with random rights, and
// looks for the ids of other devices in the answers.
func TestNoAnswerNamesADeviceOutOfScope(t *testing.T) {
	o := answering(t, echo)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			if ask.Topic.Component == wattline.RoleRegistry {
				return b.answerRegistered(ctx, ask)
			}
			return echo(ctx, ask)
		}
	})
	devices := map[string]wattline.Device{
		"desk-1":    {Kind: "workstation", Location: "hq/f1/r101/desk-1", Labels: map[string]string{"cost-centre": "4100", "floor": "1"}},
		"desk-2":    {Kind: "workstation", Location: "hq/f1/r101/desk-2", Labels: map[string]string{"cost-centre": "4200"}},
		"printer-1": {Kind: "printer", Location: "hq/f2/hall"},
		"new-1":     {Kind: "printer", Location: "hq/f10"},
		"down-1":    {Kind: "workstation", Location: "hq/f2/r201"},
	}
	everything := decoded[api.CommandsResponse](t, o.do(t, "POST", "/api/v1/commands", `{"selector":{"all":true},"action":"led_off"}`))
	oneOf := func(rt *rapid.T, what string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, what) }
	rapid.Check(t, func(rt *rapid.T) {
		who := inScope(t, access.Role(oneOf(rt, "role", "viewer", "operator", "admin")), oneOf(rt, "scope",
			"hq/f1", "hq/f1/r101/desk-1", "hq/f2", "kind:printer", "kind:workstation", "label:floor:1", "label:cost-centre:4200,hq/f10", "lab"))
		o.guests.let("guest", who)
		place := oneOf(rt, "place", "", "location=hq", "location=hq/f2", "kind=printer", "kind=workstation", "label=floor:1")
		asked := oneOf(rt, "id", "desk-1", "desk-2", "printer-1", "new-1", "down-1", "none")
		selector := oneOf(rt, "selector", `"all":true`, `"location":"hq"`, `"kind":"printer"`)
		ask := rapid.SampledFrom([]struct{ method, target, body string }{
			{"GET", "/api/v1/devices?" + place, ""},
			{"GET", "/api/v1/devices?limit=1&" + place, ""},
			{"GET", "/api/v1/devices/" + asked, ""},
			{"GET", "/api/v1/devices/" + asked + "/state", ""},
			{"GET", "/api/v1/readings?" + place, ""},
			{"GET", "/api/v1/readings?format=csv&" + place, ""},
			{"GET", "/api/v1/consumption?group_by=device&" + place, ""},
			{"GET", "/api/v1/consumption?group_by=all&" + place, ""},
			{"GET", "/api/v1/components/registry/list", ""},
			{"GET", "/metrics", ""},
			{"POST", "/api/v1/commands", `{"selector":{` + selector + `},"action":"led_on"}`},
			{"POST", "/api/v1/commands", `{"selector":{` + selector + `},"action":"on","dry_run":true}`},
			{"GET", "/api/v1/commands/command-1", ""},
			{"GET", "/api/v1/commands/" + everything.ID, ""},
			{"GET", "/api/v1/devices/" + asked + "/commands", ""},
			{"GET", "/api/v1/discovery/job-1.agent-1", ""},
			{"PUT", "/api/v1/devices/" + asked + "/relay", `{"state":"on"}`},
			{"GET", "/api/v1/devices/" + asked + "/capabilities", ""},
			{"PATCH", "/api/v1/devices/" + asked, `{"kind":"no name"}`},
			{"DELETE", "/api/v1/devices/" + asked + "/lift", ""},
			{"POST", "/api/v1/devices:apply?dry_run=true&prune=true", "[]"},
		}).Draw(rt, "request")
		o.bus.forget()
		a := o.doAs(t, "guest", ask.method, ask.target, ask.body)
		text := fmt.Sprint(a.header) + string(a.body)
		for _, sent := range o.bus.asks() {
			text += fmt.Sprint(sent.Topic, sent.Body)
		}
		for id, device := range devices {
			named := strings.Contains(ask.target, "/"+id) && a.status == http.StatusNotFound
			if !who.Scope.Holds(device) && !named && strings.Contains(text, id) {
				rt.Errorf("%s %s %s of somebody with %s names %s: %d %.500s", ask.method, ask.target, ask.body, who.Scope, id, a.status, text)
			}
		}
	})
}

func TestALongAnswerEndsWhenItsTokenIsRevokedOrNarrowed(t *testing.T) {
	for name, then := range map[string]access.Principal{
		"revoked":  {},
		"narrowed": inScope(t, access.Viewer, "hq/f2"),
		"demoted":  inScope(t, access.Viewer, "hq"),
	} {
		t.Run(name, func(t *testing.T) {
			var o *office
			pages := paged(30, 500)
			o = answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
				if query, is := ask.Body.(wattline.ReadingsQuery); is && query.Cursor == "3" {
					o.guests.let("reader", then)
				}
				return pages(ctx, ask)
			})
			o.guests.let("reader", inScope(t, access.Operator, "hq"))
			body, err := o.downloadAs(t, "reader", "/api/v1/readings?device=desk-1&format=ndjson")
			if lines := bytes.Count(body, []byte("\n")); lines == 0 || lines > 5*500 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d lines came, then %v", lines, err)
			}
		})
	}
}
