package e2e_test

import (
	"fmt"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

// simulated are the plugs of the independent simulator, each on an address of
// its own, as devices and as what the simulator knows of them.
type simulated struct {
	t       *testing.T
	devices []wattline.Device
	plugs   map[string]*testserver.RunningPlug
}

// simulatedOffice is one plug of each model; the strip's first three outlets are
// devices.
func simulatedOffice(t *testing.T) simulated {
	t.Helper()
	run := testserver.Simulator(t,
		testserver.SimulatedPlug{Model: "hs110", Address: "127.0.0.2", CloseAfterReply: true},
		testserver.SimulatedPlug{Model: "hs110v2", Address: "127.0.0.3"},
		testserver.SimulatedPlug{Model: "hs100", Address: "127.0.0.4"},
		testserver.SimulatedPlug{Model: "hs300", Address: "127.0.0.5"},
	)
	s := simulated{t: t, plugs: map[string]*testserver.RunningPlug{}}
	s.add("desk-1", "workstation", run.Plug(0).Addr(), run.Plug(0))
	s.add("desk-2", "workstation", run.Plug(1).Addr(), run.Plug(1))
	s.add("lamp-1", "lighting", run.Plug(2).Addr(), run.Plug(2))
	for outlet := range 3 {
		s.add(fmt.Sprintf("strip-%d", outlet), "meeting-room",
			fmt.Sprintf("%s/%02d", run.Plug(3).Addr(), outlet), run.Plug(3).Outlet(outlet))
	}
	return s
}

func (s *simulated) add(id, kind, address string, plug *testserver.RunningPlug) {
	s.devices = append(s.devices, device(id, kind, address))
	s.plugs[id] = plug
}

func (s *simulated) ids() []string {
	ids := make([]string, len(s.devices))
	for i, d := range s.devices {
		ids[i] = d.ID
	}
	return ids
}

// metered are the ids of the devices that measure.
func (s *simulated) metered() []string {
	return []string{"desk-1", "desk-2", "strip-0", "strip-1", "strip-2"}
}

// load gives every metered device a load of its own, different in each round.
func (s *simulated) load(round int) {
	s.t.Helper()
	for i, id := range s.metered() {
		n := float64(10*round + i)
		s.plugs[id].SetMeter(testserver.SimulatedMeter{
			PowerW: 61.753 + n, VoltageV: 230.837 + n/8, CurrentA: 0.451 + n/1000, EnergyKWh: 16.323 + n,
		})
	}
}

// differs tells how a reading differs from what the simulator reports of the
// device; empty if in nothing, to the last digit.
func (s *simulated) differs(r wattline.Reading) string {
	s.t.Helper()
	report := s.plugs[r.Device].Report()
	for _, q := range []struct {
		name string
		got  wattline.Milli
		want float64
	}{
		{"power_w", r.PowerW, report.Meter.PowerW},
		{"voltage_v", r.VoltageV, report.Meter.VoltageV},
		{"current_a", r.CurrentA, report.Meter.CurrentA},
		{"meter_wh", r.MeterWh, report.Meter.EnergyKWh * 1000},
	} {
		want, err := wattline.MilliOf(q.want)
		if err != nil {
			s.t.Fatal(err)
		}
		if q.got != want {
			return fmt.Sprintf("%s of %s is %v, the simulator reports %v", q.name, r.Device, q.got, want)
		}
	}
	if r.Relay != wattline.RelayOf(report.On) {
		return fmt.Sprintf("relay of %s is %s, the simulator's is on: %t", r.Device, r.Relay, report.On)
	}
	return ""
}

// relays are the positions of all relays by device, as the simulator has them.
func (s *simulated) relays() map[string]wattline.Relay {
	s.t.Helper()
	relays := map[string]wattline.Relay{}
	for id, plug := range s.plugs {
		relays[id] = wattline.RelayOf(plug.Report().On)
	}
	return relays
}
