package testserver_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/testserver"
)

func TestSimulator(t *testing.T) {
	t.Parallel()
	plugs := testserver.Simulator(t,
		testserver.SimulatedPlug{Model: "hs110", Alias: "desk-1"},
		testserver.SimulatedPlug{Model: "hs110v2", Alias: "desk-2", CloseAfterReply: true},
		testserver.SimulatedPlug{Model: "hs100"},
		testserver.SimulatedPlug{Model: "hs300", Address: "127.0.0.9"},
	)
	meter := testserver.SimulatedMeter{PowerW: 61.753, VoltageV: 230.837, CurrentA: 0.451, EnergyKWh: 16.323}

	t.Run("a client reads what was set, in either dialect", func(t *testing.T) {
		for _, tc := range []struct {
			plug  *testserver.RunningPlug
			field string
			value float64
		}{
			{plugs.Plug(0), "power", 61.753},
			{plugs.Plug(1), "power_mw", 61753},
		} {
			tc.plug.SetMeter(meter)
			if report := tc.plug.Report(); !report.Metered || report.Meter != meter {
				t.Errorf("the report says %+v, want %+v", report.Meter, meter)
			}
			if got := realtimeByCLI(t, tc.plug.Addr())[tc.field]; got != tc.value {
				t.Errorf("the client reads %s %v, want %v", tc.field, got, tc.value)
			}
		}
	})

	t.Run("a client switches the relay", func(t *testing.T) {
		plug := plugs.Plug(0)
		plug.SetRelay(false)
		testserver.KasaCLI(t, "setPowerState", plug.Addr(), "true")
		if !plug.Report().On {
			t.Error("the relay is still off")
		}
	})

	t.Run("a plug without a meter has a relay only", func(t *testing.T) {
		plug := plugs.Plug(2)
		plug.SetRelay(true)
		if report := plug.Report(); report.Metered || !report.On {
			t.Errorf("metered %t, on %t; want false, true", report.Metered, report.On)
		}
	})

	t.Run("the outlets of a strip are apart", func(t *testing.T) {
		strip := plugs.Plug(3)
		strip.SetRelay(false)
		strip.Outlet(1).SetRelay(true)
		strip.Outlet(1).SetMeter(meter)
		if report := strip.Outlet(1).Report(); !report.On || report.Meter != meter {
			t.Errorf("outlet 1 is %+v", report)
		}
		if report := strip.Outlet(2).Report(); report.On || report.Meter == meter {
			t.Errorf("outlet 2 is %+v", report)
		}
	})

	t.Run("a plug leaves the network and returns", func(t *testing.T) {
		plug := plugs.Plug(1)
		plug.Offline()
		if printed := testserver.KasaCLI(t, "getSysInfo", plug.Addr()); !strings.Contains(printed, "ECONNREFUSED") {
			t.Errorf("the client says %q", printed)
		}
		plug.Online()
		before := plug.Requests()
		if printed := testserver.KasaCLI(t, "getSysInfo", plug.Addr()); !strings.Contains(printed, "desk-2") {
			t.Errorf("the client says %q", printed)
		}
		if plug.Requests() == before {
			t.Error("the request was not counted")
		}
	})
}

func realtimeByCLI(t *testing.T, addr string) map[string]any {
	t.Helper()
	printed := testserver.KasaCLI(t, "send", addr, `{"emeter":{"get_realtime":{}}}`)
	// The client says what it does, and then prints the reply in single quotes.
	_, text, _ := strings.Cut(printed, "'")
	text, _, _ = strings.Cut(text, "'")
	var reply struct {
		Emeter struct {
			Realtime map[string]any `json:"get_realtime"`
		}
	}
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("decode %q: %v", printed, err)
	}
	return reply.Emeter.Realtime
}
