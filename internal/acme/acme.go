// Package acme has the certificate of a listener issued and renewed by an ACME
// authority (RFC 8555) such as Let's Encrypt.
package acme

import (
	"crypto/tls"
	"crypto/x509"
	"log/slog"
	"net/http"
	"slices"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
	"golang.org/x/time/rate"
)

// requestTimeout bounds a request to the authority.
const requestTimeout = 30 * time.Second

// Options say whose certificates to have from whom. Hosts, Cache and Log are required.
type Options struct {
	// Hosts are the names that certificates are asked for, no others: else anybody
	// could have the authority's limits used up.
	Hosts []string
	// Cache is the folder of the account's key and the certificates.
	Cache string
	// Email is told to the authority, for its warnings.
	Email string
	// Directory is the authority's URL; that of Let's Encrypt if empty.
	Directory string
	// Roots are what Directory is checked against; nil for the system's.
	Roots *x509.CertPool
	// Log is told why a certificate could not be had.
	Log *slog.Logger
}

// complainEvery is how often the log is told: each connection asks anew.
const complainEvery = time.Minute

// Config is for a listener: TLS 1.2 or newer, HTTP/2. A certificate is asked for with
// the first connection to a host and renewed 30 days before its end. The authority
// proves the host by a connection to port 443 of it, which must end at the listener
// (the challenge tls-alpn-01). By using it the terms of the authority are agreed to.
func Config(o Options) *tls.Config {
	transport := &http.Transport{
		Proxy: http.ProxyFromEnvironment, TLSClientConfig: &tls.Config{RootCAs: o.Roots, MinVersion: tls.VersionTLS12},
	}
	client := &acme.Client{
		DirectoryURL: o.Directory, HTTPClient: &http.Client{Transport: transport, Timeout: requestTimeout}, UserAgent: "wattline",
	}
	if o.Directory == "" {
		client.DirectoryURL = autocert.DefaultACMEDirectory
	}
	manager := &autocert.Manager{
		Prompt: autocert.AcceptTOS, Cache: autocert.DirCache(o.Cache), HostPolicy: autocert.HostWhitelist(o.Hosts...),
		Client: client, Email: o.Email,
	}
	config := manager.TLSConfig()
	config.MinVersion = tls.VersionTLS12
	config.GetCertificate = complaining(manager.GetCertificate, o)
	return config
}

type getCertificate = func(*tls.ClientHelloInfo) (*tls.Certificate, error)

// complaining tells of failures for the hosts that were named. Who asks for others is
// of no interest.
func complaining(get getCertificate, o Options) getCertificate {
	pace := rate.Sometimes{Interval: complainEvery}
	return func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
		cert, err := get(hello)
		if err != nil && slices.Contains(o.Hosts, hello.ServerName) {
			pace.Do(func() { o.Log.Error("no certificate from the ACME authority", "host", hello.ServerName, "error", err) })
		}
		return cert, err
	}
}
