package api_test

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
)

const (
	deskSeven = `{"id":"desk-7","kind":"workstation","location":"hq/f1/r101/desk-7","address":"10.1.0.17"}`
	deskMoved = `{"kind":"workstation","location":"hq/f1/r102/desk-1","site":"hq","address":"10.1.0.17"}`
)

// conditioned is a request with a header that makes it depend on something.
func (o *office) conditioned(t *testing.T, r *http.Request, header, value string) answer {
	t.Helper()
	r.Header.Set(header, value)
	return o.send(t, r)
}

func TestADeviceIsMadeChangedAndRemovedOverREST(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Site = "hq" })
	made := o.do(t, "POST", "/api/v1/devices", deskSeven)
	if made.status != http.StatusCreated || made.header.Get("Location") != "/api/v1/devices/desk-7" || made.header.Get("ETag") == "" {
		t.Fatalf("%d %v %s", made.status, made.header, made.body)
	}
	if got := decoded[api.DeviceItem](t, made); got.Site != "hq" || got.Source != wattline.SourceAPI {
		t.Errorf("%+v", got)
	}
	if a := o.get(t, "/api/v1/devices/desk-7"); a.status != http.StatusOK || a.header.Get("ETag") != made.header.Get("ETag") {
		t.Errorf("shown at once: %d %s, not %s", a.status, a.header.Get("ETag"), made.header.Get("ETag"))
	}
	patched := o.do(t, "PATCH", "/api/v1/devices/desk-7", `{"labels":{"window":"north"},"protected":"always_on"}`)
	if got := decoded[api.DeviceItem](t, patched); got.Labels["window"] != "north" || got.Protected != wattline.ProtectionAlwaysOn || got.Address != "10.1.0.17" {
		t.Errorf("%+v", got)
	}
	patched = o.do(t, "PATCH", "/api/v1/devices/desk-7", `{"labels":{"window":null},"protected":null}`)
	if got := decoded[api.DeviceItem](t, patched); len(got.Labels) != 0 || got.Protected != wattline.ProtectionNone {
		t.Errorf("%+v", got)
	}
	put := o.do(t, "PUT", "/api/v1/devices/desk-7", deskMoved)
	if got := decoded[api.DeviceItem](t, put); got.Location != "hq/f1/r102/desk-1" {
		t.Errorf("%+v", got)
	}
	if a := o.do(t, "DELETE", "/api/v1/devices/desk-7", ""); a.status != http.StatusNoContent || len(a.body) != 0 {
		t.Errorf("%d %s", a.status, a.body)
	}
	wantProblem(t, o.get(t, "/api/v1/devices/desk-7"), wattline.CodeNotFound, "")
}

func TestALostUpdateIsAConflict(t *testing.T) {
	o := open(t)
	const path = "/api/v1/devices/desk-1"
	before := o.get(t, path).header.Get("ETag")
	if a := o.conditioned(t, request("PUT", path, deskMoved), "If-Match", before); a.status != http.StatusOK {
		t.Fatalf("%d %s", a.status, a.body)
	}
	for name, r := range map[string]*http.Request{
		"PUT": request("PUT", path, deskMoved), "PATCH": request("PATCH", path, `{}`), "DELETE": request("DELETE", path, ""),
	} {
		wantProblem(t, o.conditioned(t, r, "If-Match", before), wattline.CodeConflict, "")
		wantProblem(t, o.conditioned(t, r, "If-Match", "today's"), wattline.CodeInvalid, "If-Match")
		if name == "DELETE" {
			continue
		}
		now := o.get(t, path).header.Get("ETag")
		if a := o.conditioned(t, request(r.Method, path, deskMoved), "If-Match", `"0.00", `+now); a.status != http.StatusOK {
			t.Errorf("%s with the one it has: %d %s", name, a.status, a.body)
		}
	}
	t.Run("a reading changes the ETag and not the version in it", func(t *testing.T) {
		was := o.get(t, path).header.Get("ETag")
		reading := readingOf("desk-1", later(1_000_000_000))
		reading.PowerW = 1
		o.bus.reading(t, "hq", reading, false)
		now := o.get(t, path)
		if now.header.Get("ETag") == was {
			t.Error("the same ETag for something else")
		}
		if a := o.conditioned(t, request("PATCH", path, `{}`), "If-Match", was); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("one that is there is not made anew", func(t *testing.T) {
		wantProblem(t, o.conditioned(t, request("PUT", path, deskMoved), "If-None-Match", "*"), wattline.CodeConflict, "")
		wantProblem(t, o.do(t, "POST", "/api/v1/devices", strings.Replace(deskSeven, "desk-7", "desk-1", 1)), wattline.CodeConflict, "")
		wantProblem(t, o.conditioned(t, request("PUT", path, deskMoved), "If-None-Match", `"1"`), wattline.CodeInvalid, "If-None-Match")
	})
}

func TestWhatIsKeptIsNotSentAgain(t *testing.T) {
	o := open(t)
	for _, path := range []string{"/api/v1/devices", "/api/v1/devices/desk-1"} {
		first := o.get(t, path)
		if first.header.Get("Cache-Control") != "private, no-cache" {
			t.Errorf("%s: %v", path, first.header)
		}
		again := o.conditioned(t, request("GET", path, ""), "If-None-Match", first.header.Get("ETag"))
		if again.status != http.StatusNotModified || len(again.body) != 0 {
			t.Errorf("%s: %d %s", path, again.status, again.body)
		}
	}
}

func TestBadDescriptionsAreRefusedWithTheirFields(t *testing.T) {
	o := open(t)
	for name, c := range map[string]struct{ method, path, body, field string }{
		"every fault is told":       {"POST", "/api/v1/devices", `{"id":"A","kind":"","location":"/","address":"a b"}`, "id"},
		"an address that is none":   {"POST", "/api/v1/devices", `{"id":"a","kind":"x","location":"hq","address":"a:0"}`, "address"},
		"a field of the registry":   {"POST", "/api/v1/devices", strings.Replace(deskSeven, "{", `{"version":3,`, 1), "version"},
		"a source":                  {"PATCH", "/api/v1/devices/desk-1", `{"source":"configuration"}`, "source"},
		"a lift":                    {"PATCH", "/api/v1/devices/desk-1", `{"lifted":{}}`, "lifted"},
		"another id":                {"PATCH", "/api/v1/devices/desk-1", `{"id":"desk-2"}`, "id"},
		"another id by PUT":         {"PUT", "/api/v1/devices/desk-1", deskSeven, "id"},
		"a needful field taken":     {"PATCH", "/api/v1/devices/desk-1", `{"kind":null}`, "kind"},
		"a field given twice":       {"PATCH", "/api/v1/devices/desk-1", `{"kind":"a","kind":"b"}`, "kind"},
		"a wrong type":              {"PATCH", "/api/v1/devices/desk-1", `{"labels":[1]}`, "labels"},
		"a patch that is no object": {"PATCH", "/api/v1/devices/desk-1", `[]`, "body"},
		"a protection":              {"PATCH", "/api/v1/devices/desk-1", `{"protected":"maybe"}`, "protected"},
		"a lift for no time":        {"POST", "/api/v1/devices/printer-1/lift", `{"for_s":0,"reason":"x"}`, "for_s"},
		"a lift for ever":           {"POST", "/api/v1/devices/printer-1/lift", `{"for_s":86401,"reason":"x"}`, "for_s"},
		"a lift without a reason":   {"POST", "/api/v1/devices/printer-1/lift", `{"for_s":60,"reason":"\n"}`, "reason"},
	} {
		t.Run(name, func(t *testing.T) {
			wantProblem(t, o.do(t, c.method, c.path, c.body), wattline.CodeInvalid, c.field)
		})
	}
	for _, ask := range o.bus.asks() {
		if verb := ask.Topic.Verb; verb == wattline.VerbPut || verb == wattline.VerbLift {
			t.Errorf("the registry was asked %v", ask)
		}
	}
}

func TestNobodyGivesDevicesAwayOutOfTheirScope(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	o.guests.let("switcher", inScope(t, access.Operator, "*"))
	for name, c := range map[string]struct {
		token, method, path, body string
		code                      wattline.Code
	}{
		"made elsewhere":      {"floor", "POST", "/api/v1/devices", strings.Replace(deskSeven, "hq/f1/", "hq/f2/", 1), wattline.CodeForbidden},
		"moved elsewhere":     {"floor", "PATCH", "/api/v1/devices/desk-1", `{"location":"hq/f10"}`, wattline.CodeForbidden},
		"put elsewhere":       {"floor", "PUT", "/api/v1/devices/desk-1", strings.Replace(deskMoved, "hq/f1/", "lab/", 1), wattline.CodeForbidden},
		"fetched from there":  {"floor", "PATCH", "/api/v1/devices/printer-1", `{"location":"hq/f1"}`, wattline.CodeNotFound},
		"removed there":       {"floor", "DELETE", "/api/v1/devices/printer-1", "", wattline.CodeNotFound},
		"unprotected there":   {"floor", "POST", "/api/v1/devices/printer-1/lift", `{"for_s":60,"reason":"x"}`, wattline.CodeNotFound},
		"applied there":       {"floor", "POST", "/api/v1/devices:apply", `[{"id":"x","kind":"x","location":"hq/f2","address":"10.0.0.1"}]`, wattline.CodeForbidden},
		"made by an operator": {"switcher", "POST", "/api/v1/devices", deskSeven, wattline.CodeForbidden},
		"changed by one":      {"switcher", "PATCH", "/api/v1/devices/desk-1", `{}`, wattline.CodeForbidden},
		"lifted by one":       {"switcher", "POST", "/api/v1/devices/printer-1/lift", `{"for_s":60,"reason":"x"}`, wattline.CodeForbidden},
		"removed by one":      {"switcher", "DELETE", "/api/v1/devices/desk-1", "", wattline.CodeForbidden},
		"applied by one":      {"switcher", "POST", "/api/v1/devices:apply", `[{"id":"x","kind":"x","location":"hq/f1","address":"10.0.0.1"}]`, wattline.CodeForbidden},
	} {
		t.Run(name, func(t *testing.T) { wantProblem(t, o.doAs(t, c.token, c.method, c.path, c.body), c.code, "") })
	}
	for _, ask := range o.bus.asks() {
		if verb := ask.Topic.Verb; verb != wattline.VerbGet && verb != wattline.VerbList && verb != wattline.VerbFormer {
			t.Errorf("the registry was asked %v", ask)
		}
	}
	t.Run("within it an admin may", func(t *testing.T) {
		if a := o.doAs(t, "floor", "PATCH", "/api/v1/devices/desk-1", `{"location":"hq/f1/r103"}`); a.status != http.StatusOK {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("nor gets the history of one that was out of sight", func(t *testing.T) {
		o.bus.set(func(b *fakeBus) {
			b.former = map[string]wattline.Device{"desk-7": {ID: "desk-7", Location: "hq/f2"}, "desk-8": {ID: "desk-8", Location: "hq/f1"}}
		})
		wantProblem(t, o.doAs(t, "floor", "POST", "/api/v1/devices", deskSeven), wattline.CodeConflict, "")
		wantProblem(t, o.doAs(t, "floor", "POST", "/api/v1/devices:apply", "["+deskSeven+"]"), wattline.CodeConflict, "devices[0].id")
		if a := o.doAs(t, "floor", "POST", "/api/v1/devices", strings.Replace(deskSeven, "desk-7", "desk-8", 1)); a.status != http.StatusCreated {
			t.Errorf("%d %s", a.status, a.body)
		}
	})
	t.Run("an id that is taken out of sight is taken", func(t *testing.T) {
		a := o.doAs(t, "floor", "POST", "/api/v1/devices", strings.Replace(deskSeven, "desk-7", "printer-1", 1))
		wantProblem(t, a, wattline.CodeConflict, "")
	})
}

func TestWhereSeveralRegistriesRunDevicesAreChangedInTheirFiles(t *testing.T) {
	o := open(t)
	o.bus.set(func(b *fakeBus) {
		for _, name := range []string{"registry-1", "registry-2"} {
			b.instances = append(b.instances, wattline.Presence{Instance: name, Status: wattline.PresenceOnline, Roles: []string{wattline.RoleRegistry}})
		}
	})
	wantProblem(t, o.do(t, "POST", "/api/v1/devices", deskSeven), wattline.CodeConflict, "")
	wantProblem(t, o.do(t, "PATCH", "/api/v1/devices/desk-1", `{"kind":"lamp"}`), wattline.CodeConflict, "")
}

// auditOf keeps entries in memory.
type auditOf struct {
	mu   sync.Mutex
	kept []audit.Entry
}

func (a *auditOf) Append(_ context.Context, entries ...audit.Entry) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.kept = append(a.kept, entries...)
	return nil
}

func (a *auditOf) Records(context.Context, audit.Query) ([]audit.Record, error) { return nil, nil }

func (a *auditOf) entries() []audit.Entry {
	a.mu.Lock()
	defer a.mu.Unlock()
	return slices.Clone(a.kept)
}

func TestChangesOfTheRegistryAreInTheAudit(t *testing.T) {
	kept := &auditOf{}
	o := open(t, func(options *api.Options) { options.Audit = kept })
	o.guests.let("switcher", inScope(t, access.Operator, "*"))
	o.do(t, "POST", "/api/v1/devices", deskSeven)
	o.do(t, "PATCH", "/api/v1/devices/desk-7", `{"kind":"lamp"}`)
	o.do(t, "POST", "/api/v1/devices/printer-1/lift", `{"for_s":60,"reason":"moved"}`)
	o.doAs(t, "switcher", "DELETE", "/api/v1/devices/desk-7", "")
	labels := map[string]string{}
	for i := range 8 {
		labels[fmt.Sprint("a", i)] = strings.Repeat("x", 200)
	}
	o.do(t, "PATCH", "/api/v1/devices/printer-1", fmt.Sprintf(`{"protected":null,"labels":%s}`, payload(t, labels)))
	o.do(t, "POST", "/api/v1/devices:apply?prune=true", `[]`)
	var got []string
	for _, entry := range kept.entries() {
		if entry.Outcome != audit.Attempted {
			got = append(got, strings.Join([]string{entry.Who, entry.Action, entry.Device, string(entry.Outcome), entry.Detail}, " "))
		}
	}
	for _, want := range []string{
		"token:admin device.add desk-7 done", `token:admin device.change desk-7 done kind: "workstation" to "lamp"`,
		"token:admin protection.lift printer-1 done for 60 s: moved", "token:guest device.remove desk-7 refused",
		`token:admin device.change printer-1 done protected: "locked" to ""`,
		"token:admin device.apply  done 6 changes", "token:admin device.remove desk-1 done",
	} {
		if !strings.Contains(strings.Join(got, "\n"), want) {
			t.Errorf("no %q in\n%s", want, strings.Join(got, "\n"))
		}
	}
}
