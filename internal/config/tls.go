package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strings"
)

// TLS is the certificate of a listener: from files, or from an ACME authority.
type TLS struct {
	// Cert and Key are PEM files; changes are taken up while the process runs.
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	ACME ACME   `yaml:"acme"`
}

// On tells whether there is TLS at all.
func (t TLS) On() bool { return t.Cert != "" || t.ACME.On() }

// Scheme is https or http.
func (t TLS) Scheme() string {
	if t.On() {
		return "https"
	}
	return "http"
}

// ACME has an authority such as Let's Encrypt issue and renew the certificate. It
// must reach the listener at port 443 of each host.
type ACME struct {
	// Hosts are the names to have certificates for, no others.
	Hosts []string `yaml:"hosts"`
	// Email is told to the authority, for its warnings.
	Email string `yaml:"email"`
	// Cache is the folder of keys and certificates; acme in the data folder if empty.
	Cache string `yaml:"cache"`
	// Directory is the authority's; Let's Encrypt if empty.
	Directory string `yaml:"directory"`
	// CAFile holds the certificates that Directory is checked against, instead of the
	// system's.
	CAFile string `yaml:"ca_file"`
}

// On tells whether ACME is wanted.
func (a ACME) On() bool { return len(a.Hosts) > 0 }

// BrokerTLS is the certificate of the embedded broker.
type BrokerTLS struct {
	Cert string `yaml:"cert"`
	Key  string `yaml:"key"`
	// ClientCA holds the authorities of client certificates; with it every client
	// must show one.
	ClientCA string `yaml:"client_ca"`
}

// CORS names who else's pages may use the API.
type CORS struct {
	// Origins are exact: scheme, host and port.
	Origins []string `yaml:"origins"`
}

func (c Config) checkHTTP(found *checker) {
	checkPair(found, "tls.cert", c.TLS.Cert, "tls.key", c.TLS.Key)
	if c.TLS.ACME.On() && c.TLS.Cert != "" {
		found.fail("tls.acme", "does not go with tls.cert: take one of them")
	}
	for i, host := range c.TLS.ACME.Hosts {
		if !strings.Contains(host, ".") || strings.ContainsAny(host, "/:*@ ") {
			found.fail(fmt.Sprintf("tls.acme.hosts[%d]", i), "must be a name such as plugs.example.org")
		}
	}
	if a := c.TLS.ACME; !a.On() && (a.Email != "" || a.Cache != "" || a.Directory != "" || a.CAFile != "") {
		found.fail("tls.acme.hosts", "is missing")
	}
	if directory := c.TLS.ACME.Directory; directory != "" {
		if parsed, err := url.Parse(directory); err != nil || parsed.Scheme != "https" || parsed.Host == "" {
			found.fail("tls.acme.directory", "must be a URL such as https://acme.example.org/directory")
		}
	}
	if _, err := c.Proxies(); err != nil {
		found.fail("trusted_proxies", err.Error())
	}
	for i, host := range c.Hosts {
		if host == "" || strings.ContainsAny(host, "/:*@ ") {
			found.fail(fmt.Sprintf("hosts[%d]", i), "must be a name such as plugs.example.org, without a port")
		}
	}
	for i, origin := range c.CORS.Origins {
		found.check(fmt.Sprintf("cors.origins[%d]", i), checkOrigin(origin))
	}
}

// checkOrigin takes what a browser sends as an Origin, and nothing wider.
func checkOrigin(origin string) error {
	parsed, err := url.Parse(origin)
	if err != nil || parsed.Scheme != "http" && parsed.Scheme != "https" || parsed.Hostname() == "" ||
		strings.Contains(origin, "*") || parsed.Scheme+"://"+parsed.Host != origin || strings.ToLower(origin) != origin {
		return errors.New("must be an exact origin in lower case such as https://board.example.org, without a path")
	}
	return nil
}

// Proxies are the trusted ones as networks.
func (c Config) Proxies() ([]netip.Prefix, error) {
	proxies := make([]netip.Prefix, 0, len(c.TrustedProxies))
	for _, text := range c.TrustedProxies {
		prefix, err := netip.ParsePrefix(text)
		if err != nil {
			var addr netip.Addr
			if addr, err = netip.ParseAddr(text); err == nil {
				prefix, err = addr.Prefix(addr.BitLen())
			}
		}
		if err != nil || prefix.Addr().Zone() != "" {
			return nil, fmt.Errorf("%.80q must be an address or a network such as 192.0.2.0/24", text)
		}
		if prefix.Bits() == 0 {
			return nil, fmt.Errorf("%s would believe everybody", prefix)
		}
		proxies = append(proxies, prefix.Masked())
	}
	return proxies, nil
}

func (c Config) checkBrokerTLS(found *checker) {
	checkPair(found, "broker_cert_file", c.BrokerCertFile, "broker_key_file", c.BrokerKeyFile)
	checkPair(found, "broker_tls.cert", c.BrokerTLS.Cert, "broker_tls.key", c.BrokerTLS.Key)
	if c.BrokerTLS.ClientCA != "" && c.BrokerTLS.Cert == "" {
		found.fail("broker_tls.cert", "is missing")
	}
	switch {
	case !c.Broker.IsEmbedded() && c.BrokerTLS.Cert != "":
		found.fail("broker_tls", "goes with broker: embedded only")
	case c.Broker.IsEmbedded() && c.BrokerCertFile != "":
		found.fail("broker_cert_file", "goes with an outside broker only")
	case c.BrokerCertFile != "" && !slices.ContainsFunc(c.Broker, func(url string) bool { return strings.HasPrefix(url, "mqtts:") }):
		found.fail("broker_cert_file", "goes with mqtts:// only")
	}
	if c.Broker.IsEmbedded() && strings.Contains(c.Instance, ".") {
		found.fail("instance", "may hold no dot with broker: embedded, which takes none in a client id")
	}
}

// checkPair wants both files or none.
func checkPair(found *checker, certKey, cert, keyKey, key string) {
	if cert != "" && key == "" {
		found.fail(keyKey, "is missing, which goes with "+certKey)
	}
	if key != "" && cert == "" {
		found.fail(certKey, "is missing, which goes with "+keyKey)
	}
}

// resolve makes the paths of certificates relative to the file's own folder.
func (c *Config) resolve() {
	for _, path := range []*string{
		&c.TLS.Cert, &c.TLS.Key, &c.TLS.ACME.Cache, &c.TLS.ACME.CAFile, &c.BrokerTLS.Cert, &c.BrokerTLS.Key,
		&c.BrokerTLS.ClientCA, &c.BrokerCertFile, &c.BrokerKeyFile,
	} {
		*path = c.path(*path)
	}
}
