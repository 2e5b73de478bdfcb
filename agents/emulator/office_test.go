package emulator_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
)

func newOffice(t testing.TB, opts emulator.OfficeOptions) *emulator.Office {
	t.Helper()
	office, err := emulator.NewOffice(opts)
	if err != nil {
		t.Fatal(err)
	}
	return office
}

func startOffice(t testing.TB, opts emulator.OfficeOptions) *emulator.Office {
	t.Helper()
	office := newOffice(t, opts)
	if err := office.Listen(t.Context()); err != nil {
		t.Fatal(err)
	}
	run(t, office.Run)
	return office
}

func TestTheOfficeOfTheDemo(t *testing.T) {
	t.Parallel()
	office := startOffice(t, emulator.OfficeOptions{Strips: 1, Plugs: emulator.DefaultPlugs})
	devices := office.Devices()
	if len(devices) != 24+6 || len(office.Plugs()) != 25 {
		t.Fatalf("%d devices, %d plugs", len(devices), len(office.Plugs()))
	}
	t.Run("has valid, distinct devices of several kinds on two floors", func(t *testing.T) {
		ids, addresses, kinds, floors, models := map[string]bool{}, map[string]bool{}, map[string]int{}, map[string]bool{}, map[string]bool{}
		for _, d := range devices {
			if err := d.Validate(); err != nil {
				t.Errorf("%s: %v", d.ID, err)
			}
			ids[d.ID], addresses[d.Address], floors[wattline.LocationAt(d.Location, 2)], models[d.Labels["model"]] = true, true, true, true
			kinds[d.Kind]++
		}
		if len(ids) != len(devices) || len(addresses) != len(devices) {
			t.Error("some share an id or an address")
		}
		if kinds["workstation"] != 16 || kinds["printer"] != 2 || kinds["meeting-room"] != 7 || len(floors) != 2 || len(models) != 4 {
			t.Errorf("kinds %v, floors %v, models %v", kinds, floors, models)
		}
	})
	t.Run("is read and switched by the client of this project", func(t *testing.T) {
		client := kasa.NewClient(kasa.Options{})
		t.Cleanup(func() { _ = client.Close() })
		for _, d := range devices {
			target, err := kasa.ParseAddress(d.Address)
			if err != nil {
				t.Fatal(err)
			}
			m, err := client.Read(t.Context(), target)
			if err != nil {
				t.Fatalf("%s: %v", d.ID, err)
			}
			if metered := d.Labels["model"] != string(emulator.HS100); m.Relay != wattline.RelayOn || (m.Meter != nil) != metered || m.MeterErr != nil {
				t.Errorf("%s: %+v", d.ID, m)
			}
			if err := client.SetRelay(t.Context(), target, false); err != nil {
				t.Fatalf("%s: %v", d.ID, err)
			}
			if m, err = client.ReadBack(t.Context(), target); err != nil || m.Relay != wattline.RelayOff {
				t.Errorf("%s: read back %v, %v", d.ID, m.Relay, err)
			}
		}
	})
}

func TestOfficesOfOtherSizes(t *testing.T) {
	for _, plugs := range []int{1, 6, 100, 1000} {
		office := newOffice(t, emulator.OfficeOptions{Plugs: plugs, BasePort: 20_000})
		ids := map[string]bool{}
		for _, p := range office.Plugs() {
			ids[p.ID()] = true
		}
		if len(ids) != plugs {
			t.Errorf("%d ids for %d plugs", len(ids), plugs)
		}
	}
	for name, opts := range map[string]emulator.OfficeOptions{
		"too many":       {Plugs: emulator.MaxPlugs + 1},
		"negative":       {Plugs: -1},
		"no room":        {Plugs: 100, BasePort: 65_500},
		"no address":     {Plugs: 2, OwnAddresses: true, Host: "localhost"},
		"end of range":   {Plugs: 2, OwnAddresses: true, Host: "255.255.255.255"},
		"a bad site":     {Site: "H/Q"},
		"a bad speed":    {Options: emulator.Options{Speed: -1}},
		"a bad segment":  {Options: emulator.Options{Segment: -1}},
		"a long history": {Options: emulator.Options{History: 1e6 * time.Hour}},
	} {
		if _, err := emulator.NewOffice(opts); err == nil {
			t.Errorf("%s is taken", name)
		}
	}
}

func TestPlugsOnAddressesOfTheirOwn(t *testing.T) {
	office := startOffice(t, emulator.OfficeOptions{Plugs: 3, OwnAddresses: true, Host: "127.77.0.254"})
	for i, want := range []string{"127.77.0.254:9999", "127.77.0.255:9999", "127.77.1.0:9999"} {
		if got := office.Plugs()[i].Addr(); got != want {
			t.Errorf("plug %d is on %s, want %s", i, got, want)
		}
		if _, err := once(t, office.Plugs()[i], sysinfo); err != nil {
			t.Error(err)
		}
	}
	t.Run("which are told when they are taken", func(t *testing.T) {
		second := newOffice(t, emulator.OfficeOptions{Plugs: 3, OwnAddresses: true, Host: "127.77.0.254"})
		if err := second.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "plug desk-1: listen on 127.77.0.254:9999") {
			t.Errorf("got %v", err)
		}
	})
}

func TestTheSameSeedIsTheSameOffice(t *testing.T) {
	clock := clockAt(monday(9))
	energies := func(seed uint64) []emulator.Energy {
		office := newOffice(t, emulator.OfficeOptions{Seed: seed, Options: emulator.Options{Now: func() time.Time { return clock.Now() }, History: time.Hour}})
		var all []emulator.Energy
		for _, p := range office.Plugs() {
			all = append(all, p.TrueEnergy(0))
		}
		return all
	}
	if a, b, other := energies(7), energies(7), energies(8); fmt.Sprint(a) != fmt.Sprint(b) || fmt.Sprint(a) == fmt.Sprint(other) {
		t.Errorf("seed 7 gives %v and %v, seed 8 %v", a, b, other)
	}
}

func TestAnOfficeSurvivesARestart(t *testing.T) {
	clock := clockAt(monday(9))
	opts := emulator.OfficeOptions{Strips: 1, Plugs: 4, Seed: 3, StateFile: filepath.Join(t.TempDir(), "data", "office.json"), Options: emulator.Options{Now: clock.Now}}
	first := newOffice(t, opts)
	clock.Forward(time.Hour)
	desk, strip := first.Plugs()[0], first.Plugs()[4]
	answer(t, desk, `{"system":{"set_relay_state":{"state":0},"set_dev_alias":{"alias":"Ada"},"set_led_off":{"off":1}}}`)
	answer(t, strip, `{"context":{"child_ids":["`+strip.ChildID(2)+`"]},"system":{"set_relay_state":{"state":0}}}`)
	clock.Forward(time.Hour)
	if err := first.SaveState(); err != nil {
		t.Fatal(err)
	}
	clock.Forward(3 * time.Hour)
	second := newOffice(t, opts)

	for i, p := range first.Plugs() {
		q := second.Plugs()[i]
		for n := range p.Outlets() {
			if p.TrueEnergy(n) != q.TrueEnergy(n) || p.MeterWh(n) != q.MeterWh(n) || p.Relay(n) != q.Relay(n) {
				t.Errorf("%s outlet %d: %d µJ and relay %v became %d and %v", p.ID(), n, p.TrueEnergy(n), p.Relay(n), q.TrueEnergy(n), q.Relay(n))
			}
		}
		for _, request := range []string{sysinfo, `{"emeter":{"get_daystat":{"year":2026,"month":9}}}`} {
			if was, is := rawAnswer(t, p, request), rawAnswer(t, q, request); was != is {
				t.Errorf("%s answered %s and now %s", p.ID(), was, is)
			}
		}
	}
	t.Run("when it is stopped and started", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- second.Run(ctx) }()
		cancel()
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		if third := newOffice(t, opts); third.Plugs()[0].Relay(0) {
			t.Error("the relay was forgotten")
		}
	})
	t.Run("but not with a file that is none", func(t *testing.T) {
		for _, content := range []string{"", "{", `{"version":99}`} {
			if err := os.WriteFile(opts.StateFile, []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := emulator.NewOffice(opts); err == nil || !strings.Contains(err.Error(), opts.StateFile) {
				t.Errorf("%q: %v", content, err)
			}
		}
	})
}

func TestAllPlugsMayFeedTheSame(t *testing.T) {
	t.Parallel()
	clock := clockAt(monday(3)) // when an office sleeps
	office := newOffice(t, emulator.OfficeOptions{Plugs: 12, Profile: emulator.Heater, Options: emulator.Options{Now: clock.Now}})
	clock.Forward(time.Hour)
	for _, plug := range office.Plugs() {
		if used := plug.TrueEnergy(0); used < 300*emulator.WattHour || used > 2000*emulator.WattHour {
			t.Errorf("%v used %d Wh in an hour", plug, used.WholeWh())
		}
	}
	if _, err := emulator.NewOffice(emulator.OfficeOptions{Profile: "volcano"}); err == nil || !strings.Contains(err.Error(), "heater") {
		t.Errorf("an unknown profile: %v", err)
	}
}

func TestTheControlDoor(t *testing.T) {
	clock := clockAt(monday(9))
	office := newOffice(t, emulator.OfficeOptions{Plugs: 3, Strips: 1, Options: emulator.Options{Now: clock.Now}})
	door := office.ControlHandler()
	call := func(method, path, body string) (int, string) {
		recorder := httptest.NewRecorder()
		door.ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), method, path, bytes.NewReader([]byte(body))))
		text, _ := io.ReadAll(recorder.Body)
		return recorder.Code, string(text)
	}
	clock.Forward(time.Hour)

	t.Run("shows every plug with its true energy", func(t *testing.T) {
		code, text := call("GET", "/plugs", "")
		var views []emulator.PlugView
		if err := json.Unmarshal([]byte(text), &views); err != nil || code != http.StatusOK || len(views) != 4 {
			t.Fatalf("%d %v %s", code, err, text)
		}
		if got, want := views[0].Outlets[0].TrueEnergy, office.Plugs()[0].TrueEnergy(0); got != want || want == 0 {
			t.Errorf("true energy %d, want %d", got, want)
		}
		if len(views[3].Outlets) != 6 || views[3].Outlets[1].ChildID != office.Plugs()[3].ChildID(1) {
			t.Errorf("the strip is %+v", views[3])
		}
	})
	t.Run("tells the energy of a span", func(t *testing.T) {
		code, text := call("GET", "/plugs/desk-1/energy?from=2026-09-07T09:10:00Z&to=2026-09-07T09:20:00.5Z", "")
		want, err := office.Plugs()[0].TrueEnergyBetween(0, monday(9).Add(10*time.Minute), monday(9).Add(20*time.Minute+500*time.Millisecond))
		if err != nil || code != http.StatusOK || text != fmt.Sprintf("{\"true_energy_uj\":%d}\n", want) {
			t.Errorf("%d %s, want %d, %v", code, text, want, err)
		}
	})
	t.Run("sets and clears faults", func(t *testing.T) {
		if code, text := call("PUT", "/plugs/desk-2/fault", `{"fault":"hang:p=0.5"}`); code != http.StatusNoContent {
			t.Errorf("%d %s", code, text)
		}
		if got := office.Plugs()[1].Fault(); got != (emulator.Fault{Kind: emulator.Hang, Probability: 0.5}) {
			t.Errorf("fault is %v", got)
		}
		call("DELETE", "/plugs/*/fault", "")
		if got := office.Plugs()[1].Fault(); got.Kind != emulator.NoFault {
			t.Errorf("fault is %v", got)
		}
	})
	t.Run("presses the button and sets the clock", func(t *testing.T) {
		call("POST", "/plugs/strip-1/button?outlet=5", "")
		if strip, _ := office.Plug("strip-1"); strip.Relay(5) || !strip.Relay(4) {
			t.Error("not just the sixth outlet is off")
		}
		if code, text := call("PUT", "/plugs/desk-1/clock", `{"ahead":"-2h"}`); code != http.StatusNoContent {
			t.Errorf("%d %s", code, text)
		}
	})
	t.Run("refuses what it does not understand", func(t *testing.T) {
		for _, c := range []struct {
			method, path, body string
			code               int
		}{
			{"GET", "/plugs/nobody", "", 404},
			{"DELETE", "/plugs/nobody/fault", "", 404},
			{"PUT", "/plugs/nobody/fault", `{"fault":"hang"}`, 404},
			{"PUT", "/plugs/desk-1/fault", `{"fault":"hangs"}`, 400},
			{"PUT", "/plugs/desk-1/fault", `{"fault":""}`, 400},
			{"PUT", "/plugs/desk-1/fault", `{"fault":"hang","x":1}`, 400},
			{"PUT", "/plugs/desk-1/fault", `{"fault":"hang"}{}`, 400},
			{"PUT", "/plugs/desk-1/fault", `{"fault":"` + strings.Repeat("x", 10_000), 400},
			{"PUT", "/plugs/desk-1/clock", `{"ahead":"soon"}`, 400},
			{"POST", "/plugs/desk-1/button?outlet=1", "", 400},
			{"GET", "/plugs/desk-1/energy?from=x&to=y", "", 400},
			{"GET", "/plugs/desk-1/energy?from=2026-09-07T09:10:00Z&to=2027-09-07T09:20:00Z", "", 400},
			{"POST", "/plugs", "", 405},
		} {
			if code, text := call(c.method, c.path, c.body); code != c.code || len(text) > 400 {
				t.Errorf("%s %s %.40s: %d %s, want %d", c.method, c.path, c.body, code, text, c.code)
			}
		}
	})
}

func TestFaultsForAnUnknownPlugChangeNothing(t *testing.T) {
	office := newOffice(t, emulator.OfficeOptions{Plugs: 2})
	list, err := emulator.ParseFaults("desk-1=hang,desk-99=hang")
	if err != nil {
		t.Fatal(err)
	}
	if err := office.SetFaults(list); err == nil || office.Plugs()[0].Fault().Kind != emulator.NoFault {
		t.Errorf("got %v and %v", err, office.Plugs()[0].Fault())
	}
}

// A day of polling passes in an instant, with no sockets.
func TestAnOfficeInSyntheticTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		office := newOffice(t, emulator.OfficeOptions{Plugs: 4, BasePort: 20_000})
		client := kasa.NewClient(kasa.Options{Dial: office.DialContext})
		defer func() { _ = client.Close() }()
		for range 24 * 60 {
			for _, d := range office.Devices() {
				if d.Address != "" {
					t.Fatal("it listens")
				}
			}
			for i := range office.Plugs() {
				target, err := kasa.ParseAddress(fmt.Sprintf("127.0.0.1:%d", 20_000+i))
				if err != nil {
					t.Fatal(err)
				}
				if _, err := client.Read(t.Context(), target); err != nil {
					t.Fatal(err)
				}
			}
			time.Sleep(time.Minute)
		}
		if got := office.Plugs()[0].Stats().Answers; got < 24*60 {
			t.Errorf("%d answers", got)
		}
		set(t, office.Plugs()[1], "refuse")
		set(t, office.Plugs()[2], "offline")
		for i, want := range []kasa.Class{"", kasa.ClassRefused, kasa.ClassTimeout} {
			target, _ := kasa.ParseAddress(fmt.Sprintf("127.0.0.1:%d", 20_000+i))
			if _, err := client.Read(t.Context(), target); kasa.ClassOf(err) != want {
				t.Errorf("plug %d: %v, want %q", i, err, want)
			}
		}
	})
}
