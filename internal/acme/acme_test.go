package acme_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/letsencrypt/challtestsrv"
	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"

	"github.com/wattline/wattline/internal/acme"
	"github.com/wattline/wattline/internal/testserver"
)

const patience = 20 * time.Second

// authority is Pebble, Let's Encrypt's own test server, with a name service that has
// every name be this machine.
type authority struct {
	directory string
	roots     *x509.CertPool // of its own listener
	issued    *x509.CertPool // of what it issues
}

// newAuthority makes one that proves hosts at a port.
func newAuthority(t *testing.T, tlsPort int) authority {
	t.Helper()
	t.Setenv("PEBBLE_VA_NOSLEEP", "1")
	t.Setenv("PEBBLE_WFE_NONCEREJECT", "0") // else some requests at random, which then wait
	quiet := slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	names := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(t))
	dns, err := challtestsrv.New(challtestsrv.Config{DNSAddrs: []string{names}, Log: quiet})
	if err != nil {
		t.Fatal(err)
	}
	dns.SetDefaultDNSIPv4("127.0.0.1")
	dns.SetDefaultDNSIPv6("")
	dns.Run()
	t.Cleanup(dns.Shutdown)
	testserver.Eventually(t, patience, func() error {
		resolver := net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, names)
		}}
		_, err := resolver.LookupNetIP(t.Context(), "ip4", "plugs.example.org")
		return err
	})
	store := db.NewMemoryStore()
	issuer := ca.New(quiet, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {Description: "default"}})
	front := wfe.New(quiet, store, va.New(quiet, 0, tlsPort, true, names, store), issuer, []string{"pebble.example.org"}, true, false, 0, 0)
	server := httptest.NewTLSServer(front.Handler())
	t.Cleanup(server.Close)
	a := authority{directory: server.URL + wfe.DirectoryPath, roots: x509.NewCertPool(), issued: x509.NewCertPool()}
	a.roots.AddCert(server.Certificate())
	a.issued.AddCert(issuer.GetRootCert(0).Cert)
	return a
}

// serve answers at a port with what Config makes.
func serve(t *testing.T, listener net.Listener, options acme.Options) {
	t.Helper()
	server := &http.Server{ReadHeaderTimeout: patience, TLSConfig: acme.Config(options), ErrorLog: slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)}
	server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.Proto) })
	ended := make(chan error, 1)
	go func() { ended <- server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
}

// ask asks the listener as a host and returns the answer.
func ask(t *testing.T, address, host string, roots *x509.CertPool) (string, error) {
	t.Helper()
	transport := &http.Transport{
		ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, address)
		},
	}
	defer transport.CloseIdleConnections()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "https://"+host, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Transport: transport, Timeout: patience}).Do(request)
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

func TestAnAuthorityThatCannotBeReachedIsComplainedOfOnce(t *testing.T) {
	var said bytes.Buffer
	config := acme.Config(acme.Options{
		Hosts: []string{"plugs.example.org"}, Cache: t.TempDir(), Directory: "https://127.0.0.1:1/directory",
		Log: slog.New(slog.NewTextHandler(&said, nil)),
	})
	for _, host := range []string{"plugs.example.org", "plugs.example.org", "other.example.org"} {
		hello := &tls.ClientHelloInfo{ServerName: host, SupportedVersions: []uint16{tls.VersionTLS13}}
		if _, err := config.GetCertificate(hello); err == nil {
			t.Errorf("%s has a certificate", host)
		}
	}
	if lines := strings.Count(said.String(), "\n"); lines != 1 || !strings.Contains(said.String(), "127.0.0.1:1") {
		t.Errorf("the log has %s", said.String())
	}
}

func TestACertificateIsIssuedByAnAuthority(t *testing.T) {
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address, _ := listener.Addr().(*net.TCPAddr)
	from := newAuthority(t, address.Port)
	cache := t.TempDir()
	serve(t, listener, acme.Options{
		Hosts: []string{"plugs.example.org"}, Cache: cache, Email: "ops@example.org", Directory: from.directory, Roots: from.roots,
		Log: slog.New(slog.DiscardHandler),
	})
	t.Run("for a host that was named", func(t *testing.T) {
		if got, err := ask(t, address.String(), "plugs.example.org", from.issued); err != nil || got != "HTTP/2.0" {
			t.Errorf("answered %q, %v", got, err)
		}
	})
	t.Run("not for another", func(t *testing.T) {
		if _, err := ask(t, address.String(), "other.example.org", from.issued); err == nil {
			t.Error("a certificate was issued")
		}
	})
	t.Run("and kept for its owner alone", func(t *testing.T) {
		kept, err := os.ReadDir(cache)
		if err != nil || len(kept) == 0 {
			t.Fatalf("kept are %v, %v", kept, err)
		}
		for _, entry := range kept {
			if info, err := entry.Info(); err != nil || strings.HasPrefix(entry.Name(), "plugs") && info.Mode().Perm() != 0o600 {
				t.Errorf("%s has mode %v, %v", entry.Name(), info.Mode(), err)
			}
		}
	})
}
