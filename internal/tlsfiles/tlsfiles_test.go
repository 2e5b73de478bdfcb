package tlsfiles_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/tlsfiles"
)

const patience = 20 * time.Second

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// load reads files and follows them until the test ends.
func load(t *testing.T, options tlsfiles.Options) *tlsfiles.Certificates {
	t.Helper()
	read, err := tlsfiles.Load(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- read.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return read
}

// shake has a client and a server of the two configurations greet each other, and
// returns what the client knows of the server and the server of the client.
func shake(t *testing.T, server, client *tls.Config) (ofServer, ofClient tls.ConnectionState, err error) {
	t.Helper()
	listener, err := tls.Listen("tcp", "127.0.0.1:0", server)
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	greeted := make(chan error, 1)
	go func() {
		conn, err := listener.Accept()
		if err == nil {
			secured, _ := conn.(*tls.Conn)
			err = secured.HandshakeContext(t.Context())
			ofClient = secured.ConnectionState()
			_, _ = conn.Write([]byte("."))
			err = errors.Join(err, conn.Close())
		}
		greeted <- err
	}()
	conn, err := (&tls.Dialer{NetDialer: &net.Dialer{Timeout: patience}, Config: client}).DialContext(t.Context(), "tcp", listener.Addr().String())
	if err == nil {
		secured, _ := conn.(*tls.Conn)
		ofServer = secured.ConnectionState()
		_, err = io.ReadAll(conn) // a refused certificate shows only here
		_ = conn.Close()
	}
	return ofServer, ofClient, errors.Join(err, <-greeted)
}

func TestAChangedCertificateIsServedWithoutARestart(t *testing.T) {
	authority, folder := testserver.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, "gateway")
	read := load(t, tlsfiles.Options{Cert: cert, Key: key})
	server, client := read.Server(), &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12}
	serial := func() string {
		state, _, err := shake(t, server, client)
		if err != nil {
			t.Fatal(err)
		}
		return state.PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	kept, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	authority.Issue(folder, "gateway")
	testserver.Eventually(t, patience, func() error {
		if serial() == before {
			return errors.New("still the old one")
		}
		return nil
	})
	t.Run("and files that do not fit together change nothing", func(t *testing.T) {
		before := serial()
		if err := os.WriteFile(key, kept, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := read.Look(); err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("looking gives %v, want an error that names the key", err)
		}
		if serial() != before {
			t.Error("another certificate is served")
		}
	})
}

func TestClientsShowCertificatesOfTheAuthorityAlone(t *testing.T) {
	authority, other, folder := testserver.NewAuthority(t), testserver.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, "broker")
	read := load(t, tlsfiles.Options{Cert: cert, Key: key, ClientCA: authority.File})
	show := func(by *testserver.Authority, name string) *tls.Config {
		cert, key := by.Issue(t.TempDir(), name)
		return load(t, tlsfiles.Options{Cert: cert, Key: key}).Client(authority.Pool())
	}
	t.Run("its own", func(t *testing.T) {
		_, state, err := shake(t, read.Server(), show(authority, "annex"))
		if err != nil || len(state.VerifiedChains) == 0 || state.PeerCertificates[0].Subject.CommonName != "annex" {
			t.Errorf("shown is %v, %v", state.PeerCertificates, err)
		}
	})
	t.Run("not another's", func(t *testing.T) {
		if _, _, err := shake(t, read.Server(), show(other, "annex")); err == nil {
			t.Error("taken")
		}
	})
	t.Run("and none is left to the listener", func(t *testing.T) {
		_, state, err := shake(t, read.Server(), &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12})
		if err != nil || len(state.PeerCertificates) != 0 {
			t.Errorf("shown is %v, %v", state.PeerCertificates, err)
		}
	})
}

func TestOldTLSIsRefused(t *testing.T) {
	authority := testserver.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), "gateway")
	read := load(t, tlsfiles.Options{Cert: cert, Key: key})
	for version, want := range map[uint16]bool{tls.VersionTLS11: false, tls.VersionTLS12: true, tls.VersionTLS13: true} {
		client := &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS10, MaxVersion: version}
		if _, _, err := shake(t, read.Server(), client); (err == nil) != want {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}

func TestAProcessKnowsItsOwnListener(t *testing.T) {
	authority := testserver.NewAuthority(t)
	cert, key := authority.Issue(t.TempDir(), "broker.example.org")
	own := load(t, tlsfiles.Options{Cert: cert, Key: key})
	if _, _, err := shake(t, own.Server(), own.Self()); err != nil {
		t.Error(err)
	}
	cert, key = authority.Issue(t.TempDir(), "broker.example.org")
	if _, _, err := shake(t, load(t, tlsfiles.Options{Cert: cert, Key: key}).Server(), own.Self()); err == nil {
		t.Error("another certificate of the same authority and name is taken for ours")
	}
}

func TestFaultsNameTheFile(t *testing.T) {
	authority, folder := testserver.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, "a")
	_, otherKey := authority.Issue(folder, "b")
	missing, noPEM := filepath.Join(folder, "missing"), filepath.Join(folder, "text")
	if err := os.WriteFile(noPEM, []byte("nothing"), 0o600); err != nil {
		t.Fatal(err)
	}
	for fault, options := range map[string]tlsfiles.Options{
		missing:                                  {Cert: missing, Key: key},
		noPEM:                                    {Cert: cert, Key: noPEM},
		fmt.Sprintf("%s and %s", cert, otherKey): {Cert: cert, Key: otherKey},
		noPEM + " holds no certificate":          {Cert: cert, Key: key, ClientCA: noPEM},
	} {
		if _, err := tlsfiles.Load(options); err == nil || !strings.Contains(err.Error(), fault) {
			t.Errorf("error %v, want one with %q", err, fault)
		}
	}
}
