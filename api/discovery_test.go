package api_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

// found is a search that found a registered plug, a new strip and one with KLAP
// firmware, on pages of one.
func found(ask bus.Ask) wattline.Discovery {
	query, _ := ask.Body.(wattline.DiscoverQuery)
	all := []wattline.FoundPlug{
		{Address: "10.1.0.11", MAC: "50:C7:BF:00:00:01", DeviceID: "8006", Model: "HS110(EU)", Firmware: "1.2.5", Alias: "Desk 1", Meter: true, Devices: []string{"desk-1"}},
		{Address: "10.1.0.30", Model: "HS300(US)", Meter: true, Outlets: []wattline.FoundOutlet{{Address: "10.1.0.30/00"}, {Address: "10.1.0.30/01", Alias: "Lamp"}}},
		{Address: "10.1.0.44", Model: "HS110(UK)", KLAP: true},
	}
	page := wattline.Discovery{
		Job: query.Job, Site: "hq", State: wattline.DiscoveryDone, StartedAt: noon(), EndedAt: noon(), Tried: 1024, Total: 1024,
		Found: all[query.After:][:1],
	}
	if next := query.After + 1; next < len(all) {
		page.Next = next
	}
	return page
}

func TestASearchIsAskedOfTheCollectorThatDoesIt(t *testing.T) {
	o := open(t)
	a := o.do(t, "POST", "/api/v1/discovery", `{"site":"hq","networks":["10.1.0.0/22"]}`)
	started := decoded[api.DiscoveryStatus](t, a)
	location := a.header.Get("Location")
	if a.status != http.StatusAccepted || location != "/api/v1/discovery/"+started.ID || !strings.HasSuffix(started.ID, ".agent-1") {
		t.Fatalf("%d %q %+v", a.status, location, started)
	}
	asked := o.bus.asks()[0]
	query, _ := asked.Body.(wattline.DiscoverQuery)
	if asked.Topic.Instance != "agent-1" || !query.Start || query.Networks[0] != "10.1.0.0/22" || query.Job+".agent-1" != started.ID {
		t.Errorf("%+v", asked)
	}
	status := decoded[api.DiscoveryStatus](t, o.get(t, location))
	if status.ID != started.ID || status.State != wattline.DiscoveryDone || len(status.Found) != 3 || status.Found[0].Devices[0] != "desk-1" || !status.Found[2].KLAP {
		t.Errorf("%+v", status)
	}
}

func TestASearchNeedsOneCollector(t *testing.T) {
	o := open(t)
	o.bus.set(func(b *fakeBus) {
		b.instances = nil
		for i, site := range []string{"hq", "lab"} {
			b.instances = append(b.instances, wattline.Presence{
				Instance: fmt.Sprintf("agent-%d", i), Status: wattline.PresenceOnline, Roles: []string{wattline.RoleCollector}, Sites: []string{site},
			})
		}
	})
	wantProblem(t, o.do(t, "POST", "/api/v1/discovery", `{}`), wattline.CodeInvalid, "site")
	wantProblem(t, o.do(t, "POST", "/api/v1/discovery", `{"site":"moon"}`), wattline.CodeNoResponder, "")
	if got := decoded[api.DiscoveryStatus](t, o.do(t, "POST", "/api/v1/discovery", `{"site":"lab"}`)); !strings.HasSuffix(got.ID, ".agent-1") {
		t.Errorf("%+v", got)
	}
	for body, field := range map[string]string{
		`{"site":"A B"}`: "site", `{"site":"lab","networks":["10.1.0.1/22"]}`: "networks[0]", `{"site":"lab","networks":["x"]}`: "networks[0]",
	} {
		wantProblem(t, o.do(t, "POST", "/api/v1/discovery", body), wattline.CodeInvalid, field)
	}
	for _, id := range []string{"nothing", "a.", ".b", "A.b"} {
		wantProblem(t, o.get(t, "/api/v1/discovery/"+id), wattline.CodeInvalid, "id")
	}
}

func TestOnlyAnAdminOfEverythingSearches(t *testing.T) {
	o := open(t)
	o.guests.let("operator", inScope(t, access.Operator, "*"))
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	for _, token := range []string{"operator", "floor"} {
		wantProblem(t, o.doAs(t, token, "POST", "/api/v1/discovery", `{}`), wattline.CodeForbidden, "")
		wantProblem(t, o.doAs(t, token, "GET", "/api/v1/discovery/job-1.agent-1", ""), wattline.CodeForbidden, "")
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
}

func TestAPlugThatWasFoundIsAdoptedOnce(t *testing.T) {
	o := open(t)
	adopt := func(address, more string) answer {
		return o.do(t, "POST", "/api/v1/discovery/job-1.agent-1/adopt", `{"id":"new-9","kind":"lamp","location":"hq/f1","address":"`+address+`"`+more+`}`)
	}
	for name, c := range map[string]struct {
		address, more string
		code          wattline.Code
	}{
		"one registered already":       {"10.1.0.11", "", wattline.CodeConflict},
		"one that was not found":       {"10.1.0.12", "", wattline.CodeNotFound},
		"one with KLAP firmware":       {"10.1.0.44", "", wattline.CodeUnsupported},
		"a strip as a whole":           {"10.1.0.30", "", wattline.CodeInvalid},
		"an outlet that it has not":    {"10.1.0.30/07", "", wattline.CodeNotFound},
		"what is no address":           {"10.1", "", wattline.CodeInvalid},
		"one for another network":      {"10.1.0.30/00", `,"site":"lab"`, wattline.CodeInvalid},
		"one by somebody who mistypes": {"10.1.0.30/00", `,"knd":"x"`, wattline.CodeInvalid},
	} {
		t.Run("and not "+name, func(t *testing.T) { wantProblem(t, adopt(c.address, c.more), c.code, "") })
	}
	a := adopt("10.1.0.30/01", "")
	device := decoded[wattline.Device](t, a)
	if a.status != http.StatusCreated || device.ID != "new-9" || device.Site != "hq" || device.Address != "10.1.0.30/01" || a.header.Get("Location") != "/api/v1/devices/new-9" {
		t.Fatalf("%d %s", a.status, a.body)
	}
	again := o.do(t, "POST", "/api/v1/discovery/job-1.agent-1/adopt", `{"id":"new-10","kind":"lamp","location":"hq/f1","address":"10.1.0.30/01"}`)
	wantProblem(t, again, wattline.CodeConflict, "")
}
