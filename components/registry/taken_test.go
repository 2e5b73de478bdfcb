package registry_test

import (
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

func TestAPlugIsOneDevicesOnly(t *testing.T) {
	network, outlet, local := device("network-1"), device("outlet-1"), device("local-1")
	network.Address, outlet.Address, local.Address = "10.1.0.5", "10.1.0.30/00", "127.0.0.1:9001"
	twin := network
	twin.ID = "network-2" // the administrator's own word
	loopback := append(fence.Private(), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128"))
	on, _, _ := runIn(t, loopback, filepath.Join(t.TempDir(), "registry.sqlite"), network, twin, outlet, local)
	if !on.retained["network-1"] || !on.retained["network-2"] {
		t.Fatalf("two of the configuration with one address: %v", on.retained)
	}
	at := func(id, address string) wattline.Device {
		other := place(id)
		other.Address = address
		return other
	}
	for name, address := range map[string]string{
		"the same address":                    "10.1.0.5",
		"with the port that is the default":   "10.1.0.5:9999",
		"in another form":                     "[::ffff:10.1.0.5]",
		"the same outlet":                     "10.1.0.30/00",
		"the same outlet, by the whole of it": "10.1.0.30/800612000000000000000000000000000000000000"[:len("10.1.0.30/")+42],
		"by a name":                           "localhost:9001",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := put(t, on, at("mine", address), 0)
			wantCode(t, err, wattline.CodeConflict, "the address is taken already")
		})
	}
	elsewhere := at("other-site", "10.1.0.5")
	elsewhere.Site = "annex"
	for name, fine := range map[string]wattline.Device{
		"at another port": at("b", "10.1.0.5:9998"), "another outlet": at("c", "10.1.0.30/01"), "at another site": elsewhere,
	} {
		if _, err := put(t, on, fine, 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	t.Run("and none moves to where another one is", func(t *testing.T) {
		elsewhere := on.devices["other-site"]
		elsewhere.Site = "hq"
		_, err := put(t, on, elsewhere, on.devices["other-site"].Version)
		wantCode(t, err, wattline.CodeConflict, "the address is taken already")
	})
	t.Run("but two may exchange theirs", func(t *testing.T) {
		b, c := on.devices["b"], on.devices["c"]
		b.Address, c.Address = c.Address, b.Address
		query := wattline.ApplyQuery{Changes: []wattline.DeviceChange{
			{Device: "b", Version: b.Version, Put: &b}, {Device: "c", Version: c.Version, Put: &c},
		}}
		if err := ask(t, on, "apply", encoded(t, query), nil); err != nil {
			t.Error(err)
		}
	})
}
