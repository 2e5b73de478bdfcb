package e2e_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// emulated is a running wattline emulator with its control door.
type emulated struct {
	api

	process *wattlineProcess
	devices []wattline.Device
}

// plugView is what the control door tells of a plug.
type plugView struct {
	ID      string `json:"id"`
	Model   string `json:"model"`
	Address string `json:"address"`
	Fault   string `json:"fault"`
	Stats   struct {
		Requests int64 `json:"requests"`
	} `json:"stats"`
	Outlets []struct {
		On       bool           `json:"on"`
		PowerW   wattline.Milli `json:"power_w"`
		MeterWh  int64          `json:"meter_wh"`
		ChildID  string         `json:"child_id"`
		Switched []struct {
			On    bool   `json:"on"`
			Cause string `json:"cause"`
		} `json:"switched"`
	} `json:"outlets"`
}

func startEmulator(t *testing.T, args ...string) emulated {
	t.Helper()
	control := freeAddr(t)
	e := emulated{api: api{t, "http://" + control, ""}}
	e.process = start(t, t.TempDir(), append([]string{"emulator", "--json", "--control", control}, args...)...)
	testserver.Eventually(t, patience, func() error {
		if err := json.Unmarshal([]byte(e.process.stdout.String()), &e.devices); err != nil {
			return fmt.Errorf("it printed %q: %w", e.process.stdout.String(), err)
		}
		return nil
	})
	return e
}

func (e emulated) device(id string) wattline.Device {
	e.t.Helper()
	i := slices.IndexFunc(e.devices, func(d wattline.Device) bool { return d.ID == id })
	if i < 0 {
		e.t.Fatalf("the emulator has no %s", id)
	}
	return e.devices[i]
}

func (e emulated) plug(id string) plugView {
	e.t.Helper()
	var view plugView
	e.get("/plugs/"+id, &view)
	return view
}

// TestTheEmulatorServesAnIndependentClient has the npm client read and switch
// what wattline emulator emulates.
func TestTheEmulatorServesAnIndependentClient(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "9", "--strips", "1")

	for id, model := range map[string]string{"desk-1": "HS110", "desk-2": "HS110", "lamp-1": "HS100"} {
		t.Run(id+" is an "+model, func(t *testing.T) {
			address := e.device(id).Address
			if err := contains(testserver.KasaCLI(t, "getSysInfo", address), model+"("); err != nil {
				t.Error(err)
			}
			for _, on := range []bool{false, true} {
				testserver.KasaCLI(t, "setPowerState", address, fmt.Sprint(on))
				if got := e.plug(id).Outlets[0].On; got != on {
					t.Errorf("the client switched to %t, the relay is %t", on, got)
				}
			}
			realtime := testserver.KasaCLI(t, "send", address, `{"emeter":{"get_realtime":{}}}`)
			if metered := strings.Contains(realtime, `"power`); metered != (model == "HS110") {
				t.Errorf("the client reads %s", realtime)
			}
		})
	}

	t.Run("strip-1 is switched by its outlets", func(t *testing.T) {
		first := e.devices[slices.IndexFunc(e.devices, func(d wattline.Device) bool { return strings.Contains(d.Address, "/") })]
		address, _, _ := strings.Cut(first.Address, "/")
		if err := contains(testserver.KasaCLI(t, "getSysInfo", address), "HS300("); err != nil {
			t.Error(err)
		}
		before := e.plug("strip-1")
		testserver.KasaCLI(t, "send", address, fmt.Sprintf(
			`{"context":{"child_ids":[%q]},"system":{"set_relay_state":{"state":0}}}`, before.Outlets[1].ChildID))
		for i, outlet := range e.plug("strip-1").Outlets {
			if want := before.Outlets[i].On && i != 1; outlet.On != want {
				t.Errorf("outlet %d is on: %t, want %t", i, outlet.On, want)
			}
		}
	})
}

func TestTheEmulatorsControlDoor(t *testing.T) {
	t.Parallel()
	e := startEmulator(t, "--plugs", "3", "--faults", "desk-2=refuse")
	set := func(id, body string) int {
		got, err := e.send(http.MethodPut, "/plugs/"+id+"/fault", body)
		if err != nil {
			t.Fatal(err)
		}
		return got.status
	}
	read := func(id string) outcome { return run(t, ".", "plug", "read", e.device(id).Address) }

	if got := read("desk-2"); got.code != 1 || contains(got.stderr, "refused") != nil {
		t.Errorf("a plug that refuses: exit code %d: %s", got.code, got.stderr)
	}
	if status := set("desk-2", `{"fault":"none"}`); status != http.StatusNoContent {
		t.Error(status)
	}
	if got := read("desk-2"); got.code != 0 {
		t.Errorf("a plug without a fault: exit code %d: %s", got.code, got.stderr)
	}
	for fault, says := range map[string]string{"garbage": "answer", "reset": "broke the connection", "device-error:code=-3": "-3", "huge": "oversize"} {
		if status := set("desk-1", fmt.Sprintf(`{"fault":%q}`, fault)); status != http.StatusNoContent {
			t.Errorf("%s: status %d", fault, status)
		}
		if got := read("desk-1"); got.code != 1 || contains(got.stderr, says) != nil {
			t.Errorf("%s: exit code %d: %s", fault, got.code, got.stderr)
		}
	}
	for _, body := range []string{`{"fault":"explode"}`, `{`, `{"fault":"hang","x":1}`, ``} {
		if status := set("desk-1", body); status != http.StatusBadRequest {
			t.Errorf("%s: status %d", body, status)
		}
	}
	if status := set("desk-77", `{"fault":"hang"}`); status != http.StatusNotFound {
		t.Errorf("an unknown plug: status %d", status)
	}
	var views []plugView
	e.get("/plugs", &views)
	if len(views) != 3 || len(e.devices) != 3 {
		t.Errorf("%d plugs, %d devices", len(views), len(e.devices))
	}
	e.process.interrupt()
}
