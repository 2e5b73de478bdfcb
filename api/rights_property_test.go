package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"

	"github.com/parquet-go/parquet-go"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

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
			found.Rows = append(found.Rows, wattline.Consumption{Group: group.Name + strings.Join(group.Devices, "+"), Start: query.From, End: query.To})
		}
		return found, nil
	case wattline.AggregateQuery:
		var found wattline.AggregatePage
		for _, group := range query.Groups {
			row := wattline.Aggregate{Group: group.Name + strings.Join(group.Devices, "+"), Start: query.From, End: query.To, Count: 1, Value: new(61.5)}
			for _, id := range group.Devices {
				row.Values = append(row.Values, wattline.AggregateValue{Value: 1, Time: new(noon()), Device: id})
			}
			found.Rows = append(found.Rows, row)
		}
		return found, nil
	}
	return answerAll(ctx, ask)
}

// probe is a request that may be answered with devices.
type probe struct {
	method, target, body string
	// loose is one whose answers the description does not have.
	loose bool
}

// drawProbe is any of the requests that name devices, choose them or list what is
// known of them, in any of its formats.
func drawProbe(rt *rapid.T, batch string) probe {
	oneOf := func(what string, of ...string) string { return rapid.SampledFrom(of).Draw(rt, what) }
	place := oneOf("place", "", "&location=hq", "&location=hq/f2", "&kind=printer", "&kind=workstation", "&label=floor:1")
	asked := oneOf("id", "desk-1", "desk-2", "printer-1", "new-1", "down-1", "none")
	selector := oneOf("selector", `"all":true`, `"location":"hq"`, `"kind":"printer"`, `"ids":["`+asked+`"]`)
	format := "format=" + oneOf("format", "json", "csv", "ndjson", "parquet", "senml", "sensml")
	some := oneOf("some", place, "&device="+asked)
	group := "&group_by=" + oneOf("group", "device", "all", "kind", "location:2", "label:floor")
	op := oneOf("op", "mean", "max", "top&n=3", "distinct", "count")
	get := func(target string) probe { return probe{method: http.MethodGet, target: target} }
	return rapid.SampledFrom([]probe{
		get("/api/v1/devices?" + strings.TrimPrefix(place, "&")),
		get("/api/v1/devices?limit=1" + place),
		get("/api/v1/devices/" + asked),
		get("/api/v1/devices/" + asked + "/state"),
		get("/api/v1/devices/" + asked + "/capabilities"),
		get("/api/v1/devices/" + asked + "/commands"),
		get("/api/v1/readings?" + format + some),
		get("/api/v1/readings?" + format + some),
		get("/api/v1/consumption?" + format + some + group),
		get("/api/v1/consumption?" + format + some + group),
		get("/api/v1/aggregate?field=power&op=" + op + "&" + format + some + group),
		get("/api/v1/aggregate?field=power&op=" + op + "&" + format + some + group),
		get("/api/v1/audit?from=-1h&" + format),
		get("/api/v1/audit?from=-1h&" + format + "&device=" + asked),
		get("/api/v1/components/registry/list"),
		get("/api/v1/commands/command-1"),
		get("/api/v1/commands/" + batch),
		get("/api/v1/discovery/job-1.agent-1"),
		get("/api/v1/system"),
		get("/metrics"),
		{method: http.MethodGet, target: "/api/out/influx_query/sp/power?id=" + asked, loose: true},
		{method: http.MethodGet, target: "/api/out/influx_query/sp/power?operation=mean&type=w", loose: true},
		{method: http.MethodGet, target: "/api/out/influx_query/sp/status", loose: true},
		{method: http.MethodPut, target: "/api/in/sp_command/" + asked, body: `{"payload":{"status":1}}`, loose: true},
		{method: http.MethodPost, target: "/api/v1/commands", body: `{"selector":{` + selector + `},"action":"led_on"}`},
		{method: http.MethodPost, target: "/api/v1/commands", body: `{"selector":{` + selector + `},"action":"on","dry_run":true}`},
		{method: http.MethodPut, target: "/api/v1/devices/" + asked + "/relay", body: `{"state":"on"}`},
		{method: http.MethodPatch, target: "/api/v1/devices/" + asked, body: `{"kind":"no name"}`},
		{method: http.MethodDelete, target: "/api/v1/devices/" + asked + "/lift"},
		{method: http.MethodPost, target: "/api/v1/devices:apply?dry_run=true&prune=true", body: "[]"},
	}).Draw(rt, "request")
}

// contents is what an answer says, in a form in which ids can be looked for.
func contents(t *testing.T, a answer) string {
	t.Helper()
	switch kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";"); kind {
	case "application/vnd.apache.parquet":
		rows, err := parquet.Read[any](bytes.NewReader(a.body), int64(len(a.body)))
		if err != nil {
			t.Fatalf("no Parquet: %v", err)
		}
		return fmt.Sprint(rows...)
	case "application/senml+json", "application/sensml+json":
		return senmlNames(t, a.body)
	}
	return string(a.body)
}

// senmlNames is the records with their names in full.
func senmlNames(t *testing.T, pack []byte) string {
	t.Helper()
	var records []struct {
		BaseName string `json:"bn"`
		Name     string `json:"n"`
		Text     string `json:"vs"`
	}
	if err := json.Unmarshal(pack, &records); err != nil {
		t.Fatalf("no SenML: %v in %.300s", err, pack)
	}
	var text strings.Builder
	base := ""
	for _, r := range records {
		if r.BaseName != "" {
			base = r.BaseName
		}
		fmt.Fprintln(&text, base+r.Name, r.Text)
	}
	return text.String()
}

// observed is an office in which something was done to each device, by others.
func observed(t *testing.T) (o *office, batch string) {
	t.Helper()
	o = answering(t, echo, withAccounts(t), func(options *api.Options) { options.Compatibility = true })
	o.bus.set(func(b *fakeBus) {
		b.answer = func(ctx context.Context, ask bus.Ask) (any, error) {
			if ask.Topic.Component == wattline.RoleRegistry {
				return b.answerRegistered(ctx, ask)
			}
			return echo(ctx, ask)
		}
	})
	done := decoded[api.CommandsResponse](t, o.do(t, "POST", "/api/v1/commands", `{"selector":{"all":true},"action":"led_off"}`))
	eventually(t, "the records", func() bool {
		return strings.Count(string(o.get(t, "/api/v1/audit?from=-1h&format=csv").body), "command.led_off") >= 2*len(done.Results)-2
	})
	return o, done.ID
}

// TestNoAnswerNamesADeviceOutOfScope puts random requests with random rights, and
// looks for the ids of other devices in the answers.
func TestNoAnswerNamesADeviceOutOfScope(t *testing.T) {
	o, batch := observed(t)
	devices := map[string]wattline.Device{
		"desk-1":    {Kind: "workstation", Location: "hq/f1/r101/desk-1", Labels: map[string]string{"cost-centre": "4100", "floor": "1"}},
		"desk-2":    {Kind: "workstation", Location: "hq/f1/r101/desk-2", Labels: map[string]string{"cost-centre": "4200"}},
		"printer-1": {Kind: "printer", Location: "hq/f2/hall"},
		"new-1":     {Kind: "printer", Location: "hq/f10"},
		"down-1":    {Kind: "workstation", Location: "hq/f2/r201"},
	}
	family := regexp.MustCompile(`^/[a-z]+/[a-z0-9]+/[a-z_]+`)
	namedWithin := map[string]int{} // by content type and by path
	rapid.Check(t, func(rt *rapid.T) {
		who := inScope(t, rapid.SampledFrom([]access.Role{access.Viewer, access.Operator, access.Admin}).Draw(rt, "role"), rapid.SampledFrom([]string{
			"hq/f1", "hq/f1/r101/desk-1", "hq/f2", "kind:printer", "kind:workstation", "label:floor:1", "label:cost-centre:4200,hq/f10", "lab",
		}).Draw(rt, "scope"))
		o.guests.let("guest", who)
		for range 16 {
			p := drawProbe(rt, batch)
			o.bus.forget()
			r := request(p.method, p.target, p.body)
			r.Header.Set("Authorization", "Bearer guest")
			a := o.sendUnchecked(t, r)
			if !p.loose {
				o.check(t, r, a)
			}
			kind, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
			said := fmt.Sprint(a.header) + contents(t, a)
			asked := ""
			for _, sent := range o.bus.asks() {
				asked += fmt.Sprint(sent.Topic, sent.Body)
			}
			for id, device := range devices {
				switch within := who.Scope.Holds(device); {
				case within && strings.Contains(said, id):
					namedWithin[kind]++
					namedWithin[family.FindString(p.target)]++
				case !within && strings.Contains(said+asked, id) && !repeated(p, a, id):
					rt.Errorf("%+v of somebody with %s names %s: %d %.500s %.500s", p, who.Scope, id, a.status, said, asked)
				}
			}
		}
	})
	for _, what := range []string{
		"/api/v1/readings", "/api/v1/consumption", "/api/v1/aggregate", "/api/v1/audit", "/api/v1/devices", "/api/v1/commands", "/api/out/influx_query",
		"application/json", "text/csv", "application/x-ndjson", "application/vnd.apache.parquet", "application/senml+json", "application/sensml+json",
	} {
		if namedWithin[what] == 0 {
			t.Errorf("no answer of %s named a device: %v", what, namedWithin)
		}
	}
}

// repeated tells whether an answer has an id because the request had it, and says of it
// that there is none.
func repeated(p probe, a answer, id string) bool {
	if !strings.Contains(p.target+p.body, id) {
		return false
	}
	var some struct{ Results []wattline.Result }
	if json.Unmarshal(a.body, &some) == nil && len(some.Results) == 1 {
		return some.Results[0].Device == id && some.Results[0].Code == wattline.CodeNotFound
	}
	return a.status == http.StatusNotFound
}
