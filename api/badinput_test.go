package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
)

func TestBadQueriesAreRefusedWithTheFieldAndNobodyIsAsked(t *testing.T) {
	o := open(t)
	long := strings.Repeat("x", 5000)
	for _, c := range []struct{ target, field string }{
		{"/api/v1/devices?colour=red", "colour"},
		{"/api/v1/devices?kind=a&kind=b", "kind"},
		{"/api/v1/devices?kind=", "kind"},
		{"/api/v1/devices?kind=Printer", "kind"},
		{"/api/v1/devices?kind=%00", "kind"},
		{"/api/v1/devices?kind=%ff", "kind"},
		{"/api/v1/devices?location=/hq", "location"},
		{"/api/v1/devices?location=hq//f1", "location"},
		{"/api/v1/devices?location=hq/../f1", "location"},
		{"/api/v1/devices?location=%2B/%23", "location"},
		{"/api/v1/devices?label=floor", "label"},
		{"/api/v1/devices?label=:1", "label"},
		{"/api/v1/devices?label=floor:1&label=floor:2", "label"},
		{"/api/v1/devices?label=floor:1&label=floor:1", "label"},
		{"/api/v1/devices?state=on", "state"},
		{"/api/v1/devices?state=UP", "state"},
		{"/api/v1/devices?state=", "state"},
		{"/api/v1/devices?limit=0", "limit"},
		{"/api/v1/devices?limit=-1", "limit"},
		{"/api/v1/devices?limit=1001", "limit"},
		{"/api/v1/devices?limit=1e3", "limit"},
		{"/api/v1/devices?limit=+5", "limit"},
		{"/api/v1/devices?limit=%2B5", "limit"},
		{"/api/v1/devices?limit=05", "limit"},
		{"/api/v1/devices?limit=NaN", "limit"},
		{"/api/v1/devices?limit=99999999999999999999", "limit"},
		{"/api/v1/devices?cursor=!!", "cursor"},
		{"/api/v1/devices?cursor=e30", "cursor"},
		{"/api/v1/devices?cursor=" + long, "cursor"},
		{"/api/v1/devices?a=1;b=2", "query"},
		{"/api/v1/devices?kind=%zz", "query"},
		{"/api/v1/devices?kind=" + strings.Repeat("x", 17<<10), "query"},
		{"/api/v1/devices?" + strings.Repeat("&a", 300) + manyParams(300), "query"},
		{"/api/v1/devices/desk-1?x=1", "x"},
		{"/api/v1/devices/desk%2F1", "id"},
		{"/api/v1/devices/desk+1", "id"},
		{"/api/v1/devices/%23", "id"},
		{"/api/v1/devices/" + strings.Repeat("a", 64), "id"},
		{"/api/v1/devices/DESK-1", "id"},
		{"/api/v1/devices/%00/state", "id"},
		{"/api/v1/devices/..%2F..%2Fetc/state", "id"},
		{"/api/v1/devices/desk-1/state?refresh=yes", "refresh"},
		{"/api/v1/devices/desk-1/state?refresh=1", "refresh"},
		{"/api/v1/devices/desk-1/state?refresh=true&refresh=true", "refresh"},
		{"/api/v1/readings?device=desk%2F1", "device"},
		{"/api/v1/readings?device=%2B", "device"},
		{"/api/v1/readings?device=desk-1&device=desk-1", "device"},
		{"/api/v1/readings?" + manyDevices(501), "device"},
		{"/api/v1/readings?from=last+summer", "from"},
		{"/api/v1/readings?from=9999-01-01", "from"},
		{"/api/v1/readings?from=9999-01-01T00:00:00Z", "from"},
		{"/api/v1/readings?from=0001-01-01", "from"},
		{"/api/v1/readings?from=2026-02-30", "from"},
		{"/api/v1/readings?from=2026-03-01T00:00:00", "from"},
		{"/api/v1/readings?from=2026-03-29T00:00:00+01:00", "from"},
		{"/api/v1/readings?from=1774742400", "from"},
		{"/api/v1/readings?from=NaN", "from"},
		{"/api/v1/readings?row=r1", "row"},
		{"/api/v1/consumption?column=-1", "column"},
		{"/api/v1/devices?type=workstation", "type"},
		{"/api/v1/readings?from=-24", "from"},
		{"/api/v1/readings?from=-9999y", "from"},
		{"/api/v1/readings?from=now", "from"},
		{"/api/v1/readings?from=today&to=yesterday", "from"},
		{"/api/v1/readings?to=9999-12-31", "to"},
		{"/api/v1/readings?from=2026-03-02&to=2026-03-01", "from"},
		{"/api/v1/readings?from=2026-03-01&to=2026-03-01", "from"},
		{"/api/v1/readings?from=2199-12-31", "from"},
		{"/api/v1/readings?tz=Mars/Olympus", "tz"},
		{"/api/v1/audit?tz=Local", "tz"},
		{"/api/v1/readings?window=1s", "window"},
		{"/api/v1/consumption?window=1s", "window"},
		{"/api/v1/consumption?window=second", "window"},
		{"/api/v1/consumption?window=Hour", "window"},
		{"/api/v1/consumption?group_by=site", "group_by"},
		{"/api/v1/consumption?group_by=location", "group_by"},
		{"/api/v1/consumption?group_by=location:0", "group_by"},
		{"/api/v1/consumption?group_by=location:17", "group_by"},
		{"/api/v1/consumption?group_by=location:02", "group_by"},
		{"/api/v1/consumption?group_by=location:1e1", "group_by"},
		{"/api/v1/consumption?tz=Local", "tz"},
		{"/api/v1/consumption?tz=Mars/Olympus", "tz"},
		{"/api/v1/consumption?tz=../../../etc/passwd", "tz"},
		{"/api/v1/consumption?tz=" + long, "tz"},
		{"/api/v1/consumption?from=2016-01-01&to=2026-01-01&window=1s", "window"},
		{"/api/v1/consumption?from=2016-01-01&to=2026-01-01&window=quarter", "window"},
		{"/api/v1/components/We%20ather/x", "name"},
		{"/api/v1/components/a%2Fb/x", "name"},
		{"/api/v1/components/weather/%2B", "verb"},
		{"/api/v1/components/weather/%23", "verb"},
		{"/api/v1/components/weather/x?a=1&a=2", "a"},
		{"/api/v1/components/weather/x?=1", "query"},
		{"/api/v1/components/weather/x?" + strings.Repeat("n", 65) + "=1", "query"},
		{"/api/v1/components/weather/x?a=" + long, "a"},
		{"/api/v1/components/weather/x?" + manyParams(65), "query"},
		{"/-/healthy?x=1", "x"},
		{"/-/ready?x=1", "x"},
		{"/api/v1/openapi.json?x=1", "x"},
	} {
		name := c.target
		if len(name) > 80 {
			name = name[:80]
		}
		t.Run(name, func(t *testing.T) {
			a := o.get(t, c.target)
			wantProblem(t, a, wattline.CodeInvalid, c.field)
			if len(a.body) > 30_000 {
				t.Errorf("the answer has %d bytes", len(a.body))
			}
		})
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
	if got := o.fresh(t, "desk-1"); got.State.Relay != wattline.RelayOn {
		t.Errorf("%+v", got)
	}
}

func manyParams(n int) string {
	var query strings.Builder
	for i := range n {
		fmt.Fprintf(&query, "&p%d=1", i)
	}
	return query.String()[1:]
}

func manyDevices(n int) string {
	var query strings.Builder
	for i := range n {
		fmt.Fprintf(&query, "&device=d%d", i)
	}
	return query.String()[1:]
}

func TestEveryFaultOfARequestIsNamedAtOnce(t *testing.T) {
	o := open(t)
	problem := o.get(t, "/api/v1/consumption?tz=x&window=y&limit=z&colour=red&from=f&group_by=g").problem(t)
	got := map[string]bool{}
	for _, field := range problem.Fields {
		got[field.Field] = field.Reason != ""
	}
	want := map[string]bool{"tz": true, "window": true, "limit": true, "colour": true, "from": true, "group_by": true}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBadBodiesAreRefusedWithTheFieldAndNothingIsSwitched(t *testing.T) {
	o := open(t)
	selector := `"selector":{"ids":["desk-1"]}`
	for _, c := range []struct{ path, body, field string }{
		{"relay", ``, "body"},
		{"relay", `null`, "body"},
		{"relay", `[]`, "body"},
		{"relay", `"on"`, "body"},
		{"relay", `{}`, "state"},
		{"relay", `{"state":null}`, "state"},
		{"relay", `{"state":""}`, "state"},
		{"relay", `{"state":"ON"}`, "state"},
		{"relay", `{"state":"of"}`, "state"},
		{"relay", `{"state":true}`, "state"},
		{"relay", `{"state":0}`, "state"},
		{"relay", `{"State":"off"}`, "State"},
		{"relay", `{"sate":"off"}`, "sate"},
		{"relay", `{"state":"on","state":"off"}`, "state"},
		{"relay", `{"state":"off"} {"state":"on"}`, "body"},
		{"relay", `{"state":"off"}x`, "body"},
		{"relay", `{"state":"off","when":"now"}`, "when"},
		{"relay", "{\"state\":\"o\xff\"}", "state"},
		{"relay", strings.Repeat(`{"state":`, 20_000), ""},
		{"led", `{"state":"blink"}`, "state"},
		{"commands", `{"action":"on"}`, "selector"},
		{"commands", `{` + selector + `}`, "action"},
		{"commands", `{` + selector + `,"action":"toggle"}`, "action"},
		{"commands", `{"selector":{},"action":"on"}`, "selector"},
		{"commands", `{"selector":{"all":false},"action":"on"}`, "selector"},
		{"commands", `{"selector":{"ids":[]},"action":"on"}`, "selector"},
		{"commands", `{"selector":{"ids":"desk-1"},"action":"on"}`, "selector.ids"},
		{"commands", `{"selector":{"ids":["desk/1"]},"action":"on"}`, "selector.ids[0]"},
		{"commands", `{"selector":{"ids":["desk-1","+"]},"action":"on"}`, "selector.ids[1]"},
		{"commands", `{"selector":{"ids":["desk-1",null]},"action":"on"}`, "selector.ids[1]"},
		{"commands", `{"selector":{"location":"hq/#"},"action":"on"}`, "selector.location"},
		{"commands", `{"selector":{"kind":"a b"},"action":"on"}`, "selector.kind"},
		{"commands", `{"selector":{"labels":{"A":"b"}},"action":"on"}`, "selector.labels"},
		{"commands", `{"selector":{"labels":{"a":1}},"action":"on"}`, "selector.labels.a"},
		{"commands", `{"selector":{"floor":1},"action":"on"}`, "selector.floor"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":"5"}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":0}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":-1}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":60.001}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":1e300}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":NaN}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","timeout_s":null}`, "timeout_s"},
		{"commands", `{` + selector + `,"action":"on","dry":true}`, "dry"},
	} {
		name := c.path + " " + c.body
		if len(name) > 100 {
			name = name[:100]
		}
		t.Run(name, func(t *testing.T) {
			method, target := http.MethodPut, "/api/v1/devices/desk-1/"+c.path
			if c.path == "commands" {
				method, target = http.MethodPost, "/api/v1/commands"
			}
			r := request(method, target, c.body)
			r.Header.Set("Content-Type", "application/json; charset=UTF-8")
			wantProblem(t, o.send(t, r), wattline.CodeInvalid, c.field)
		})
	}
	for kind, encoding := range map[string]string{
		"": "", "text/plain": "", "application/x-www-form-urlencoded": "", "application/json; charset=latin-1": "",
		"application/jsonx": "", ";;": "", "application/json": "gzip",
	} {
		r := request("PUT", "/api/v1/devices/desk-1/relay", `{"state":"off"}`)
		r.Header.Set("Content-Type", kind)
		r.Header.Set("Content-Encoding", encoding)
		wantProblem(t, o.send(t, r), wattline.CodeUnsupportedMediaType, "")
	}
	wantProblem(t, o.do(t, "PUT", "/api/v1/devices/desk-1/relay?x=1", `{"state":"off"}`), wattline.CodeInvalid, "x")
	wantProblem(t, o.do(t, "PUT", "/api/v1/devices/desk%2F1/relay", `{"state":"off"}`), wattline.CodeInvalid, "id")
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
}
