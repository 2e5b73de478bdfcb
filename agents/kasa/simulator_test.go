package kasa_test

import (
	"fmt"
	"math"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/testserver"
)

// The simulator is an independent implementation of the plugs' side.
func TestAgainstAnIndependentSimulator(t *testing.T) {
	simulator := testserver.Simulator(t,
		testserver.SimulatedPlug{Model: "hs110", Alias: "hw 1"},
		testserver.SimulatedPlug{Model: "hs110v2", Alias: "hw 2"},
		testserver.SimulatedPlug{Model: "hs100", Alias: "no meter"},
		testserver.SimulatedPlug{Model: "hs300", Alias: "strip"},
		testserver.SimulatedPlug{Model: "hs110", Alias: "closing", CloseAfterReply: true},
	)
	client := newClient(t, kasa.Options{})
	strip := simulator.Plug(3)
	for i, test := range []struct {
		name, outlet string
		plug         *testserver.RunningPlug
		metered      bool
	}{
		{"HS110 hardware 1", "", simulator.Plug(0), true},
		{"HS110 hardware 2", "", simulator.Plug(1), true},
		{"HS100", "", simulator.Plug(2), false},
		{"the first outlet of an HS300", "/00", strip.Outlet(0), true},
		{"the last outlet of an HS300", "/05", strip.Outlet(5), true},
		{"a plug that closes after each answer", "", simulator.Plug(4), true},
	} {
		t.Run(test.name, func(t *testing.T) {
			target := mustParse(t, test.plug.Addr()+test.outlet)
			load := 61.753 + float64(i)
			if test.metered {
				test.plug.SetMeter(testserver.SimulatedMeter{PowerW: load, VoltageV: 230.837, CurrentA: 0.451, EnergyKWh: 16.323})
			}
			for _, on := range []bool{true, false, true} {
				if err := client.SetRelay(t.Context(), target, on); err != nil {
					t.Fatal(err)
				}
				if got := test.plug.Report().On; got != on {
					t.Errorf("the plug's relay is %v, want %v", got, on)
				}
				got, err := client.ReadBack(t.Context(), target)
				if err != nil || got.Relay != wattline.RelayOf(on) || got.MeterErr != nil {
					t.Fatalf("%+v, error %v", got, err)
				}
				checkMeter(t, got.Meter, test.plug.Report())
			}
			for _, light := range []bool{true, false} {
				if err := client.SetLED(t.Context(), target, light); err != nil {
					t.Fatal(err)
				}
				if got, err := client.Read(t.Context(), target); err != nil || got.LED != wattline.RelayOf(light) {
					t.Errorf("light %v, want %v, error %v", got.LED, light, err)
				}
			}
		})
	}
	t.Run("the outlets of a strip are switched one by one", func(t *testing.T) {
		target := mustParse(t, strip.Addr())
		for number := range 6 {
			for other := range 6 {
				if err := client.SetRelay(t.Context(), outlet(target, fmt.Sprintf("%02x", other)), other == number); err != nil {
					t.Fatal(err)
				}
			}
			for other := range 6 {
				if got := strip.Outlet(other).Report().On; got != (other == number) {
					t.Errorf("with only outlet %d on, outlet %d is %v", number, other, got)
				}
			}
		}
	})
	t.Run("an outlet may be named by its whole id", func(t *testing.T) {
		info, err := client.Identify(t.Context(), mustParse(t, strip.Addr()))
		if err != nil || len(info.Outlets) != 6 {
			t.Fatalf("%+v, error %v", info, err)
		}
		target := mustParse(t, strip.Addr()+"/"+strings.ToLower(info.Outlets[5].ID))
		if _, err := client.Read(t.Context(), target); err != nil {
			t.Error(err)
		}
	})
	t.Run("a plug that goes and comes back is read again", func(t *testing.T) {
		plug := simulator.Plug(1)
		target := mustParse(t, plug.Addr())
		plug.Offline()
		for range 3 {
			if _, err := client.Read(t.Context(), target); err == nil {
				t.Error("read while offline")
			}
		}
		plug.Online()
		if _, err := client.Read(t.Context(), target); err != nil {
			t.Error(err)
		}
	})
}

func checkMeter(t *testing.T, got *kasa.Meter, report testserver.SimulatedReport) {
	t.Helper()
	if !report.Metered {
		if got != nil {
			t.Errorf("%+v of a plug without a meter", got)
		}
		return
	}
	milli := func(value float64) wattline.Milli { return wattline.Milli(math.Round(value * 1000)) }
	want := kasa.Meter{
		PowerW: milli(report.Meter.PowerW), VoltageV: milli(report.Meter.VoltageV), CurrentA: milli(report.Meter.CurrentA),
		TotalWh: milli(report.Meter.EnergyKWh * 1000),
	}
	if got == nil || *got != want {
		t.Errorf("meter %+v, the simulator reports %+v", got, want)
	}
}

// The simulator can answer with random bytes instead.
func TestUnreliableSimulatorIsNeverBelieved(t *testing.T) {
	simulator := testserver.Simulator(t, testserver.SimulatedPlug{Model: "hs110", UnreliableShare: 0.4})
	plug := simulator.Plug(0)
	plug.SetRelay(true)
	client := newClient(t, kasa.Options{ExchangeTimeout: 250 * time.Millisecond, MaxFrameBytes: 4096})
	target := mustParse(t, plug.Addr())
	answered := 0
	for range 60 {
		got, err := client.Read(t.Context(), target)
		switch {
		case err != nil:
			if kasa.ClassOf(err) == kasa.ClassLocal {
				t.Errorf("error %v", err)
			}
		case got.Relay != wattline.RelayOn || got.MeterErr != nil:
			t.Errorf("%+v", got)
		default:
			answered++
			checkMeter(t, got.Meter, plug.Report())
		}
	}
	if answered == 0 {
		t.Error("none of 60 polls was answered")
	}
}
