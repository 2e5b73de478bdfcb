package emulator_test

import (
	"strings"
	"testing"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/internal/testserver"
)

// The npm package tplink-smarthome-api is a client that knows nothing of us.
func TestAnIndependentClientReadsAndSwitches(t *testing.T) {
	t.Parallel()
	for _, model := range emulator.Models() {
		t.Run(string(model), func(t *testing.T) {
			t.Parallel()
			load := emulator.Steady(42_000)
			spec := emulator.Spec{ID: "desk-1", Model: model, Alias: "Ada's desk", Seed: 5}
			if model == emulator.HS300 {
				spec.Outlets = []emulator.OutletSpec{{Load: load}}
			} else {
				spec.Load = load
			}
			plug := startPlug(t, spec, emulator.Options{Discovery: true})
			wantPrinted := func(printed string, parts ...string) {
				t.Helper()
				for _, part := range parts {
					if !strings.Contains(printed, part) {
						t.Errorf("%q is not in\n%s", part, printed)
					}
				}
			}

			wantPrinted(testserver.KasaCLI(t, "getSysInfo", plug.Addr()), "Ada's desk", plug.DeviceID())
			wantPrinted(testserver.KasaCLI(t, "-u", "getSysInfo", plug.Addr()), "Ada's desk")
			testserver.KasaCLI(t, "setPowerState", plug.Addr(), "false")
			if history := plug.RelayHistory(0); plug.Relay(0) || len(history) != 1 || history[0].Cause != emulator.ByCommand {
				t.Errorf("after switching off: %v", history)
			}
			testserver.KasaCLI(t, "setPowerState", plug.Addr(), "true")
			if !plug.Relay(0) {
				t.Error("after switching on it is off")
			}
			printed := testserver.KasaCLI(t, "send", plug.Addr(), realtime)
			switch model {
			case emulator.HS110HW1:
				wantPrinted(printed, `"power":4`, `"voltage":2`, `"total":0.000000`)
			case emulator.HS100:
				wantPrinted(printed, `"err_code":-1`)
			default:
				wantPrinted(printed, `"power_mw":42000`, `"voltage_mv":2`)
			}
		})
	}
}
