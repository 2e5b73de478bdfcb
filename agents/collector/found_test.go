package collector_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/emulator"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/fence"
	"github.com/wattline/wattline/internal/testserver"
)

// emulated runs a plug of that name at an address until stop.
func emulated(t *testing.T, id, address string) (plug *emulator.Plug, stop func()) {
	t.Helper()
	plug, err := emulator.NewPlug(emulator.Spec{ID: id, Model: emulator.HS110HW4, Address: address}, emulator.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	if err := plug.Listen(ctx); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- plug.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return plug, stop
}

// TestAnEmulatedPlugThatMovesIsFoundByASweep is over the network, with the port of
// one plug taken by another one.
func TestAnEmulatedPlugThatMovesIsFoundByASweep(t *testing.T) {
	plug, leave := emulated(t, "desk-1", "127.0.3.1:0")
	port := netip.MustParseAddrPort(plug.Addr()).Port()
	on := agenttest.New(t)
	s := &site{office: office{bus: on, journal: newJournal()}, known: map[string]wattline.Device{}}
	if _, err := on.Respond(bus.RespondOptions{Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleWhereabouts}}, s.registry); err != nil {
		t.Fatal(err)
	}
	client := kasa.NewClient(kasa.Options{})
	defer client.Close()
	c := collector.New(collector.Options{
		Bus: on, Plugs: client, Finder: client, Networks: fence.Networks{netip.MustParsePrefix("127.0.3.0/29")},
		Journal: s.journal, Site: "hq", Poll: time.Second, Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	const longest = time.Minute
	testserver.Eventually(t, longest, func() error {
		if len(on.Roles()) == 0 {
			return errors.New("the collector has not begun")
		}
		return nil
	})
	d := device("desk-1")
	d.Address = plug.Addr()
	s.register(d)
	answers := func(address string) func() error {
		return func() error {
			if states := s.states("desk-1"); len(states) == 0 || states[len(states)-1].Address != address {
				return fmt.Errorf("desk-1 does not answer at %s", address)
			}
			return nil
		}
	}
	testserver.Eventually(t, longest, answers(plug.Addr()))
	leave()
	moved, _ := emulated(t, "desk-1", fmt.Sprintf("127.0.3.5:%d", port))
	emulated(t, "desk-9", plug.Addr())
	testserver.Eventually(t, longest, answers(moved.Addr()))
	if moved.DeviceID() != plug.DeviceID() {
		t.Error("the emulated plug is another one")
	}
	for _, r := range s.readings("desk-1") {
		if r.EnergyWh > 1000 {
			t.Errorf("%+v is not of a plug that has just been plugged in", r)
		}
	}
}
