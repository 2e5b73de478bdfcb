package emulator_test

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"slices"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/testserver"
)

func set(t testing.TB, plug *emulator.Plug, fault string) {
	t.Helper()
	f, err := emulator.ParseFault(fault)
	if err != nil {
		t.Fatal(err)
	}
	if err := plug.SetFault(f); err != nil {
		t.Fatal(err)
	}
}

// once asks on a connection of its own.
func once(t testing.TB, plug *emulator.Plug, request string) (object, error) {
	t.Helper()
	conn := dial(t, plug)
	defer func() { _ = conn.Close() }()
	return exchange(conn, request)
}

func wantRecovery(t *testing.T, plug *emulator.Plug) {
	t.Helper()
	set(t, plug, "none")
	testserver.Eventually(t, patience, func() error {
		conn, err := connect(plug.Addr(), patience)
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_ = conn.SetDeadline(time.Now().Add(patience))
		_, err = exchange(conn, sysinfo)
		return err
	})
}

func eachModel(t *testing.T, test func(t *testing.T, plug *emulator.Plug)) {
	t.Helper()
	for _, model := range []emulator.Model{emulator.HS110HW1, emulator.HS110HW4} {
		t.Run(string(model), func(t *testing.T) {
			test(t, startPlug(t, emulator.Spec{Model: model, Load: emulator.Steady(5_000)}, emulator.Options{}))
		})
	}
}

func TestRefuse(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		open := dial(t, plug)
		address := plug.Addr()
		set(t, plug, "refuse")
		testserver.Eventually(t, patience, func() error {
			conn, err := connect(address, patience)
			if err == nil {
				_ = conn.Close()
				return errors.New("connected")
			}
			if errors.Is(err, syscall.ECONNREFUSED) {
				return nil
			}
			return err // reset, if it was in the queue when the port closed
		})
		if _, err := open.Read(make([]byte, 1)); err == nil {
			t.Error("the open connection is still served")
		}
		wantRecovery(t, plug)
		if plug.Addr() != address {
			t.Errorf("came back on %s, was on %s", plug.Addr(), address)
		}
	})
}

func TestOffline(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		open := dial(t, plug)
		if plug.Model() == emulator.HS110HW4 {
			if _, err := exchange(open, sysinfo); err != nil {
				t.Fatal(err)
			}
		}
		set(t, plug, "offline")
		testserver.Eventually(t, patience, func() error {
			conn, err := connect(plug.Addr(), 50*time.Millisecond)
			if err == nil {
				_ = conn.Close()
				return errors.New("connected")
			}
			var timeout net.Error
			if !errors.As(err, &timeout) || !timeout.Timeout() {
				t.Fatalf("got %v, want a timeout", err)
			}
			return nil
		})
		write(t, open, kasa.AppendFrame(nil, []byte(sysinfo)))
		silence(t, open)
		wantRecovery(t, plug)
	})
}

func TestPowerCut(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		set(t, plug, "power-cut:for=1s")
		if plug.Reachable() {
			t.Error("it is reachable")
		}
		testserver.Eventually(t, patience, func() error {
			if !plug.Reachable() {
				return errors.New("still away")
			}
			return nil
		})
		wantRecovery(t, plug)
		if !plug.Relay(0) {
			t.Error("the relay was not kept")
		}
	})
}

func TestHang(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		set(t, plug, "hang")
		conn := dial(t, plug)
		write(t, conn, kasa.AppendFrame(nil, []byte(`{"system":{"set_relay_state":{"state":0}}}`)))
		silence(t, conn)
		if !plug.Relay(0) {
			t.Error("a plug that hangs switched")
		}
		set(t, plug, "none")
		wantEnd(t, conn)
		wantRecovery(t, plug)
	})
}

func TestSpoiltAnswers(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		t.Run("reset breaks off within the answer", func(t *testing.T) {
			set(t, plug, "reset")
			if _, err := once(t, plug, sysinfo); !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("short ends within the answer", func(t *testing.T) {
			set(t, plug, "short")
			if _, err := once(t, plug, sysinfo); !errors.Is(err, kasa.ErrShort) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("huge announces what nobody should wait for", func(t *testing.T) {
			set(t, plug, "huge")
			if _, err := once(t, plug, sysinfo); !errors.Is(err, kasa.ErrOversize) {
				t.Errorf("got %v", err)
			}
		})
		t.Run("garbage is no answer", func(t *testing.T) {
			set(t, plug, "garbage")
			for range 10 {
				if reply, err := once(t, plug, sysinfo); err == nil {
					t.Errorf("got %v", reply)
				}
			}
		})
		t.Run("wrong JSON is a frame", func(t *testing.T) {
			set(t, plug, "wrong-json")
			for range 20 {
				reply, err := once(t, plug, sysinfo)
				var syntax *json.SyntaxError
				var kind *json.UnmarshalTypeError
				if err != nil && !errors.As(err, &syntax) && !errors.As(err, &kind) {
					t.Errorf("got %v", err)
				}
				if err == nil && reply.at("system", "get_sysinfo", "err_code") == 0.0 && reply.at("system", "get_sysinfo", "relay_state") != nil {
					t.Errorf("nothing is wrong with %v", reply)
				}
			}
		})
		t.Run("the command is done all the same", func(t *testing.T) {
			set(t, plug, "short")
			_, _ = once(t, plug, `{"system":{"set_relay_state":{"state":0}}}`)
			if plug.Relay(0) {
				t.Error("it was not")
			}
			plug.PressButton(0)
		})
		wantRecovery(t, plug)
	})
}

func TestSlowAnswers(t *testing.T) {
	t.Parallel()
	eachModel(t, func(t *testing.T, plug *emulator.Plug) {
		for _, fault := range []string{"drip:delay=100us", "latency:delay=5ms"} {
			set(t, plug, fault)
			if _, err := once(t, plug, sysinfo); err != nil {
				t.Errorf("%s: %v", fault, err)
			}
		}
		t.Run("are given up when the fault is cleared", func(t *testing.T) {
			set(t, plug, "drip:delay=10m")
			conn := dial(t, plug)
			write(t, conn, kasa.AppendFrame(nil, []byte(sysinfo)))
			silence(t, conn)
			set(t, plug, "none")
			wantEnd(t, conn)
		})
	})
}

func TestDeviceError(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{})
	set(t, plug, "device-error:code=-14:n=1")
	reply := answer(t, plug, both)
	wantCode(t, reply, -14, "system", "get_sysinfo")
	wantCode(t, reply, -14, "emeter", "get_realtime")
	wantCode(t, answer(t, plug, sysinfo), 0, "system", "get_sysinfo")
	set(t, plug, "device-error")
	wantCode(t, answer(t, plug, sysinfo), -7, "system", "get_sysinfo")
}

func TestSpikeIsOneAbsurdReading(t *testing.T) {
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(5_000)}, emulator.Options{})
	set(t, plug, "spike")
	answer(t, plug, sysinfo)
	var seen []float64
	for range 3 {
		power, _ := answer(t, plug, realtime).at("emeter", "get_realtime", "power_mw").(float64)
		seen = append(seen, power)
	}
	if seen[0] <= 100_000_000 || seen[1] != 5_000 || seen[2] != 5_000 {
		t.Errorf("readings are %v mW", seen)
	}
}

func TestFaultsEndByThemselves(t *testing.T) {
	t.Parallel()
	clock := clockAt(monday(9))
	plug := newPlug(t, emulator.Spec{Model: emulator.HS110HW4}, emulator.Options{Now: clock.Now})
	t.Run("after so many strikes", func(t *testing.T) {
		set(t, plug, "device-error:n=2")
		for _, want := range []float64{-7, -7, 0, 0} {
			wantCode(t, answer(t, plug, sysinfo), want, "system", "get_sysinfo")
		}
	})
	t.Run("after a time", func(t *testing.T) {
		set(t, plug, "offline:for=30s")
		clock.Forward(29 * time.Second)
		if plug.Reachable() {
			t.Error("too soon")
		}
		clock.Forward(time.Second)
		if !plug.Reachable() || plug.Fault().Kind != emulator.NoFault {
			t.Error("too late")
		}
	})
	t.Run("and strike as often as they should", func(t *testing.T) {
		set(t, plug, "device-error:p=0.3")
		struck := 0
		for range 1000 {
			if answer(t, plug, sysinfo).at("system", "get_sysinfo", "err_code") != 0.0 {
				struck++
			}
		}
		if struck < 230 || struck > 370 {
			t.Errorf("%d of 1000, want about 300", struck)
		}
	})
}

func TestFaultsAreRead(t *testing.T) {
	t.Run("from a list", func(t *testing.T) {
		list, err := emulator.ParseFaults("desk-3=hang, printer-1=drip:delay=20ms,*=garbage:p=0.25:n=3:for=1m0s")
		if err != nil {
			t.Fatal(err)
		}
		want := []emulator.PlugFault{
			{ID: "desk-3", Fault: emulator.Fault{Kind: emulator.Hang}},
			{ID: "printer-1", Fault: emulator.Fault{Kind: emulator.Drip, Delay: 20 * time.Millisecond}},
			{ID: "*", Fault: emulator.Fault{Kind: emulator.Garbage, Probability: 0.25, Times: 3, For: time.Minute}},
		}
		for i := range want {
			if list[i] != want[i] {
				t.Errorf("%d is %+v, want %+v", i, list[i], want[i])
			}
		}
	})
	t.Run("and refused with what is wrong", func(t *testing.T) {
		for _, text := range []string{
			"desk-3", "=hang", "desk-3=", "desk-3=hangs", "desk-3=hang:p=2", "desk-3=hang:p=0", "desk-3=hang:p=NaN", "desk-3=hang:n=0",
			"desk-3=hang:for=-1s", "desk-3=hang:soon", "desk-3=none:p=0.5", "desk-3=refuse:p=0.5", "desk-3=device-error:code=0", "desk-3=hang,",
		} {
			if list, err := emulator.ParseFaults(text); err == nil {
				t.Errorf("%q is %+v", text, list)
			}
		}
	})
	t.Run("as they are written", func(t *testing.T) {
		unasked := []emulator.FaultKind{
			emulator.Refuse, emulator.Offline, emulator.PowerCut, emulator.FactoryReset, emulator.Replaced, emulator.PutBack,
		}
		rapid.Check(t, func(t *rapid.T) {
			f := emulator.Fault{Kind: rapid.SampledFrom(emulator.FaultKinds()).Draw(t, "kind")}
			f.For = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "for"))
			f.Delay = time.Duration(rapid.Int64Range(0, 1e15).Draw(t, "delay"))
			f.Code = rapid.IntRange(-20_000, 20_000).Draw(t, "code")
			if !slices.Contains(unasked, f.Kind) {
				f.Probability = rapid.Float64Range(0, 1).Draw(t, "p")
				f.Times = rapid.IntRange(0, 1000).Draw(t, "n")
			}
			again, err := emulator.ParseFault(f.String())
			if err != nil || again != f {
				t.Fatalf("%+v, written %s, is read as %+v, %v", f, f, again, err)
			}
		})
	})
}

// The client of this project names each fault by its class.
func TestTheClientTellsTheFaultsApart(t *testing.T) {
	t.Parallel()
	plug := startPlug(t, emulator.Spec{Model: emulator.HS110HW4, Load: emulator.Steady(5_000)}, emulator.Options{})
	client := kasa.NewClient(kasa.Options{ConnectTimeout: 300 * time.Millisecond, ExchangeTimeout: 300 * time.Millisecond})
	t.Cleanup(func() { _ = client.Close() })
	target, err := kasa.ParseAddress(plug.Addr())
	if err != nil {
		t.Fatal(err)
	}
	for fault, want := range map[string]kasa.Class{
		"refuse": kasa.ClassRefused, "offline": kasa.ClassTimeout, "hang": kasa.ClassTimeout, "reset": kasa.ClassReset,
		"short": kasa.ClassShort, "huge": kasa.ClassOversize, "device-error": kasa.ClassDevice, "drip:delay=50ms": kasa.ClassTimeout,
	} {
		t.Run(fault, func(t *testing.T) {
			set(t, plug, fault)
			testserver.Eventually(t, patience, func() error {
				_, err := client.Read(context.Background(), target)
				if class := kasa.ClassOf(err); class != want {
					return errors.Join(errors.New("class "+string(class)), err)
				}
				return nil
			})
			set(t, plug, "none")
			testserver.Eventually(t, patience, func() error {
				_, err := client.Read(context.Background(), target)
				return err
			})
		})
	}
}
