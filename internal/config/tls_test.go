package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/config"
)

func TestFaultsOfEncryptionAndProxiesAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"a certificate without its key":            {"tls: {cert: a.pem}\n", "tls.key is missing"},
		"a key without its certificate":            {"tls: {key: a.key}\n", "tls.cert is missing"},
		"a certificate and ACME":                   {"tls: {cert: a, key: b, acme: {hosts: [a.example.org]}}\n", "tls.acme does not go with tls.cert"},
		"ACME without hosts":                       {"tls: {acme: {email: a@example.org}}\n", "tls.acme.hosts is missing"},
		"ACME for any host":                        {"tls: {acme: {hosts: ['*.example.org']}}\n", "tls.acme.hosts[0] must be a name"},
		"ACME for an address":                      {"tls: {acme: {hosts: ['a.example.org:443']}}\n", "tls.acme.hosts[0] must be a name"},
		"an ACME authority in the clear":           {"tls: {acme: {hosts: [a.example.org], directory: 'http://a/b'}}\n", "tls.acme.directory must be"},
		"an unknown key of ACME":                   {"tls: {acme: {host: a}}\n", `did you mean "hosts"?`},
		"a proxy that is no address":               {"trusted_proxies: [proxy.lan]\n", "trusted_proxies \"proxy.lan\" must be"},
		"everybody as a proxy":                     {"trusted_proxies: [0.0.0.0/0]\n", "trusted_proxies 0.0.0.0/0 would believe everybody"},
		"a host with a port":                       {"hosts: ['a.lan:80']\n", "hosts[0] must be a name"},
		"any origin":                               {"cors: {origins: ['*']}\n", "cors.origins[0] must be an exact origin"},
		"an origin with a wildcard":                {"cors: {origins: ['https://*.example.org']}\n", "cors.origins[0] must be an exact origin"},
		"an origin with a path":                    {"cors: {origins: ['https://a.example.org/']}\n", "cors.origins[0] must be an exact origin"},
		"the null origin":                          {"cors: {origins: ['null']}\n", "cors.origins[0] must be an exact origin"},
		"a broker's certificate with another's":    {"broker: mqtts://a\nbroker_tls: {cert: a, key: b}\n", "broker_tls goes with broker: embedded only"},
		"a broker's client_ca alone":               {"broker_tls: {client_ca: a}\n", "broker_tls.cert is missing"},
		"a client certificate for the embedded":    {"broker_cert_file: a\nbroker_key_file: b\n", "broker_cert_file goes with an outside broker"},
		"a client certificate in the clear":        {"broker: mqtt://a\nbroker_cert_file: a\nbroker_key_file: b\n", "broker_cert_file goes with mqtts:// only"},
		"an instance that is no client id of ours": {"instance: gw.1\n", "instance may hold no dot"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := config.Parse([]byte(c.text)); err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

func TestCertificatesAreRelativeToTheFile(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "wattline.yaml")
	text := "tls: {cert: a.pem, key: /etc/a.key}\nbroker_tls: {cert: b.pem, key: b.key, client_ca: ca.pem}\n"
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(folder, name) }
	if got.TLS.Cert != in("a.pem") || got.TLS.Key != "/etc/a.key" || got.BrokerTLS.ClientCA != in("ca.pem") || got.BrokerCertFile != "" {
		t.Errorf("%+v, %+v, %q", got.TLS, got.BrokerTLS, got.BrokerCertFile)
	}
}

func TestTrustedProxiesAreNetworks(t *testing.T) {
	got, err := config.Parse([]byte("trusted_proxies: [192.0.2.7, 198.51.100.0/24, '2001:db8::1']\n"))
	if err != nil {
		t.Fatal(err)
	}
	proxies, err := got.Proxies()
	if text := fmt.Sprint(proxies); err != nil || text != "[192.0.2.7/32 198.51.100.0/24 2001:db8::1/128]" {
		t.Errorf("%v, %v", text, err)
	}
}
