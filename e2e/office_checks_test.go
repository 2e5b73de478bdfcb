package e2e_test

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// What follows holds for one process and for several alike.

func checkListed(t *testing.T, o *office, plugs *simulated) {
	o = o.in(t)
	o.waitUp(plugs.ids()...)
	want := map[string]wattline.Device{}
	for _, d := range plugs.devices {
		d.Source = wattline.SourceConfiguration
		want[d.ID] = d
	}
	got := map[string]wattline.Device{}
	for _, listed := range o.devices("") {
		if listed.Version == 0 {
			t.Errorf("%s has no version", listed.ID)
		}
		listed.Version = 0
		got[listed.ID] = listed.Device
		if listed.Availability != wattline.AvailabilityUp {
			t.Errorf("%s is listed as %s", listed.ID, listed.Availability)
		}
	}
	if diff := cmp.Diff(want, got, asDeclared); diff != "" {
		t.Errorf("devices (-want +got):\n%s", diff)
	}
	for query, want := range map[string]int{"?kind=workstation": 2, "?location=hq/f1": 6, "?location=hq/f10": 0, "?state=down": 0} {
		if got := o.devices(query); len(got) != want {
			t.Errorf("%d devices for %s, want %d", len(got), query, want)
		}
	}
}

// checkNumbers changes the loads and finds exactly what the simulator reports in
// the shadow, in the plug's fresh answer and in the store.
func checkNumbers(t *testing.T, o *office, plugs *simulated, since time.Time) {
	o = o.in(t)
	for round := range 2 {
		plugs.load(round)
		for _, id := range plugs.metered() {
			same := func(r wattline.Reading) bool { return plugs.differs(r) == "" }
			o.eventuallyState(id, "what the simulator reports", func(s wattline.FreshState) bool {
				return s.Reading != nil && same(*s.Reading)
			})
			var fresh wattline.FreshState
			o.get("/api/v1/devices/"+id+"/state?refresh=true", &fresh)
			if difference := plugs.differs(*fresh.Reading); difference != "" {
				t.Errorf("fresh: %s", difference)
			}
			o.eventuallyReading(id, "what the simulator reports", since, same)
		}
	}
	if s := o.state("lamp-1"); s.Reading != nil || s.State.Can(wattline.CapabilityMeter) || !s.State.Relay.Valid() {
		t.Errorf("a plug without a meter has the state %+v", s)
	}
	readings, err := o.tryReadings("lamp-1", since)
	if err != nil || len(readings) != 0 {
		t.Errorf("a plug without a meter has %d readings, %v", len(readings), err)
	}
}

// checkSwitching moves relays one by one and by a selector, and finds them moved
// at the simulator, those and no others.
func checkSwitching(t *testing.T, o *office, plugs *simulated) {
	o = o.in(t)
	for _, id := range plugs.ids() {
		for _, to := range []wattline.Relay{wattline.RelayOff, wattline.RelayOn, wattline.RelayOff} {
			before := plugs.relays()
			o.switchRelay(id, to)
			before[id] = to
			if diff := cmp.Diff(before, plugs.relays()); diff != "" {
				t.Errorf("%s was switched %s; the simulator's relays (-want +got):\n%s", id, to, diff)
			}
			if got := o.state(id).State.Relay; got != to {
				t.Errorf("%s was switched %s and is shown as %s", id, to, got)
			}
		}
	}
	results := o.command(`{"selector":{"kind":"meeting-room"},"action":"on"}`)
	want := plugs.relays()
	for i, r := range results {
		if want[r.Device] = wattline.RelayOn; r.Outcome != wattline.OutcomeDone || r.Device != fmt.Sprintf("strip-%d", i) {
			t.Errorf("result %d is %+v", i, r)
		}
	}
	if diff := cmp.Diff(want, plugs.relays()); diff != "" || len(results) != 3 {
		t.Errorf("%d results; the simulator's relays (-want +got):\n%s", len(results), diff)
	}
	results = o.command(`{"selector":{"ids":["lamp-1","nobody","desk-1"]},"action":"on"}`)
	outcomes := map[string]wattline.Code{}
	for _, r := range results {
		outcomes[r.Device] = r.Code
	}
	if diff := cmp.Diff(map[string]wattline.Code{"desk-1": "", "lamp-1": "", "nobody": wattline.CodeNotFound}, outcomes); diff != "" {
		t.Errorf("codes (-want +got):\n%s", diff)
	}
}

// checkAway takes a plug off the network and back.
func checkAway(t *testing.T, o *office, plugs *simulated) {
	o = o.in(t)
	plugs.plugs["desk-2"].Offline()
	state := o.eventuallyState("desk-2", "down", func(s wattline.FreshState) bool {
		return s.State.Availability == wattline.AvailabilityDown
	})
	if state.State.Error == nil || state.State.Error.Class != "refused" || state.Reading == nil {
		t.Errorf("its state is %+v", state)
	}
	for method, path := range map[string]string{http.MethodPut: "/relay", http.MethodGet: "/state?refresh=true"} {
		body := map[string]string{http.MethodPut: `{"state":"on"}`}[method]
		if p := o.refused(http.StatusBadGateway, method, "/api/v1/devices/desk-2"+path, body); p.Code != wattline.CodeDeviceUnreachable {
			t.Errorf("%s %s is answered with %+v", method, path, p)
		}
	}
	results := o.command(`{"selector":{"kind":"workstation"},"action":"on"}`)
	if len(results) != 2 || results[0].Outcome != wattline.OutcomeDone || results[1].Outcome != wattline.OutcomeUnreachable {
		t.Errorf("switching both gave %+v", results)
	}
	plugs.plugs["desk-2"].Online()
	o.waitUp("desk-2")
	back := o.eventuallyState("desk-2", "read again", func(s wattline.FreshState) bool { return s.Reading.Time.After(state.Reading.Time.Time) })
	if back.Reading.EnergyWh < state.Reading.EnergyWh || plugs.differs(*back.Reading) != "" {
		t.Errorf("before: %+v, after: %+v", state.Reading, back.Reading)
	}
}

// checkConsumption asks for energy, whose truth is tested elsewhere: here it must
// be the difference of the readings' counters, in all groupings. The lamp's plug has
// no meter, so nothing is said of it.
func checkConsumption(t *testing.T, o *office, plugs *simulated, since time.Time) {
	o = o.in(t)
	from, to := wattline.At(since.Add(-time.Hour)), wattline.At(time.Now().Add(time.Hour))
	period := fmt.Sprintf("?from=%s&to=%s", from, to)
	for grouping, groups := range map[string][]string{
		"device": plugs.metered(), "kind": {"meeting-room", "workstation"}, "location:2": {"hq/f1"},
	} {
		for _, window := range []string{"quarter", "hour", "day", "week", "month"} {
			var page wattline.ConsumptionPage
			o.get("/api/v1/consumption"+period+"&group_by="+grouping+"&window="+window, &page)
			seen := map[string]bool{}
			known := wattline.Milli(0)
			for _, row := range page.Rows {
				seen[row.Group] = true
				if row.EnergyWh != nil {
					known += *row.EnergyWh
				}
			}
			slices.Sort(groups)
			if diff := cmp.Diff(groups, slices.Sorted(maps.Keys(seen))); diff != "" {
				t.Errorf("groups by %s (-want +got):\n%s", grouping, diff)
			}
			if grown := energyGrown(t, o, plugs, since); known <= 0 || known > grown {
				t.Errorf("by %s and %s %v Wh were used; the counters grew by %v", grouping, window, known, grown)
			}
		}
	}
}

// energyGrown is by how much all counters have grown so far.
func energyGrown(t *testing.T, o *office, plugs *simulated, since time.Time) wattline.Milli {
	t.Helper()
	var grown wattline.Milli
	for _, id := range plugs.metered() {
		readings, err := o.tryReadings(id, since)
		if err != nil || len(readings) == 0 {
			t.Fatalf("%d readings of %s: %v", len(readings), id, err)
		}
		grown += readings[len(readings)-1].EnergyWh - readings[0].EnergyWh
	}
	return grown
}

// influxTime is an instant as InfluxDB writes it: without trailing zeros.
func influxTime(at wattline.Time) string { return at.UTC().Format(time.RFC3339Nano) }

// influxRows is what InfluxDB itself has of a field, by device and time.
func influxRows(server *testserver.InfluxServer, bucket, field string) map[string]string {
	rows := map[string]string{}
	for _, row := range server.Query(fmt.Sprintf(
		`from(bucket: %q) |> range(start: -1d, stop: 1d) |> filter(fn: (r) => r._field == %q and exists r.device)`, bucket, field)) {
		key := row["device"] + " " + row["_time"]
		if _, twice := rows[key]; twice {
			rows[key] = "twice"
			continue
		}
		rows[key] = row["_value"]
	}
	return rows
}
