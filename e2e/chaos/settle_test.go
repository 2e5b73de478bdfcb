package chaos_test

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
	"github.com/wattline/wattline/e2e/chaos/truth"
	"github.com/wattline/wattline/internal/testserver"
)

// drainPatience is for a backlog to get into the stores.
const drainPatience = 5 * time.Minute

// freeze makes the plugs refuse, so that no reading is added, and returns when
// what was taken is known.
func (s *site) freeze() truth.Fault {
	s.t.Helper()
	frozen := truth.Fault{Step: plan.Step{What: plan.Fault, Target: plan.AllPlugs, How: "refuse"}, From: time.Now()}
	s.plugs.misbehave("*", "refuse")
	for _, d := range s.named() {
		testserver.Eventually(s.t, patience, func() error {
			var fresh wattline.FreshState
			err := s.doors[plan.Gateway].get(context.Background(), "/api/v1/devices/"+d.ID+"/state", &fresh)
			if err == nil && fresh.State.Availability != wattline.AvailabilityDown {
				err = fmt.Errorf("%s refuses, and is said to be %s", d.ID, fresh.State.Availability)
			}
			return err
		})
	}
	return frozen
}

// relaysShown compares what the API shows of each relay with the plug itself.
func (s *site) relaysShown() {
	s.t.Helper()
	testserver.Eventually(s.t, patience, func() error {
		relays, err := s.plugs.relays()
		if err != nil {
			return err
		}
		for _, d := range s.named() {
			var fresh wattline.FreshState
			if err := s.doors[plan.Gateway].get(context.Background(), "/api/v1/devices/"+d.ID+"/state", &fresh); err != nil {
				return err
			}
			if want := relays[s.names()[d.ID]]; fresh.State.Relay != want {
				return fmt.Errorf("%s is %s, and is shown as %s", d.ID, want, fresh.State.Relay)
			}
		}
		return nil
	})
}

// drained waits until the auditor has every number of the journal and both stores
// say that they have all of them.
func (s *site) drained(m *mqtt, r *record) {
	s.t.Helper()
	testserver.Eventually(s.t, drainPatience, func() error {
		var page wattline.ReplayPage
		query := wattline.ReplayQuery{Stream: m.collectorsStream(), From: r.lastTaken() + 1, Limit: 1}
		if err := m.ask(context.Background(), "query/collector/"+plan.Agents+"/replay", query, &page); err != nil {
			return err
		}
		last := r.lastTaken()
		if page.Last > last {
			return fmt.Errorf("the auditor has %d of %d", last, page.Last)
		}
		for _, store := range []string{"archive", "influx"} {
			if stored := r.storedBy(store); stored < last {
				return fmt.Errorf("%s has stored %d of %d", store, stored, last)
			}
		}
		return nil
	})
}

// accounted waits until the API says of the journal and of both hooks that nothing
// is behind; that nothing was lost or refused must be so at once.
func (s *site) accounted() {
	s.t.Helper()
	var journals struct {
		Journals []struct{ Journal wattline.JournalStatus }
	}
	var hooks struct {
		Hooks []struct{ Status wattline.HookStatus }
	}
	testserver.Eventually(s.t, patience, func() error {
		err := errors.Join(
			s.doors[plan.Gateway].get(context.Background(), "/api/v1/system/journal", &journals),
			s.doors[plan.Gateway].get(context.Background(), "/api/v1/system/hooks", &hooks))
		switch {
		case err != nil:
			return err
		case len(journals.Journals) != 1 || len(hooks.Hooks) != 2:
			return fmt.Errorf("%d journals and %d hooks are listed", len(journals.Journals), len(hooks.Hooks))
		}
		waits := journals.Journals[0].Journal.Hooks
		if len(waits) != 3 || slices.ContainsFunc(waits, func(h wattline.JournalHook) bool { return h.Behind > 0 }) {
			return fmt.Errorf("the journal waits for %+v", waits)
		}
		for _, h := range hooks.Hooks {
			if slices.ContainsFunc(h.Status.Streams, func(one wattline.HookStream) bool { return one.Behind > 0 }) || h.Status.Failing+h.Status.DiskError != "" {
				return fmt.Errorf("a hook says %+v", h.Status)
			}
		}
		return nil
	})
	if j := journals.Journals[0].Journal; j.Dropped > 0 || j.SetAside+j.Error != "" {
		s.t.Errorf("the journal says %+v", j)
	}
	for _, h := range hooks.Hooks {
		if h.Status.Lost > 0 || h.Status.DeadLetters > 0 {
			s.t.Errorf("a hook says %+v", h.Status)
		}
	}
}

// collect asks each store for all that it has, through its own history, and
// InfluxDB itself too.
func (s *site) collect(m *mqtt, since time.Time) map[string][]wattline.Reading {
	s.t.Helper()
	return map[string][]wattline.Reading{
		"archive":          s.history(m, plan.Archive, since),
		"influx":           s.history(m, plan.History, since),
		"influx by itself": s.points(since),
	}
}

// history is all pages of all devices that ever were. REST knows only those that
// are; the component answers for the others too.
func (s *site) history(m *mqtt, instance string, since time.Time) (all []wattline.Reading) {
	s.t.Helper()
	query := wattline.ReadingsQuery{
		Devices: slices.Sorted(maps.Keys(s.names())),
		From:    wattline.At(since), To: wattline.At(time.Now().Add(time.Hour)), Limit: wattline.MaxPage,
	}
	for {
		var page wattline.ReadingsPage
		testserver.Eventually(s.t, patience, func() error {
			page = wattline.ReadingsPage{}
			return m.ask(context.Background(), "query/history/"+instance+"/readings", query, &page)
		})
		all = append(all, page.Readings...)
		if page.Next == "" {
			return all
		}
		query.Cursor = page.Next
	}
}

// points is what InfluxDB has, asked without any code of ours.
func (s *site) points(since time.Time) (all []wattline.Reading) {
	s.t.Helper()
	for _, device := range slices.Sorted(maps.Keys(s.names())) {
		rows := s.influx.Query(fmt.Sprintf(`from(bucket: %q) |> range(start: %s, stop: 1h)
			|> filter(fn: (r) => r._measurement == "reading" and r.device == %q)
			|> pivot(rowKey: ["_time"], columnKey: ["_field"], valueColumn: "_value") |> sort(columns: ["_time"])`,
			s.influx.Bucket(), since.UTC().Format(time.RFC3339), device))
		for _, row := range rows {
			all = append(all, s.reading(row))
		}
	}
	return all
}

func (s *site) reading(row map[string]string) wattline.Reading {
	s.t.Helper()
	at, err := time.Parse(time.RFC3339Nano, row["_time"])
	r := wattline.Reading{Device: row["device"], Time: wattline.At(at), Relay: wattline.RelayOf(row["relay"] == "true")}
	for field, value := range map[string]*wattline.Milli{
		"power_w": &r.PowerW, "voltage_v": &r.VoltageV, "current_a": &r.CurrentA,
		"energy_wh": &r.EnergyWh, "meter_wh": &r.MeterWh, "covers_s": &r.CoversS,
	} {
		var wrong error
		*value, wrong = wattline.ParseMilli(row[field])
		err = errors.Join(err, wrong)
	}
	rssi, wrong := strconv.Atoi(row["rssi_dbm"])
	quality, alsoWrong := strconv.ParseUint(row["quality"], 10, 16)
	if err := errors.Join(err, wrong, alsoWrong); err != nil {
		s.t.Errorf("InfluxDB has %v: %v", row, err)
	}
	r.RSSIdBm, r.Quality = rssi, wattline.Quality(quality)
	return r
}
