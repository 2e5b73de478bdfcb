package testserver

import (
	"encoding/json"
	"fmt"
	"math"
)

// RunningPlug is one simulated plug, or one outlet of a strip.
type RunningPlug struct {
	simulator *PlugSimulator
	index     int
	outlet    *int
}

// Addr is host:port.
func (p *RunningPlug) Addr() string { return p.simulator.addrs[p.index] }

// Outlet is one outlet of a strip, counted from 0.
func (p *RunningPlug) Outlet(number int) *RunningPlug {
	return &RunningPlug{simulator: p.simulator, index: p.index, outlet: &number}
}

// SetMeter sets what the plug measures; of a strip, what each outlet measures
// unless one was chosen.
func (p *RunningPlug) SetMeter(meter SimulatedMeter) {
	p.simulator.t.Helper()
	p.ask(question{Op: "set", Realtime: &meter}, nil)
}

// SetRelay does what the button on the plug does; of a strip, on all outlets
// unless one was chosen.
func (p *RunningPlug) SetRelay(on bool) {
	p.simulator.t.Helper()
	state := 0
	if on {
		state = 1
	}
	p.ask(question{Op: "set", Relay: &state}, nil)
}

// Offline closes its connections and its port.
func (p *RunningPlug) Offline() {
	p.simulator.t.Helper()
	p.ask(question{Op: "stop"}, nil)
}

// Online brings it back on the same port after Offline.
func (p *RunningPlug) Online() {
	p.simulator.t.Helper()
	p.ask(question{Op: "start"}, nil)
}

// Requests is how many requests it has taken, over TCP and UDP.
func (p *RunningPlug) Requests() int {
	p.simulator.t.Helper()
	var answer struct{ Requests int }
	p.ask(question{Op: "requests"}, &answer)
	return answer.Requests
}

// Report is what the plug would answer now. It does not go over the network.
func (p *RunningPlug) Report() SimulatedReport {
	p.simulator.t.Helper()
	var report SimulatedReport
	p.ask(question{Op: "get"}, &report)
	if err := report.interpret(p.outlet); err != nil {
		p.simulator.t.Fatalf("simulated plug %d: %v", p.index, err)
	}
	return report
}

func (p *RunningPlug) ask(q question, answer any) {
	s := p.simulator
	s.t.Helper()
	q.Index, q.Outlet = p.index, p.outlet
	if err := s.exchange(q, answer); err != nil {
		s.t.Fatalf("simulated plug %d: %s: %v", p.index, q.Op, err)
	}
}

// SimulatedReport is what a plug would answer now, over the wire.
type SimulatedReport struct {
	Sysinfo  json.RawMessage // the reply to get_sysinfo as it is
	Realtime json.RawMessage // the reply to get_realtime as it is, an error on a plug without a meter

	Metered bool
	// Meter is Realtime in the units of SimulatedMeter, each to three decimals: to
	// mW, mV, mA and Wh. Zero without a meter.
	Meter SimulatedMeter
	// On is the relay's state; of a strip, that of the outlet asked for.
	On bool
}

// interpret is deliberately independent of the project's own decoder.
func (r *SimulatedReport) interpret(outlet *int) error {
	var info struct {
		RelayState int                   `json:"relay_state"`
		Children   []struct{ State int } `json:"children"`
	}
	if err := json.Unmarshal(r.Sysinfo, &info); err != nil {
		return fmt.Errorf("sysinfo: %w", err)
	}
	r.On = info.RelayState == 1
	if outlet != nil {
		r.On = info.Children[*outlet].State == 1
	}
	var meter map[string]any
	if err := json.Unmarshal(r.Realtime, &meter); err != nil {
		return fmt.Errorf("realtime: %w", err)
	}
	r.Metered = meter["err_code"] == 0.0
	quantity := func(name, milliName string) float64 {
		if milli, ok := meter[milliName].(float64); ok {
			return milli / 1000
		}
		value, _ := meter[name].(float64)
		return math.Round(value*1000) / 1000
	}
	r.Meter = SimulatedMeter{
		PowerW:    quantity("power", "power_mw"),
		VoltageV:  quantity("voltage", "voltage_mv"),
		CurrentA:  quantity("current", "current_ma"),
		EnergyKWh: quantity("total", "total_wh"),
	}
	return nil
}
