package kasa_test

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"

	"github.com/wattline/wattline/agents/kasa"
)

func meant(target kasa.Target, mac string) kasa.Target {
	target.MAC = mac
	return target
}

func TestOnlyThePlugThatIsMeantIsSwitched(t *testing.T) {
	const own, others = "B0:95:75:00:00:04", "50:C7:BF:00:00:01"
	actions := map[string]func(context.Context, *kasa.Client, kasa.Target) error{
		"relay": func(ctx context.Context, c *kasa.Client, at kasa.Target) error { return c.SetRelay(ctx, at, false) },
		"light": func(ctx context.Context, c *kasa.Client, at kasa.Target) error { return c.SetLED(ctx, at, false) },
	}
	for name, act := range actions {
		t.Run(name, func(t *testing.T) {
			plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
			client := newClient(t, kasa.Options{})
			if _, err := client.Read(t.Context(), plug.target); err != nil { // it is known what answers there
				t.Fatal(err)
			}
			var known *kasa.Error
			err := act(t.Context(), client, meant(plug.target, others))
			if !errors.As(err, &known) || known.Class != kasa.ClassOtherPlug || known.Sent || strings.Contains(strings.Join(plug.seen(), ""), "set_") {
				t.Errorf("%v, the plug was told %q", err, plug.seen())
			}
			if err := act(t.Context(), client, meant(plug.target, own)); err != nil {
				t.Error(err)
			}
		})
	}
	t.Run("and none else is taken for it when it is read back", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, kasa.Options{})
		if _, err := client.ReadBack(t.Context(), meant(plug.target, others)); kasa.ClassOf(err) != kasa.ClassOtherPlug {
			t.Errorf("error %v", err)
		}
		if _, err := client.ReadBack(t.Context(), meant(plug.target, own)); err != nil {
			t.Error(err)
		}
	})
	t.Run("the address has changed hands since it was known", func(t *testing.T) {
		replies := []string{hw1Sysinfo, hw4Sysinfo}
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			if request := readRequest(conn); request != "" {
				send(conn, model(replies[min(nth, len(replies))-1], hw4Realtime)(request))
			}
		})
		client := newClient(t, kasa.Options{})
		if _, err := client.Identify(t.Context(), plug.target); err != nil {
			t.Fatal(err)
		}
		if err := client.SetRelay(t.Context(), meant(plug.target, others), false); kasa.ClassOf(err) != kasa.ClassOtherPlug {
			t.Errorf("error %v", err)
		}
	})
	t.Run("and is asked who it is no more while it keeps the connection", func(t *testing.T) {
		plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
		client := newClient(t, kasa.Options{})
		for range 3 {
			if err := client.SetRelay(t.Context(), meant(plug.target, own), false); err != nil {
				t.Fatal(err)
			}
		}
		if seen := plug.seen(); len(seen) != 4 || plug.connections() != 1 {
			t.Errorf("%d connections, asked %q", plug.connections(), seen)
		}
	})
	t.Run("another has taken the address while the connection was kept", func(t *testing.T) {
		plug := newFakePlug(t, func(_ *testing.T, conn net.Conn, nth int) {
			for served := 0; ; served++ {
				request := readRequest(conn)
				switch {
				case request == "":
					return
				case nth == 1 && served > 0:
					breakOff(conn) // the new owner of the address knows no such connection
					return
				case nth == 1:
					send(conn, model(hw4Sysinfo, hw4Realtime)(request))
				default:
					send(conn, model(hw1Sysinfo, hw1Realtime)(request))
				}
			}
		})
		client := newClient(t, kasa.Options{})
		if _, err := client.Identify(t.Context(), plug.target); err != nil {
			t.Fatal(err)
		}
		err := client.SetRelay(t.Context(), meant(plug.target, own), false)
		known, ok := errors.AsType[*kasa.Error](err)
		if !ok || known.Class != kasa.ClassOtherPlug || !known.Sent {
			t.Errorf("error %+v", err)
		}
		if told := strings.Count(strings.Join(plug.seen(), ""), "set_relay_state"); told != 1 {
			t.Errorf("%d commands were sent, not only that on the connection that broke", told)
		}
	})
}
