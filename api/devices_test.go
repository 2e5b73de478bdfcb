package api_test

import (
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
)

func idsIn(list api.DeviceList) []string {
	ids := []string{}
	for _, device := range list.Devices {
		ids = append(ids, device.ID)
	}
	return ids
}

func TestTheDeviceListIsFilteredAndInTheOrderOfIDs(t *testing.T) {
	o := open(t)
	for query, want := range map[string][]string{
		"":                                     {"desk-1", "desk-2", "down-1", "new-1", "printer-1"},
		"location=hq/f1":                       {"desk-1", "desk-2"},
		"location=hq/f1/r101/desk-2":           {"desk-2"},
		"location=nowhere":                     {},
		"kind=printer":                         {"new-1", "printer-1"},
		"label=cost-centre:4100":               {"desk-1"},
		"label=cost-centre:4100&label=floor:1": {"desk-1"},
		"label=cost-centre:4200&label=floor:1": {},
		"state=up":                             {"desk-1", "desk-2", "printer-1"},
		"state=down":                           {"down-1"},
		"state=unknown":                        {"new-1"},
		"state=stale":                          {},
		"kind=printer&location=hq/f2&state=up&limit=9": {"printer-1"},
	} {
		t.Run("?"+query, func(t *testing.T) {
			a := o.get(t, "/api/v1/devices?"+query)
			if a.status != http.StatusOK {
				t.Fatalf("%d %s", a.status, a.body)
			}
			list := decoded[api.DeviceList](t, a)
			if diff := cmp.Diff(want, idsIn(list)); diff != "" || list.Next != "" {
				t.Error(diff, list.Next)
			}
		})
	}
}

func TestPagesOfDevicesMakeTheWholeList(t *testing.T) {
	o := open(t)
	for i := range 23 {
		o.bus.device(t, wattline.Device{ID: fmt.Sprintf("plug-%02d", i), Kind: "spare", Location: "store", Site: "hq", Address: "h"})
	}
	for limit := 1; limit <= 30; limit += 4 {
		var got []string
		target := fmt.Sprintf("/api/v1/devices?kind=spare&limit=%d", limit)
		for next := target; next != ""; {
			list := decoded[api.DeviceList](t, o.get(t, next))
			if len(list.Devices) > limit {
				t.Fatalf("a page of %d, limit %d", len(list.Devices), limit)
			}
			got = append(got, idsIn(list)...)
			next = ""
			if list.Next != "" {
				next = target + "&cursor=" + url.QueryEscape(list.Next)
			}
		}
		if len(got) != 23 || !slices.IsSorted(got) || len(slices.Compact(got)) != 23 {
			t.Errorf("limit %d: %v", limit, got)
		}
	}
	t.Run("a cursor continues its own query only", func(t *testing.T) {
		next := decoded[api.DeviceList](t, o.get(t, "/api/v1/devices?kind=spare&limit=5")).Next
		wantProblem(t, o.get(t, "/api/v1/devices?kind=printer&cursor="+next), wattline.CodeInvalid, "cursor")
		wantProblem(t, o.get(t, "/api/v1/readings?kind=spare&cursor="+next), wattline.CodeInvalid, "cursor")
		if a := o.get(t, "/api/v1/devices?kind=spare&limit=7&cursor="+next); a.status != http.StatusOK {
			t.Errorf("another limit: %d %s", a.status, a.body)
		}
	})
}

func TestOneDeviceIsShownWithWhatMattersOfItsState(t *testing.T) {
	o := open(t)
	got := decoded[api.DeviceItem](t, o.get(t, "/api/v1/devices/desk-1"))
	power := wattline.Milli(61753)
	want := api.DeviceItem{
		Device: wattline.Device{
			ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Site: "hq", Address: "192.0.2.11",
			Labels: map[string]string{"cost-centre": "4100", "floor": "1"}, PollS: 5000, Source: wattline.SourceAPI, Version: 1,
		},
		Availability: wattline.AvailabilityUp, Relay: wattline.RelayOn, PowerW: &power,
		Capabilities: stateOf("desk-1", noon()).Capabilities,
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestAnUnknownDeviceIsNotFoundAtOnceAndNobodyIsAsked(t *testing.T) {
	o := open(t)
	for _, c := range []struct{ method, target, body string }{
		{"GET", "/api/v1/devices/nobody", ""},
		{"GET", "/api/v1/devices/nobody/state", ""},
		{"GET", "/api/v1/devices/nobody/state?refresh=true", ""},
		{"PUT", "/api/v1/devices/nobody/relay", `{"state":"on"}`},
		{"PUT", "/api/v1/devices/nobody/led", `{"state":"on"}`},
		{"GET", "/api/v1/readings?device=nobody", ""},
		{"GET", "/api/v1/readings?device=desk-1&device=nobody", ""},
		{"GET", "/api/v1/consumption?device=nobody", ""},
	} {
		wantProblem(t, o.do(t, c.method, c.target, c.body), wattline.CodeNotFound, "")
	}
	if asks := o.bus.asks(); len(asks) != 0 {
		t.Errorf("asked %v", asks)
	}
}
