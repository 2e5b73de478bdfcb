package api_test

import (
	"net/http"
	"strings"
	"testing"
)

// gets are the paths that take a query.
var gets = []string{
	"/api/v1/devices", "/api/v1/devices/desk-1", "/api/v1/devices/desk-1/state", "/api/v1/readings",
	"/api/v1/consumption", "/api/v1/aggregate", "/api/v1/components/weather/forecast", "/-/healthy", "/api/v1/openapi.json",
}

// sane fails on what no input may bring about; send has already held the
// response against the description.
func (o *office) sane(t *testing.T, a answer, asksBefore int) {
	t.Helper()
	if a.status >= http.StatusInternalServerError {
		t.Errorf("%d %s", a.status, a.body)
	}
	if asked := len(o.bus.asks()) - asksBefore; a.status >= http.StatusBadRequest && asked > 0 {
		t.Errorf("%d, and %d were asked", a.status, asked)
	}
}

func FuzzQuery(f *testing.F) {
	for i, query := range []string{
		"location=hq/f1&kind=printer&label=floor:1&state=up&limit=5", "cursor=e30&x=1", "refresh=true",
		"device=desk-1&from=2026-03-28&to=2026-03-29T00:00:00%2B01:00",
		"window=quarter&group_by=location:2&tz=Europe/Madrid&from=2026-03-28",
		"field=power&op=Percentile&p=99.5&group_by=label:floor&format=csv", "city=bilbao&days=3", "%zz", "a;b",
	} {
		f.Add(uint8(i), query)
	}
	o := open(f)
	f.Fuzz(func(t *testing.T, path uint8, query string) {
		r := request(http.MethodGet, gets[int(path)%len(gets)], "")
		r.URL.RawQuery = query
		before := len(o.bus.asks())
		o.sane(t, o.send(t, r), before)
		o.bus.set(func(b *fakeBus) { b.asked = nil })
	})
}

func FuzzPath(f *testing.F) {
	for _, path := range []string{
		"/api/v1/devices/desk-1", "/api/v1/devices/%2e%2e/state", "/api/v1/components/a/b", "/docs", "//", "/%", "/api/v1/devices/+/state",
	} {
		f.Add(path)
	}
	o := open(f)
	f.Fuzz(func(t *testing.T, path string) {
		if !strings.HasPrefix(path, "/") || path == "/metrics" || path == "/-/ready" {
			return
		}
		r := request(http.MethodGet, "/", "")
		r.URL.Path, r.URL.RawPath = path, ""
		before := len(o.bus.asks())
		o.sane(t, o.send(t, r), before)
		r.URL.RawPath = path
		before = len(o.bus.asks())
		o.sane(t, o.send(t, r), before)
		o.bus.set(func(b *fakeBus) { b.asked = nil })
	})
}

func FuzzBody(f *testing.F) {
	f.Add(uint8(3), `{"from":"2026-03-28T00:00:00Z","to":"2026-03-29T00:00:00Z","devices":["desk-1"],"cursor":"0.desk-1"}`)
	for _, body := range []string{
		`{"state":"on"}`, `{"state":"on","state":"off"}`, `{"selector":{"ids":["desk-1"]},"action":"off","timeout_s":0.5}`,
		`{"selector":{"location":"hq/f1","kind":"printer","labels":{"floor":"1"}},"action":"led_on"}`,
		`{"selector":{"all":true},"action":"on"}`, `{"timeout_s":1e400}`, `null`,
	} {
		f.Add(uint8(0), body)
		f.Add(uint8(2), body)
	}
	targets := []struct{ method, path string }{
		{"PUT", "/api/v1/devices/desk-1/relay"},
		{"PUT", "/api/v1/devices/desk-1/led"},
		{"POST", "/api/v1/commands"},
		{"POST", "/api/v1/system/history/rebuild"},
	}
	o := open(f)
	f.Fuzz(func(t *testing.T, path uint8, body string) {
		target := targets[int(path)%len(targets)]
		r := request(target.method, target.path, body)
		r.Header.Set("Content-Type", "application/json")
		before := len(o.bus.asks())
		o.sane(t, o.send(t, r), before)
		o.bus.set(func(b *fakeBus) { b.asked = nil })
	})
}

// FuzzMessage holds that no message about a device breaks what is served.
func FuzzMessage(f *testing.F) {
	f.Add(uint8(0), payload(f, plug("desk-1")))
	f.Add(uint8(1), payload(f, stateOf("desk-1", noon())))
	f.Add(uint8(2), payload(f, readingOf("desk-1", noon())))
	o := open(f)
	f.Fuzz(func(t *testing.T, kind uint8, text []byte) {
		o.bus.deliver(deviceMessage(kind, text))
		if a := o.get(t, "/api/v1/devices"); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
		o.get(t, "/api/v1/devices/desk-1/state")
	})
}

// FuzzChanges puts any body where devices are changed.
func FuzzChanges(f *testing.F) {
	changes := []struct{ method, target, kind string }{
		{"POST", "/api/v1/devices", "application/json"},
		{"PUT", "/api/v1/devices/desk-1", "application/json"},
		{"PATCH", "/api/v1/devices/desk-1", "application/merge-patch+json"},
		{"POST", "/api/v1/devices/printer-1/lift", "application/json"},
		{"POST", "/api/v1/devices:apply?prune=true", "application/yaml"},
		{"POST", "/api/v1/devices:apply", "text/csv"},
	}
	for i, body := range []string{
		deskSeven, deskMoved, `{"labels":{"floor":null,"x":"y"},"protected":"locked","poll_s":1.5}`,
		`{"for_s":60,"reason":"moved"}`, list, "id,kind,location,address,label:x\na,b,c,10.0.0.1,\n",
	} {
		f.Add(uint8(i), body)
	}
	f.Fuzz(func(t *testing.T, which uint8, body string) {
		o := open(t)
		change := changes[int(which)%len(changes)]
		r := request(change.method, change.target, body)
		r.Header.Set("Content-Type", change.kind)
		if a := o.send(t, r); a.status >= http.StatusInternalServerError {
			t.Errorf("%s %s: %d %s", change.method, change.target, a.status, a.body)
		}
		for _, id := range o.DeviceIDs() {
			if a := o.get(t, "/api/v1/devices/"+id); a.status != http.StatusOK {
				t.Errorf("%s afterwards: %d %s", id, a.status, a.body)
			}
		}
	})
}
