package api_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
)

// list is the office of the test with desk-2 moved, without new-1 and down-1, and
// with a lamp.
const list = `
- {id: desk-1, kind: workstation, location: hq/f1/r101/desk-1, site: hq, address: 192.0.2.11, labels: {cost-centre: "4100", floor: "1"}, poll: 5s}
- {id: desk-2, kind: workstation, location: hq/f1/r102/desk-2, site: hq, address: 192.0.2.11, labels: {window: north}, poll: 5s}
- {id: lamp-1, kind: lighting, location: hq/f1/r102/lamp-1, site: hq, address: 10.1.0.20, protected: always_on}
- {id: printer-1, kind: printer, location: hq/f2/hall, site: hq, address: 192.0.2.12, protected: locked}
`

func (o *office) apply(t *testing.T, query, kind, body string) answer {
	t.Helper()
	r := request("POST", "/api/v1/devices:apply"+query, body)
	r.Header.Set("Content-Type", kind)
	return o.send(t, r)
}

func TestAListIsTriedAndThenApplied(t *testing.T) {
	o := open(t)
	want := api.ApplyResult{DryRun: true, Unchanged: 2, Devices: []api.DeviceChange{
		{Device: "desk-2", Change: "changed", Fields: []api.FieldChange{
			{Field: "labels.cost-centre", Before: "4200"},
			{Field: "labels.window", After: "north"},
			{Field: "location", Before: "hq/f1/r101/desk-2", After: "hq/f1/r102/desk-2"},
		}},
		{Device: "lamp-1", Change: "added", Fields: []api.FieldChange{
			{Field: "address", After: "10.1.0.20"},
			{Field: "kind", After: "lighting"},
			{Field: "location", After: "hq/f1/r102/lamp-1"},
			{Field: "protected", After: "always_on"},
			{Field: "site", After: "hq"},
		}},
		{Device: "down-1", Change: "removed"},
		{Device: "new-1", Change: "removed"},
	}}
	tried := decoded[api.ApplyResult](t, o.apply(t, "?dry_run=true&prune=true", "application/yaml", list))
	if diff := cmp.Diff(want, tried); diff != "" {
		t.Error(diff)
	}
	o.bus.set(func(b *fakeBus) {
		if len(b.devices) != 5 || b.devices["desk-2"].Location != "hq/f1/r101/desk-2" {
			t.Errorf("a dry run has changed %v", b.devices)
		}
	})
	want.DryRun = false
	if diff := cmp.Diff(want, decoded[api.ApplyResult](t, o.apply(t, "?prune=true", "application/yaml", list))); diff != "" {
		t.Error(diff)
	}
	o.bus.set(func(b *fakeBus) {
		if len(b.devices) != 4 || b.devices["desk-2"].Location != "hq/f1/r102/desk-2" || b.devices["lamp-1"].Kind != "lighting" {
			t.Errorf("%v", b.devices)
		}
	})
	again := decoded[api.ApplyResult](t, o.apply(t, "?prune=true", "application/yaml", list))
	if again.Unchanged != 4 || len(again.Devices) != 0 {
		t.Errorf("the second time: %+v", again)
	}
}

func TestAListIsAppliedAllOrNotAtAll(t *testing.T) {
	o := open(t)
	fixed := plug("fixed")
	fixed.Source = wattline.SourceConfiguration
	o.bus.device(t, fixed)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	for name, c := range map[string]struct {
		kind, body string
		code       wattline.Code
		faults     []wattline.FieldError
	}{
		"faults with their lines": {"text/csv", "id,kind,location,address\nlamp-1,lighting,hq/f1,10.0.0.1\nB,lighting,HQ,10.0.0.1\n", wattline.CodeInvalid, []wattline.FieldError{
			{Field: "devices[1].id", Line: 3}, {Field: "devices[1].location", Line: 3},
		}},
		"what the configuration declares": {"application/yaml", "- {id: lamp-1, kind: x, location: hq, address: 10.0.0.1}\n- {id: fixed, kind: lamp, location: hq, address: 10.0.0.1}\n", wattline.CodeConflict, []wattline.FieldError{
			{Field: "devices[1]", Line: 2},
		}},
	} {
		t.Run(name, func(t *testing.T) {
			a := o.apply(t, "", c.kind, c.body)
			problem := a.problem(t)
			for i := range problem.Fields {
				problem.Fields[i].Reason = ""
			}
			if problem.Code != c.code || !cmp.Equal(problem.Fields, c.faults) {
				t.Errorf("%s", a.body)
			}
		})
	}
	t.Run("and what the registry finds", func(t *testing.T) {
		o.bus.set(func(b *fakeBus) {
			b.apply = func(wattline.ApplyQuery) (wattline.Applied, error) {
				return wattline.Applied{}, wattline.Invalid(wattline.FieldError{Field: "changes[0].address", Reason: "is outside"})
			}
		})
		text := strings.Replace(list, "labels: {window: north}", "labels: {window: south}", 1)
		problem := o.apply(t, "", "application/yaml", text).problem(t)
		if len(problem.Fields) != 1 || problem.Fields[0].Field != "devices[1].address" || problem.Fields[0].Line != 3 {
			t.Errorf("%+v", problem)
		}
	})
}

func TestAListPrunesWithinTheScopeOnly(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	r := request("POST", "/api/v1/devices:apply?prune=true", `[]`)
	r.Header.Set("Authorization", "Bearer floor")
	a := o.send(t, r)
	got := decoded[api.ApplyResult](t, a)
	if a.status != http.StatusOK || len(got.Devices) != 2 || strings.Contains(string(a.body), "printer-1") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

func TestAListIsNotEvenReadOfWhoMayChangeNoDevice(t *testing.T) {
	o := open(t)
	o.guests.let("viewer", inScope(t, access.Viewer, "*"))
	wantProblem(t, o.doAs(t, "viewer", "POST", "/api/v1/devices:apply", `not a list`), wattline.CodeForbidden, "")
}
