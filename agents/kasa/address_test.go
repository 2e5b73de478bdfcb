package kasa_test

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline/agents/kasa"
)

func TestParseAddressTakes(t *testing.T) {
	for address, want := range map[string]kasa.Target{
		"192.0.2.11":          {Host: "192.0.2.11", Port: 9999},
		"192.0.2.11:19999":    {Host: "192.0.2.11", Port: 19999},
		"Plug-7.LAN":          {Host: "plug-7.lan", Port: 9999},
		"plug_7:65535":        {Host: "plug_7", Port: 65535},
		"[::1]":               {Host: "::1", Port: 9999},
		"[2001:DB8::7]:9999":  {Host: "2001:db8::7", Port: 9999},
		"[fe80::1%eth0]":      {Host: "fe80::1%eth0", Port: 9999},
		"[::ffff:192.0.2.1]":  {Host: "192.0.2.1", Port: 9999},
		"192.0.2.30/02":       {Host: "192.0.2.30", Port: 9999, Outlet: "02"},
		"192.0.2.30:9998/0a":  {Host: "192.0.2.30", Port: 9998, Outlet: "0A"},
		"[::1]/00":            {Host: "::1", Port: 9999, Outlet: "00"},
		"h/" + childID("abc"): {Host: "h", Port: 9999, Outlet: childID("ABC")},
	} {
		got, err := kasa.ParseAddress(address)
		if err != nil || got != want {
			t.Errorf("%s: got %+v, error %v", address, got, err)
		}
	}
}

func childID(end string) string { return strings.Repeat("0", 42-len(end)) + end }

func TestParseAddressRefuses(t *testing.T) {
	for address, reason := range map[string]string{
		"":                        "no host",
		":9999":                   "no host",
		"/00":                     "no host",
		"192.0.2.300":             "not a valid IPv4 address",
		"192.0.2":                 "not a valid IPv4 address",
		"0.0.0.0":                 "one plug",
		"224.0.0.1":               "one plug",
		"255.255.255.255":         "one plug",
		"[::]":                    "one plug",
		"::1":                     "brackets",
		"2001:db8::7:9999":        "brackets",
		"[192.0.2.1]":             "not an IPv6 address",
		"[::1":                    "host or host:port",
		"[::1]9999":               "host or host:port",
		"[fe80::1%a b]":           "zone",
		"plug:":                   "port",
		"plug:0":                  "port",
		"plug:65536":              "port",
		"plug:+1":                 "port",
		"plug:http":               "port",
		"http://plug":             "port",
		"plug one":                "neither",
		"-plug":                   "neither",
		"plug..lan":               "neither",
		"plug\n":                  "neither",
		"plüg":                    "neither",
		strings.Repeat("a.", 127): "longer",
		strings.Repeat("a", 64):   "neither",
		"plug/":                   "outlet",
		"plug/1":                  "outlet",
		"plug/0g":                 "outlet",
		"plug/00/01":              "outlet",
		"plug/000":                "outlet",
	} {
		got, err := kasa.ParseAddress(address)
		if err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%q: got %+v, error %v, want one about %q", address, got, err, reason)
		}
	}
}

func TestAddressReadsBackFromItsText(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		host := rapid.SampledFrom([]string{"192.0.2.1", "plug.lan", "[::1]", "[2001:db8::7]", "p-1"}).Draw(t, "host")
		port := rapid.SampledFrom([]string{"", fmt.Sprint(":", rapid.IntRange(1, 65535).Draw(t, "port"))}).Draw(t, "ports")
		outlet := rapid.SampledFrom([]string{"", fmt.Sprintf("/%02x", rapid.Byte().Draw(t, "outlet"))}).Draw(t, "outlets")
		target, err := kasa.ParseAddress(host + port + outlet)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := kasa.ParseAddress(target.String()); err != nil || again != target {
			t.Errorf("%+v became %q and %+v, error %v", target, target.String(), again, err)
		}
	})
}

func FuzzParseAddress(f *testing.F) {
	for _, seed := range []string{"192.0.2.11", "[::1]:9999/00", "a:b:c", "[fe80::1%eth0]/ff"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, address string) {
		target, err := kasa.ParseAddress(address)
		if err != nil {
			return
		}
		if again, err := kasa.ParseAddress(target.String()); err != nil || again != target {
			t.Errorf("%q became %+v, then %q, then %+v, error %v", address, target, target.String(), again, err)
		}
	})
}
