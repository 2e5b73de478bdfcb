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

func TestALongAnswerEndsWhenItsTokenIsRevokedOrNarrowed(t *testing.T) {
	for name, then := range map[string]access.Principal{
		"revoked":  {},
		"narrowed": inScope(t, access.Viewer, "hq/f2"),
		"demoted":  inScope(t, access.Viewer, "hq"),
	} {
		t.Run(name, func(t *testing.T) {
			var o *office
			const last = 10 // far enough behind those that are asked for ahead
			pages := paged(30, 500)
			o = answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
				if query, is := ask.Body.(wattline.ReadingsQuery); is && query.Cursor == strconv.Itoa(last) {
					o.guests.let("reader", then)
				}
				return pages(ctx, ask)
			})
			o.guests.let("reader", inScope(t, access.Operator, "hq"))
			body, err := o.downloadAs(t, "reader", "/api/v1/readings?device=desk-1&format=ndjson")
			if lines := bytes.Count(body, []byte("\n")); lines == 0 || lines > last*500 || !errors.Is(err, io.ErrUnexpectedEOF) {
				t.Errorf("%d lines came, then %v", lines, err)
			}
		})
	}
}
