package kasa_test

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/fence"
)

func TestAFencedTargetIsReachedWithinTheNetworksOnly(t *testing.T) {
	plug := newFakePlug(t, answers(model(hw4Sysinfo, hw4Realtime)))
	fenced := plug.target
	fenced.Fenced = true
	t.Run("and not a byte goes to another", func(t *testing.T) {
		client := newClient(t, kasa.Options{Networks: fence.Private()})
		named := fenced
		named.Host = "localhost" // what a name means is known when it is dialled
		for _, target := range []kasa.Target{fenced, named} {
			_, err := client.Read(t.Context(), target)
			if kasa.ClassOf(err) != kasa.ClassOutside || wattline.AsError(kasa.Shown(err)).Code != wattline.CodeDeviceUnreachable {
				t.Errorf("%v: %v", target, err)
			}
		}
		if n := plug.connections(); n != 0 {
			t.Errorf("%d connections", n)
		}
	})
	t.Run("nor over a connection that was made for one that is not fenced", func(t *testing.T) {
		client := newClient(t, kasa.Options{Networks: fence.Private(), IdleTimeout: time.Minute})
		if _, err := client.Read(t.Context(), plug.target); err != nil {
			t.Fatal(err)
		}
		asked := len(plug.seen())
		if _, err := client.Read(t.Context(), fenced); kasa.ClassOf(err) != kasa.ClassOutside || len(plug.seen()) != asked {
			t.Errorf("%v, %d requests more", err, len(plug.seen())-asked)
		}
	})
	t.Run("within them it is like any other", func(t *testing.T) {
		loopback, err := fence.Parse([]string{"127.0.0.0/8"})
		if err != nil {
			t.Fatal(err)
		}
		client := newClient(t, kasa.Options{Networks: loopback})
		if _, err := client.Read(t.Context(), fenced); err != nil {
			t.Error(err)
		}
	})
}

func TestADeviceFromTheAPIIsFenced(t *testing.T) {
	for source, want := range map[wattline.Source]bool{
		wattline.SourceAPI: true, wattline.SourceConfiguration: false, "": false,
	} {
		got, err := kasa.TargetOf(wattline.Device{Address: "192.0.2.30:99/02", Source: source})
		if err != nil || got.Fenced != want || got.Outlet != "02" || got.String() != "192.0.2.30:99/02" {
			t.Errorf("%q: %+v %v", source, got, err)
		}
	}
}
