package api_test

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
)

// pages are for people and not described.
var pages = []string{
	"GET /", "GET /docs", "GET /docs/LICENSE.txt", "GET /docs/docs.js", "GET /docs/rapidoc-min.js", "GET /docs/rapidoc-min.js.LICENSE.txt",
}

func TestRoutesAndDescriptionNameTheSame(t *testing.T) {
	o := open(t)
	parameter := regexp.MustCompile(`:(\w+)`)
	var routes, heads, described []string
	for _, route := range o.Routes() {
		route = strings.Replace(route, `\:apply`, "%apply", 1)
		route = strings.Replace(parameter.ReplaceAllString(route, "{$1}"), "%", ":", 1)
		if rest, isHead := strings.CutPrefix(route, "HEAD "); isHead {
			heads = append(heads, "GET "+rest)
		} else if !slices.Contains(pages, route) {
			routes = append(routes, route)
		}
	}
	for _, operation := range o.validator.Operations() {
		described = append(described, operation.Method+" "+operation.Path)
	}
	slices.Sort(routes)
	slices.Sort(described)
	if diff := cmp.Diff(described, routes); diff != "" {
		t.Error("described (-) and served (+):", diff)
	}
	for _, route := range append(routes, pages...) {
		if strings.HasPrefix(route, "GET ") && !slices.Contains(heads, route) {
			t.Errorf("%s takes no HEAD", route)
		}
	}
}

// one is a request that every operation takes.
var one = map[string]struct{ method, target, body string }{
	"listDevices":       {"GET", "/api/v1/devices", ""},
	"getDevice":         {"GET", "/api/v1/devices/desk-1", ""},
	"createDevice":      {"POST", "/api/v1/devices", `{"id":"desk-7","kind":"workstation","location":"hq/f1/r101/desk-7","address":"10.1.0.17"}`},
	"replaceDevice":     {"PUT", "/api/v1/devices/desk-1", `{"kind":"workstation","location":"hq/f1/r101/desk-1","site":"hq","address":"10.1.0.17"}`},
	"patchDevice":       {"PATCH", "/api/v1/devices/desk-1", `{"labels":{"floor":null,"window":"north"},"poll_s":2.5}`},
	"deleteDevice":      {"DELETE", "/api/v1/devices/down-1", ""},
	"liftProtection":    {"POST", "/api/v1/devices/printer-1/lift", `{"for_s":1800,"reason":"moved"}`},
	"endLift":           {"DELETE", "/api/v1/devices/printer-1/lift", ""},
	"applyDevices":      {"POST", "/api/v1/devices:apply?dry_run=true", `[{"id":"desk-8","kind":"workstation","location":"hq/f1","address":"10.1.0.18"}]`},
	"listCapabilities":  {"GET", "/api/v1/capabilities", ""},
	"getCapabilities":   {"GET", "/api/v1/devices/desk-1/capabilities", ""},
	"getState":          {"GET", "/api/v1/devices/desk-1/state?refresh=true", ""},
	"putRelay":          {"PUT", "/api/v1/devices/desk-1/relay", `{"state":"on"}`},
	"putLED":            {"PUT", "/api/v1/devices/desk-1/led", `{"state":"on"}`},
	"getCommand":        {"GET", "/api/v1/commands/command-1", ""},
	"listCommands":      {"GET", "/api/v1/devices/desk-1/commands?limit=5", ""},
	"postDiscovery":     {"POST", "/api/v1/discovery", `{"networks":["10.1.0.0/22"]}`},
	"getDiscovery":      {"GET", "/api/v1/discovery/job-1.agent-1", ""},
	"adoptPlug":         {"POST", "/api/v1/discovery/job-1.agent-1/adopt", `{"id":"lamp-9","kind":"lamp","location":"hq/f1","address":"10.1.0.30/01"}`},
	"postCommands":      {"POST", "/api/v1/commands", `{"selector":{"all":true},"action":"on","timeout_s":1}`},
	"postWatch":         {"POST", "/api/v1/devices/desk-1/watch", `{"seconds":5}`},
	"deleteWatch":       {"DELETE", "/api/v1/devices/desk-1/watch", ""},
	"streamEvents":      {"HEAD", "/api/v1/events?location=hq&type=reading&snapshot=true", ""}, // a GET has no end
	"openSocket":        {"GET", "/api/v1/live", ""},
	"getReadings":       {"GET", "/api/v1/readings?location=hq&from=2026-03-28&to=2026-03-29T00:00:00Z&limit=5", ""},
	"getConsumption":    {"GET", "/api/v1/consumption?kind=workstation&from=2026-03-28&to=2026-03-29&window=day&group_by=location:2&tz=Europe/Madrid", ""},
	"getAggregate":      {"GET", "/api/v1/aggregate?kind=workstation&from=2026-03-28&to=2026-03-29&field=power&op=PERCENTILE&p=95&window=year&group_by=label:floor", ""},
	"postRebuild":       {"POST", "/api/v1/system/history/rebuild", `{"from":"2026-03-28T00:00:00Z","to":"2026-03-29T00:00:00Z","devices":["desk-1"],"cursor":"0.desk-1"}`},
	"getComponent":      {"GET", "/api/v1/components/weather/forecast?city=bilbao", ""},
	"getSystem":         {"GET", "/api/v1/system", ""},
	"listJournals":      {"GET", "/api/v1/system/journal", ""},
	"forgetHook":        {"DELETE", "/api/v1/system/journal/agent-1/hooks/influx", ""},
	"listHooks":         {"GET", "/api/v1/system/hooks", ""},
	"listDeadLetters":   {"GET", "/api/v1/system/hooks/hook-1/dead-letters?after=0-ab&limit=5", ""},
	"resendDeadLetters": {"POST", "/api/v1/system/hooks/hook-1/dead-letters/resend", `{"ids":["ab","cd"]}`},
	"getMe":             {"GET", "/api/v1/me", ""},
	"signIn":            {"POST", "/api/v1/session", `{"name":"ana","password":"correct horse battery"}`},
	"beginOIDC":         {"GET", "/api/v1/session/oidc?return_to=/docs", ""},
	"finishOIDC":        {"GET", "/api/v1/session/oidc/callback?state=AAAA&code=BBBB", ""},
	"signOut":           {"DELETE", "/api/v1/session", ""},
	"createToken":       {"POST", "/api/v1/tokens", `{"name":"research","role":"viewer","scope":"hq/f1,kind:printer","expires":"12h"}`},
	"listTokens":        {"GET", "/api/v1/tokens?limit=1", ""},
	"getToken":          {"GET", "/api/v1/tokens/TOKEN", ""},
	"revokeToken":       {"DELETE", "/api/v1/tokens/TOKEN", ""},
	"createUser":        {"POST", "/api/v1/users", `{"name":"eva","password":"correct horse battery","role":"viewer","scope":"hq/f1"}`},
	"listUsers":         {"GET", "/api/v1/users?limit=1", ""},
	"getUser":           {"GET", "/api/v1/users/ana", ""},
	"putUser":           {"PUT", "/api/v1/users/ana", `{"role":"operator","scope":"*"}`},
	"removeUser":        {"DELETE", "/api/v1/users/bob", ""},
	"getAudit":          {"GET", "/api/v1/audit?device=desk-2&outcome=done&from=-24h&limit=5", ""},
	"getOpenAPI":        {"GET", "/api/v1/openapi.json", ""},
	"getHealthy":        {"GET", "/-/healthy", ""},
	"getReady":          {"GET", "/-/ready", ""},
	"getMetrics":        {"GET", "/metrics", ""},
}

// TestEveryDescribedAnswerIsGivenAndIsAsDescribed brings about each status of
// each operation; send holds the answers against their schemas.
func TestEveryDescribedAnswerIsGivenAndIsAsDescribed(t *testing.T) {
	seen := map[string]bool{}
	note := func(id string, status int) { seen[id+" "+strconv.Itoa(status)] = true }
	// The first of a kind is its example: what is told of a request itself comes before
	// what others tell.
	everyFormat(t, note)
	everyOperation(t, note)
	everyStranger(t, note)
	everyBadRequest(t, note)
	everyKey(t, note)
	everyAccount(t, note)
	everyProvidedSession(t, note)
	everyCondition(t, note)
	everyFailureOfOthers(t, note)
	everyRefusal(t, note)

	o := open(t)
	o.bus.set(func(b *fakeBus) { b.connected = false })
	note("getReady", o.get(t, "/-/ready").status)
	o.SetComplete(false)
	note("listDevices", o.get(t, "/api/v1/devices").status)
	note("getDevice", o.get(t, "/api/v1/devices/unheard").status)
	note("openSocket", handshake(t, o))
	o.EndLive()
	note("streamEvents", o.get(t, "/api/v1/events").status)
	note("openSocket", o.get(t, "/api/v1/live").status)
	note("getCommand", o.get(t, "/api/v1/commands/command-1").status)
	note("listCommands", o.get(t, "/api/v1/devices/unheard/commands").status)
	note("postCommands", o.do(t, http.MethodPost, "/api/v1/commands", `{"selector":{"all":true},"action":"on"}`).status)
	bare := open(t, func(options *api.Options) { options.Metrics = nil })
	note("getMetrics", bare.get(t, "/metrics").status)

	for _, operation := range o.validator.Operations() {
		for _, status := range operation.Statuses {
			key := operation.ID + " " + status
			if status != "default" && !seen[key] {
				t.Errorf("%s is described and was not brought about", key)
			}
		}
	}
	answered.settle(t)
}

// everyKey is of commands sent twice, later, and asked for when none are kept.
func everyKey(t *testing.T, note func(string, int)) {
	o := open(t)
	post := func(key, body string) answer {
		r := request("POST", "/api/v1/commands", body)
		r.Header.Set("Idempotency-Key", key)
		return o.send(t, r)
	}
	inside := make(chan int, 1)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			inside <- post("k1", `{"selector":{"ids":["desk-1"]},"action":"on"}`).status
			return answerAll(ctx, ask)
		}
	})
	post("k1", `{"selector":{"ids":["desk-1"]},"action":"on"}`)
	note("postCommands", <-inside)
	note("postCommands", post("k1", `{"selector":{"ids":["desk-2"]},"action":"on"}`).status)
	for _, id := range []string{"printer-1", "nobody"} {
		later := request("POST", "/api/v1/commands", `{"selector":{"ids":["`+id+`"]},"action":"on"}`)
		later.Header.Set("Prefer", "respond-async")
		note("postCommands", o.send(t, later).status)
	}
	note("getCommand", o.get(t, "/api/v1/commands/nobodys").status)
	o.forget()
	note("getCommand", o.get(t, one["getCommand"].target).status)
	note("listCommands", o.get(t, one["listCommands"].target).status)
}

// everyCondition asks for what is kept, and for what there is not yet.
func everyCondition(t *testing.T, note func(string, int)) {
	o := open(t)
	for _, id := range []string{"listDevices", "getDevice"} {
		again := request("GET", one[id].target, "")
		again.Header.Set("If-None-Match", o.get(t, one[id].target).header.Get("ETag"))
		note(id, o.send(t, again).status)
	}
	fresh := request("PUT", "/api/v1/devices/desk-9", one["replaceDevice"].body)
	fresh.Header.Set("If-None-Match", "*")
	note("replaceDevice", o.send(t, fresh).status)
}

func everyOperation(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t))
	eventually(t, "readiness", func() bool { return o.get(t, "/-/ready").status == http.StatusOK })
	for _, operation := range o.validator.Operations() {
		r, ok := one[operation.ID]
		if !ok {
			t.Errorf("no request for %s", operation.ID)
			continue
		}
		if operation.ID == "openSocket" || isProvided(operation.ID) {
			continue // needs a connection, see handshake; or a provider
		}
		described := r.method
		if r.method == http.MethodHead {
			described = http.MethodGet
		}
		if err := o.validator.Request(request(described, r.target, r.body), []byte(r.body)); err != nil {
			t.Errorf("%s: the request is not as described: %v", operation.ID, err)
		}
		a := o.do(t, r.method, r.target, r.body)
		if a.status/100 != 2 {
			t.Errorf("%s: %d %s", operation.ID, a.status, a.body)
		}
		note(operation.ID, a.status)
	}
}

func everyBadRequest(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t))
	for id, r := range one {
		target := r.target + "?nonsense=1&nonsense=2"
		if strings.Contains(r.target, "?") {
			target = r.target + "&nonsense=1&nonsense=2"
		}
		if id != "getMetrics" && !isProvided(id) {
			a := o.do(t, r.method, target, r.body)
			wantProblem(t, a, wattline.CodeInvalid, "nonsense")
			note(id, a.status)
		}
		if strings.Contains(r.target, "desk-1") {
			a := o.do(t, r.method, strings.Replace(r.target, "desk-1", "nobody", 1), r.body)
			wantProblem(t, a, wattline.CodeNotFound, "")
			note(id, a.status)
			protected := o.do(t, r.method, strings.Replace(r.target, "desk-1", "printer-1", 1), r.body)
			note(id, protected.status)
		}
		if r.body != "" {
			large := o.do(t, r.method, r.target, `{"state":"`+strings.Repeat("x", 10<<20)+`"}`)
			wantProblem(t, large, wattline.CodeTooLarge, "")
			note(id, large.status)
			plain := request(r.method, r.target, r.body)
			plain.Header.Set("Content-Type", "text/plain")
			a := o.send(t, plain)
			wantProblem(t, a, wattline.CodeUnsupportedMediaType, "")
			note(id, a.status)
		}
	}
	meter := stateOf("desk-1", later(1))
	meter.Capabilities = []wattline.Capability{wattline.CapabilityMeter}
	o.bus.state(t, "hq", meter, false)
	for _, id := range []string{"putRelay", "putLED"} {
		a := o.do(t, one[id].method, one[id].target, one[id].body)
		wantProblem(t, a, wattline.CodeUnsupported, "")
		note(id, a.status)
	}
	for _, id := range []string{"getReadings", "getConsumption", "getAggregate"} {
		path, _, _ := strings.Cut(one[id].target, "?")
		if id == "getAggregate" {
			path += "?field=power&op=mean&device=nobody"
		} else {
			path += "?device=nobody"
		}
		note(id, o.get(t, path).status)
		picky := request(http.MethodGet, path, "")
		picky.Header.Set("Accept", "image/png")
		a := o.send(t, picky)
		wantProblem(t, a, wattline.CodeNotAcceptable, "")
		note(id, a.status)
	}
}
