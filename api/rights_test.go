package api_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/wattline/wattline"
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

func TestALongAnswerEndsWhenItsReaderMayNoLongerHaveIt(t *testing.T) {
	become := func(who access.Principal) func(*office) { return func(o *office) { o.guests.let("reader", who) } }
	move := func(id, location string) func(*office) {
		return func(o *office) {
			o.bus.device(t, wattline.Device{ID: id, Kind: "workstation", Location: location, Site: "hq", Address: "192.0.2.11"})
		}
	}
	const pages, size = 30, 500
	const last = 10 // far enough behind those that are asked for ahead
	for name, c := range map[string]struct {
		then func(*office)
		ends bool
	}{
		"revoked":                   {become(access.Principal{}), true},
		"narrowed":                  {become(inScope(t, access.Viewer, "hq/f2")), true},
		"demoted":                   {become(inScope(t, access.Viewer, "hq/f1")), true},
		"its device moved away":     {move("desk-1", "hq/f9/r1"), true},
		"its device removed":        {func(o *office) { o.bus.deliver(removal("desk-1")) }, true},
		"its device moved within":   {move("desk-1", "hq/f1/r102"), false},
		"another device moved away": {move("desk-2", "hq/f9/r1"), false},
		"the reader as they were":   {become(inScope(t, access.Operator, "hq/f1")), false},
	} {
		t.Run(name, func(t *testing.T) {
			var o *office
			answerPage := paged(pages, size)
			o = answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
				if query, is := ask.Body.(wattline.ReadingsQuery); is && query.Cursor == strconv.Itoa(last) {
					c.then(o)
				}
				return answerPage(ctx, ask)
			})
			o.guests.let("reader", inScope(t, access.Operator, "hq/f1"))
			body, err := o.downloadAs(t, "reader", "/api/v1/readings?device=desk-1&format=ndjson")
			lines, broke := bytes.Count(body, []byte("\n")), errors.Is(err, io.ErrUnexpectedEOF)
			if broke != c.ends || c.ends && (lines == 0 || lines > last*size) || !c.ends && lines != pages*size {
				t.Errorf("%d lines came, then %v", lines, err)
			}
		})
	}
}

// removal is what the registry tells of a device that it has no more.
func removal(id string) bus.Message {
	return bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: id}}
}
