package kasa_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
)

// house is emulated plugs on addresses of their own, all on one port.
type house struct {
	plugs []*emulator.Plug
	port  uint16
}

// settle runs plugs of those models on 127.0.1.1, 127.0.1.2 and so on.
func settle(t *testing.T, models ...emulator.Model) house {
	t.Helper()
	var h house
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	t.Cleanup(func() { cancel(); running.Wait() })
	for i, model := range models {
		at := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 1, byte(i + 1)}), h.port)
		plug, err := emulator.NewPlug(emulator.Spec{
			ID: "plug-" + string(rune('a'+i)), Model: model, Address: at.String(),
		}, emulator.Options{Discovery: true})
		if err != nil {
			t.Fatal(err)
		}
		if err := plug.Listen(ctx); err != nil {
			t.Fatal(err)
		}
		h.port = netip.MustParseAddrPort(plug.Addr()).Port()
		h.plugs = append(h.plugs, plug)
		running.Go(func() { _ = plug.Run(ctx) })
	}
	return h
}

func newDiscoverer(t *testing.T) *kasa.Client {
	t.Helper()
	client := kasa.NewClient(kasa.Options{})
	t.Cleanup(func() { _ = client.Close() })
	return client
}

// find collects what a search finds, by address.
func find(t *testing.T, d kasa.Discovery) map[string]kasa.Found {
	t.Helper()
	return findAll(t, d, 0)
}

// findAll does not wait for more when so many are found.
func findAll(t *testing.T, d kasa.Discovery, all int) map[string]kasa.Found {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	found := map[string]kasa.Found{}
	err := newDiscoverer(t).Discover(ctx, d, func(f kasa.Found) {
		if _, twice := found[f.Address.Addr().String()]; twice {
			t.Errorf("%v is told of twice", f.Address)
		}
		if found[f.Address.Addr().String()] = f; len(found) == all {
			cancel()
		}
	})
	if err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	return found
}

func nobody() []netip.Addr { return []netip.Addr{} }

const (
	soon    = 150 * time.Millisecond // where nothing is to come
	patient = 20 * time.Second       // where something is
)

func TestASweepFindsThePlugsOfANetwork(t *testing.T) {
	h := settle(t, emulator.HS110HW1, emulator.HS110HW4, emulator.HS300)
	var last, total int
	found := find(t, kasa.Discovery{
		Networks:  []netip.Prefix{netip.MustParsePrefix("127.0.1.2/32"), netip.MustParsePrefix("127.0.1.0/28")},
		Datagrams: nobody(), Ports: []uint16{h.port}, PerSecond: 1000,
		Progress: func(tried, of int) { last, total = tried, of },
	})
	if len(found) != len(h.plugs) || last != total || total < 16 {
		t.Fatalf("%d found, %d of %d tried", len(found), last, total)
	}
	for i, plug := range h.plugs {
		f := found[netip.MustParseAddrPort(plug.Addr()).Addr().String()]
		if f.Info.DeviceID != plug.DeviceID() || f.Info.MAC == "" || f.Info.Model == "" || f.Info.Firmware == "" || f.KLAP {
			t.Errorf("plug %d: %+v", i, f)
		}
	}
	if strip := found["127.0.1.3"]; len(strip.Info.Outlets) != 6 {
		t.Errorf("the strip: %+v", strip)
	}
}

func TestDatagramsFindPlugsWithoutASweep(t *testing.T) {
	h := settle(t, emulator.HS110HW1, emulator.HS100)
	found := findAll(t, kasa.Discovery{
		Datagrams: []netip.Addr{netip.MustParseAddr("127.0.1.1"), netip.MustParseAddr("127.0.1.2")},
		Ports:     []uint16{h.port}, Wait: patient,
	}, len(h.plugs))
	for i, plug := range h.plugs {
		f := found[netip.MustParseAddrPort(plug.Addr()).Addr().String()]
		if f.Address.String() != plug.Addr() || f.Info.DeviceID != plug.DeviceID() {
			t.Errorf("plug %d: %+v", i, f)
		}
	}
}

func TestHalfAnAnswerFindsNothing(t *testing.T) {
	h := settle(t, emulator.HS110HW1)
	if err := h.plugs[0].SetFault(emulator.Fault{Kind: emulator.Reset}); err != nil { // over UDP half an answer
		t.Fatal(err)
	}
	at := []netip.Addr{netip.MustParseAddr("127.0.1.1")}
	if found := find(t, kasa.Discovery{Datagrams: at, Ports: []uint16{h.port}, Wait: soon}); len(found) != 0 {
		t.Errorf("half an answer counts: %+v", found)
	}
}

// answering answers every datagram at an address with the same.
func answering(t *testing.T, address string, answer []byte) uint16 {
	t.Helper()
	conn, err := net.ListenPacket("udp4", address) //nolint:noctx // it is closed with the test
	if err != nil {
		t.Fatal(err)
	}
	var serving sync.WaitGroup
	t.Cleanup(func() { _ = conn.Close(); serving.Wait() })
	serving.Go(func() {
		buffer := make([]byte, 2048)
		for {
			_, from, err := conn.ReadFrom(buffer)
			if err != nil {
				return
			}
			_, _ = conn.WriteTo(answer, from)
		}
	})
	at, _ := netip.ParseAddrPort(conn.LocalAddr().String())
	return at.Port()
}

const klapAnswer = "\x02\x00\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x46\x3c\xb5\xd3" +
	`{"error_code":0,"result":{"device_type":"IOT.SMARTPLUGSWITCH","device_model":"HS110(UK)","device_id":"4a2f","owner":"x",
	"mac":"50-c7-bf-01-02-03","ip":"127.0.1.9","hw_ver":"4.1","mgt_encrypt_schm":{"is_support_https":false,"encrypt_type":"KLAP","http_port":80}}}`

func TestKLAPFirmwareIsNamedAsSuch(t *testing.T) {
	port := answering(t, "127.0.1.9:0", []byte(klapAnswer))
	check := func(t *testing.T, found map[string]kasa.Found) {
		t.Helper()
		f := found["127.0.1.9"]
		if len(found) != 1 || !f.KLAP || f.Info.Model != "HS110(UK)" || f.Info.MAC != "50:C7:BF:01:02:03" || f.Info.DeviceID != "4a2f" {
			t.Errorf("%+v", found)
		}
	}
	t.Run("where it answers a broadcast", func(t *testing.T) {
		check(t, findAll(t, kasa.Discovery{Datagrams: []netip.Addr{netip.MustParseAddr("127.0.1.9")}, KLAPPort: port, Wait: patient}, 1))
	})
	t.Run("where a sweep finds the port of the protocol closed", func(t *testing.T) {
		check(t, find(t, kasa.Discovery{
			Networks: []netip.Prefix{netip.MustParsePrefix("127.0.1.8/30")}, Datagrams: nobody(), Ports: []uint16{1}, KLAPPort: port,
		}))
	})
}

func TestAnswersFromElsewhereAreNotTaken(t *testing.T) {
	for name, answer := range map[string]string{
		"nothing":             "",
		"noise":               "\x00\x01\x02",
		"an error":            string(kasa.Encrypt([]byte(`{"system":{"get_sysinfo":{"err_code":-1}}}`))),
		"something else":      string(kasa.Encrypt([]byte(`{"emeter":{}}`))),
		"a KLAP header alone": klapAnswer[:16],
		"a KLAP bulb":         strings.Replace(klapAnswer, "IOT.SMARTPLUGSWITCH", "SMART.TAPOBULB", 1),
	} {
		t.Run(name, func(t *testing.T) {
			port := answering(t, "127.0.1.10:0", []byte(answer))
			d := kasa.Discovery{Datagrams: []netip.Addr{netip.MustParseAddr("127.0.1.10")}, Ports: []uint16{port}, KLAPPort: port, Wait: soon}
			if found := find(t, d); len(found) != 0 {
				t.Errorf("%+v", found)
			}
		})
	}
}

func TestASearchThatIsTooLargeIsRefused(t *testing.T) {
	for _, networks := range [][]string{{"10.0.0.0/15"}, {"10.1.0.0/16", "10.2.0.0/24"}, {"2001:db8::/64"}} {
		var d kasa.Discovery
		for _, n := range networks {
			d.Networks = append(d.Networks, netip.MustParsePrefix(n))
		}
		err := newDiscoverer(t).Discover(t.Context(), d, func(kasa.Found) {})
		if err == nil || !strings.Contains(err.Error(), "smaller") {
			t.Errorf("%v: %v", networks, err)
		}
	}
}

func TestASearchEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	var tried []int
	err := newDiscoverer(t).Discover(ctx, kasa.Discovery{
		Networks: []netip.Prefix{netip.MustParsePrefix("127.1.0.0/16")}, Datagrams: nobody(), Ports: []uint16{1},
		Progress: func(n, _ int) {
			if tried = append(tried, n); n == 3 {
				cancel()
			}
		},
	}, func(kasa.Found) {})
	if !errors.Is(err, context.Canceled) || slices.Max(tried) > 200 {
		t.Errorf("%v after %v", err, tried)
	}
}

func FuzzDatagram(f *testing.F) {
	f.Add([]byte(klapAnswer))
	f.Add(kasa.Encrypt([]byte(`{"system":{"get_sysinfo":{"deviceId":"8006","mac":"50:C7:BF:00:00:01"}}}`)))
	f.Fuzz(func(t *testing.T, datagram []byte) {
		info, klap, ok := kasa.ReadDatagram(datagram)
		if !ok && (klap || info.DeviceID != "") {
			t.Errorf("%+v of what is no answer", info)
		}
		if len(info.Model) > 800 || len(info.Alias) > 800 {
			t.Error("a text is not bounded")
		}
	})
}
