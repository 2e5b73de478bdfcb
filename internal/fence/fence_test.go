package fence_test

import (
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline/internal/fence"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNetworksAreReadAndSaidAgain(t *testing.T) {
	texts := []string{"10.1.0.0/22", "fd12:3456::/48", "192.0.2.7/32", "::1/128"}
	got, err := fence.Parse([]string{"10.1.0.0/22", "fd12:3456::/48", "192.0.2.7", "::1"})
	if err != nil || !slices.Equal(got.Texts(), texts) {
		t.Errorf("%v %v", got.Texts(), err)
	}
	for text, says := range map[string]string{
		"10.1.0.1/22": "10.1.0.0/22", "10.1": "must be a network", "": "must be a network", "all": "must be a network",
		"::ffff:10.0.0.0/104": "must be a network", "fe80::1%eth0": "must be a network", "10.0.0.0/33": "must be a network",
	} {
		if _, err := fence.Parse([]string{text}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWhatIsPrivateIsWithinAndNothingElse(t *testing.T) {
	for address, want := range map[string]bool{
		"10.255.255.255": true, "172.16.0.1": true, "172.31.255.255": true, "192.168.3.4": true, "fd00::1": true, "::ffff:10.0.0.1": true,
		"172.32.0.1": false, "127.0.0.1": false, "169.254.169.254": false, "8.8.8.8": false, "::1": false, "fe80::1%eth0": false,
		"2001:db8::1": false, "::ffff:127.0.0.1": false, "0.0.0.0": false, "224.0.0.1": false,
	} {
		at := netip.MustParseAddr(address)
		if got := fence.Private().Holds(at); got != want {
			t.Errorf("%s: %v", address, got)
		}
		err := fence.Private().Check(t.Context(), address)
		if (err == nil) != want || !want && !errors.Is(err, fence.ErrOutside) {
			t.Errorf("%s: %v", address, err)
		}
		if err := fence.Private().Control("tcp", netip.AddrPortFrom(at, 9999).String(), nil); (err == nil) != want {
			t.Errorf("%s when dialled: %v", address, err)
		}
	}
}

func TestANameIsWhatItMeans(t *testing.T) {
	loopback, err := fence.Parse([]string{"127.0.0.0/8", "::1"})
	if err != nil {
		t.Fatal(err)
	}
	if err := loopback.Check(t.Context(), "localhost"); err != nil {
		t.Error(err)
	}
	elsewhere := fence.Private().Check(t.Context(), "localhost")
	unknown := fence.Private().Check(t.Context(), "no-such-host.invalid")
	if !errors.Is(elsewhere, fence.ErrOutside) || !errors.Is(unknown, fence.ErrOutside) {
		t.Errorf("%v, %v", elsewhere, unknown)
	}
	if got := strings.ReplaceAll(unknown.Error(), "no-such-host.invalid", "localhost"); got != elsewhere.Error() {
		t.Errorf("whether a name is known can be told: %v, %v", elsewhere, unknown)
	}
}

func TestNothingIsWithinNone(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bytes := rapid.SliceOfN(rapid.Byte(), 16, 16).Draw(t, "address")
		address, _ := netip.AddrFromSlice(bytes)
		if fence.Networks(nil).Holds(address) {
			t.Fatalf("%v", address)
		}
	})
}
