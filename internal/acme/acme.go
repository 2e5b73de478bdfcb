// Package acme has the certificate of a listener issued and renewed by an ACME
// authority (RFC 8555) such as Let's Encrypt.
package acme

import (
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"time"

	"golang.org/x/crypto/acme"
	"golang.org/x/crypto/acme/autocert"
)

// requestTimeout bounds a request to the authority.
const requestTimeout = 30 * time.Second

// Options say whose certificates to have from whom. Hosts and Cache are required.
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
}

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
	return config
}
