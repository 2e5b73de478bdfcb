package emulator_test

import (
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
)

const september = `{"emeter":{"get_daystat":{"year":2026,"month":9}}}`

func strike(t *testing.T, plug *emulator.Plug, clock *hands, kind emulator.FaultKind) {
	t.Helper()
	if err := plug.SetFault(emulator.Fault{Kind: kind, For: time.Minute}); err != nil {
		t.Fatal(err)
	}
	clock.Forward(30 * time.Second)
	if plug.Reachable() {
		t.Errorf("%s: it is reachable at once", kind)
	}
	clock.Forward(30 * time.Second)
	if !plug.Reachable() {
		t.Errorf("%s: it does not come back", kind)
	}
}

func TestAnotherPlugInItsPlace(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000_000)}, emulator.Options{Now: clock.Now})
	first := plug.DeviceID()
	clock.Forward(time.Hour)

	strike(t, plug, clock, emulator.Replaced)
	second := plug.DeviceID()
	if second == first {
		t.Error("it has the identity of the one before")
	}
	if got := rawAnswer(t, plug, sysinfo); !strings.Contains(got, `"mac":"B0:95:75:`) || strings.Contains(got, first) {
		t.Errorf("it says of itself %s", got)
	}
	clock.Forward(36 * time.Second)
	if got := rawAnswer(t, plug, september); !strings.Contains(got, `"energy_wh":10}`) || plug.MeterWh(0) != 10 {
		t.Errorf("it has counted %d Wh, and by its statistics %s", plug.MeterWh(0), got)
	}
	if got := plug.TrueEnergy(0).WholeWh(); got != 1010 {
		t.Errorf("%d Wh went through the socket", got)
	}

	strike(t, plug, clock, emulator.PutBack)
	clock.Forward(18 * time.Second)
	if got := rawAnswer(t, plug, september); plug.DeviceID() != first || plug.MeterWh(0) != 5 || !strings.Contains(got, `"energy_wh":1005}`) {
		t.Errorf("put back, %s has counted %d Wh, and by its statistics %s", plug.DeviceID(), plug.MeterWh(0), got)
	}
	strike(t, plug, clock, emulator.PutBack)
	if plug.DeviceID() != second {
		t.Error("the two cannot change places again")
	}
	strike(t, plug, clock, emulator.Replaced)
	if id := plug.DeviceID(); id == first || id == second {
		t.Error("the third is one of those before")
	}
}

func TestNoPlugToPutBack(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	if err := plug.SetFault(emulator.Fault{Kind: emulator.PutBack}); err == nil || !plug.Reachable() {
		t.Errorf("error %v, reachable %v", err, plug.Reachable())
	}
}

func TestAFactoryResetForgetsAndRestarts(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW1, Load: emulator.Steady(1_000_000)}, emulator.Options{Now: clock.Now})
	id := plug.DeviceID()
	answer(t, plug, `{"system":{"set_dev_alias":{"alias":"Grace"}}}`)
	clock.Forward(time.Hour)
	strike(t, plug, clock, emulator.FactoryReset)
	if got := answer(t, plug, sysinfo).at("system", "get_sysinfo", "alias"); got != "desk-1" || plug.DeviceID() != id {
		t.Errorf("it is called %v and is %s", got, plug.DeviceID())
	}
	if got := rawAnswer(t, plug, september); plug.MeterWh(0) != 0 || !strings.Contains(got, `"energy":0.016000`) {
		t.Errorf("it has counted %d Wh, and by its statistics %s", plug.MeterWh(0), got)
	}
	if got := plug.TrueEnergy(0).WholeWh(); got != 1016 {
		t.Errorf("%d Wh went through the socket, which never was without current", got)
	}
}

func TestAPlugThatNobodyTellsTheTime(t *testing.T) {
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000_000)}, emulator.Options{Now: clock.Now})
	year := func() any { return answer(t, plug, `{"time":{"get_time":{}}}`).at("time", "get_time", "year") }
	plug.SetNTP(false)
	clock.Forward(time.Hour)
	if year() != 2026.0 || !strings.Contains(rawAnswer(t, plug, september), `"energy_wh":1000}`) {
		t.Errorf("before it restarts its clock shows %v", year())
	}
	strike(t, plug, clock, emulator.PowerCut)
	clock.Forward(time.Hour)
	if year() != 2000.0 || !strings.Contains(rawAnswer(t, plug, september), `"energy_wh":1000}`) {
		t.Errorf("afterwards its clock shows %v, and its statistics are %s", year(), rawAnswer(t, plug, september))
	}
	plug.SetNTP(true)
	clock.Forward(time.Hour)
	if year() != 2026.0 || !strings.Contains(rawAnswer(t, plug, september), `"energy_wh":2000}`) {
		t.Errorf("told the time, its clock shows %v, and its statistics are %s", year(), rawAnswer(t, plug, september))
	}
}

func TestAPlugSetToAnotherZoneThanItsOffice(t *testing.T) {
	pacific, err := time.LoadLocation("America/Los_Angeles")
	if err != nil {
		t.Fatal(err)
	}
	clock := clockAt(monday(6))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(1_000_000), Zone: pacific}, emulator.Options{Now: clock.Now})
	clock.Forward(2 * time.Hour) // 1 h on Monday there
	reply := answer(t, plug, `{"time":{"get_time":{},"get_timezone":{}}}`)
	if reply.at("time", "get_timezone", "index") != 6.0 || reply.at("time", "get_time", "hour") != 1.0 {
		t.Errorf("its clock is %v", reply)
	}
	if got := rawAnswer(t, plug, september); !strings.Contains(got, `"day":6,"energy_wh":1000},`) || !strings.Contains(got, `"day":7,"energy_wh":1000}`) {
		t.Errorf("its statistics are %s", got)
	}
}
