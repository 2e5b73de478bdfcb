// Package tlsfiles keeps certificates that are read from files, and read again when
// they change, so that a renewed one needs no restart.
package tlsfiles

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

const (
	// lookEvery lies between two looks at the files.
	lookEvery = 2 * time.Second
	// maxFileBytes bounds a file of certificates.
	maxFileBytes = 4 << 20
	// expiresSoon is when an expiry is worth a warning, and remindEvery how often.
	expiresSoon = 14 * 24 * time.Hour
	remindEvery = 24 * time.Hour
)

// Options name the files, all PEM.
type Options struct {
	// Cert is the certificate, followed by those between it and its authority's.
	Cert string
	// Key is its private key.
	Key string
	// ClientCA holds the authorities of the certificates that clients may show; empty
	// for none.
	ClientCA string
	Log      *slog.Logger
}

// Certificates are a certificate, its key, and who may sign those of clients. Safe
// for concurrent use.
type Certificates struct {
	options Options
	now     atomic.Pointer[loaded]
}

// loaded is what the files held at one time. It is not changed.
type loaded struct {
	content [][]byte
	cert    tls.Certificate
	clients *x509.CertPool
}

// Load reads the files. The error names the one at fault.
func Load(options Options) (*Certificates, error) {
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	c := &Certificates{options: options}
	content, err := c.read()
	if err != nil {
		return nil, err
	}
	now, err := c.parse(content)
	if err != nil {
		return nil, err
	}
	c.now.Store(now)
	options.Log.Info("certificate loaded", "file", options.Cert, "until", until(now))
	c.remind()
	return c, nil
}

// Run takes up changed files, until the context ends. Files that do not fit together
// are logged once, and what was there before stays in use.
func (c *Certificates) Run(ctx context.Context) error {
	tick := time.NewTicker(lookEvery)
	defer tick.Stop()
	remind := time.NewTicker(remindEvery)
	defer remind.Stop()
	var complaint string
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-remind.C:
			c.remind()
			continue
		case <-tick.C:
		}
		said := ""
		if err := c.look(); err != nil {
			said = err.Error()
		}
		if said != "" && said != complaint {
			c.options.Log.Error("the certificate stays as it was", "error", said)
		}
		complaint = said
	}
}

// look reads the files and takes up what is new in them.
func (c *Certificates) look() error {
	content, err := c.read()
	if err != nil || slices.EqualFunc(content, c.now.Load().content, bytes.Equal) {
		return err
	}
	now, err := c.parse(content)
	if err != nil {
		return err
	}
	c.now.Store(now)
	c.options.Log.Info("certificate changed", "file", c.options.Cert, "until", until(now))
	return nil
}

// remind warns of a certificate that ends soon.
func (c *Certificates) remind() {
	if now := c.now.Load(); time.Until(now.cert.Leaf.NotAfter) < expiresSoon {
		c.options.Log.Warn("the certificate ends soon, or has: renew it", "file", c.options.Cert, "until", until(now))
	}
}

func until(l *loaded) string { return l.cert.Leaf.NotAfter.UTC().Format(time.DateOnly) }

func (c *Certificates) files() []string {
	files := []string{c.options.Cert, c.options.Key}
	if c.options.ClientCA != "" {
		files = append(files, c.options.ClientCA)
	}
	return files
}

func (c *Certificates) read() ([][]byte, error) {
	var content [][]byte
	for _, path := range c.files() {
		info, err := os.Stat(path)
		if err == nil && info.Size() > maxFileBytes {
			err = fmt.Errorf("%s is larger than %d bytes", path, maxFileBytes)
		}
		if err != nil {
			return nil, err
		}
		data, err := os.ReadFile(path)
		if err != nil {
			return nil, err
		}
		content = append(content, data)
	}
	return content, nil
}

func (c *Certificates) parse(content [][]byte) (*loaded, error) {
	cert, err := tls.X509KeyPair(content[0], content[1])
	if err != nil {
		return nil, fmt.Errorf("%s and %s: %w", c.options.Cert, c.options.Key, err)
	}
	now := &loaded{content: content, cert: cert}
	if c.options.ClientCA != "" {
		if now.clients, err = Pool(content[2]); err != nil {
			return nil, fmt.Errorf("%s %w", c.options.ClientCA, err)
		}
	}
	return now, nil
}

// Pool is the certificates of a PEM text.
func Pool(pem []byte) (*x509.CertPool, error) {
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("holds no certificate")
	}
	return pool, nil
}

// AsksClients tells whether a ClientCA was given. Nil certificates ask nobody.
func (c *Certificates) AsksClients() bool { return c != nil && c.options.ClientCA != "" }

// Server is for listeners: TLS 1.2 or newer, with what the files hold at the time of
// each handshake. Where a ClientCA was given, a certificate that a client shows is
// checked against it; whether one must be shown is the listener's to decide.
func (c *Certificates) Server(protocols ...string) *tls.Config {
	config := c.server(protocols)
	config.GetConfigForClient = func(*tls.ClientHelloInfo) (*tls.Config, error) { return c.server(protocols), nil }
	return config
}

func (c *Certificates) server(protocols []string) *tls.Config {
	now := c.now.Load()
	config := &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: protocols, Certificates: []tls.Certificate{now.cert},
		// A ticket would let a client go on whose certificate is no longer accepted.
		SessionTicketsDisabled: true,
	}
	if now.clients != nil {
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, now.clients
	}
	return config
}

// Client is for connecting to servers: they are checked against roots, nil for the
// system's, and shown the certificate.
func (c *Certificates) Client(roots *x509.CertPool) *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, RootCAs: roots,
		GetClientCertificate: func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &c.now.Load().cert, nil },
	}
}

// Self is for a process that connects to its own listener, whatever name that goes
// by: it takes this very certificate and no other.
func (c *Certificates) Self() *tls.Config {
	return &tls.Config{
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true, //nolint:gosec // VerifyConnection is stricter
		VerifyConnection: func(state tls.ConnectionState) error {
			if !state.PeerCertificates[0].Equal(c.now.Load().cert.Leaf) {
				return errors.New("the listener shows another certificate than ours")
			}
			return nil
		},
	}
}
