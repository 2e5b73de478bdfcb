package broker_test

import (
	"context"
	"crypto/tls"
	"errors"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/broker/internal/wire"
	"github.com/wattline/wattline/internal/mqttcredentials"
	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// certificates reads a new certificate of an authority's.
func certificates(t *testing.T, authority *testserver.Authority, name, clientCA string) *tlsfiles.Certificates {
	t.Helper()
	cert, key := authority.Issue(t.TempDir(), name)
	read, err := tlsfiles.Load(tlsfiles.Options{Cert: cert, Key: key, ClientCA: clientCA})
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// tryTLS connects a client by TLS.
func tryTLS(t *testing.T, b *broker.Broker, config *tls.Config, options wire.Connect) error {
	t.Helper()
	plain, err := dial(strings.TrimPrefix(b.URL(), "mqtts://"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = plain.Close() }()
	config = config.Clone()
	config.ServerName = "localhost"
	return wire.New(tls.Client(plain, config)).Connect(options)
}

func TestTLS(t *testing.T) {
	authority := testserver.NewAuthority(t)
	b := start(t, broker.Options{TLS: certificates(t, authority, "broker", "")})
	if !strings.HasPrefix(b.URL(), "mqtts://") {
		t.Errorf("it is reached at %s", b.URL())
	}
	user, password := b.Login()
	t.Run("the process itself connects", func(t *testing.T) {
		if err := tryTLS(t, b, b.ClientTLS(), wire.Connect{ClientID: user, Username: user, Password: password}); err != nil {
			t.Error(err)
		}
	})
	t.Run("who trusts the authority connects", func(t *testing.T) {
		if err := tryTLS(t, b, &tls.Config{RootCAs: authority.Pool()}, wire.Connect{ClientID: "a"}); err != nil {
			t.Error(err)
		}
	})
	t.Run("nobody gets in without", func(t *testing.T) {
		if _, err := tryConnect("mqtt://"+strings.TrimPrefix(b.URL(), "mqtts://"), wire.Connect{ClientID: "a"}); err == nil {
			t.Error("connected")
		}
	})
}

func TestAChangedCertificateDisconnectsNobody(t *testing.T) {
	authority, folder := testserver.NewAuthority(t), t.TempDir()
	cert, key := authority.Issue(folder, "broker")
	read, err := tlsfiles.Load(tlsfiles.Options{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	following, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- read.Run(following) }()
	defer func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}()
	b := start(t, broker.Options{TLS: read})
	greet := func() (conn *tls.Conn, serial string) {
		plain, err := dial(strings.TrimPrefix(b.URL(), "mqtts://"))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = plain.Close() })
		conn = tls.Client(plain, &tls.Config{RootCAs: authority.Pool(), ServerName: "localhost", MinVersion: tls.VersionTLS12})
		if err := conn.HandshakeContext(t.Context()); err != nil {
			t.Fatal(err)
		}
		return conn, conn.ConnectionState().PeerCertificates[0].SerialNumber.String()
	}
	conn, before := greet()
	early := wire.New(conn)
	if err := early.Connect(wire.Connect{ClientID: "early"}); err != nil {
		t.Fatal(err)
	}
	authority.Issue(folder, "broker")
	testserver.Eventually(t, patience, func() error {
		if _, now := greet(); now == before {
			return errors.New("still the old certificate")
		}
		return nil
	})
	if arrives(t, early, "nothing") {
		t.Error("a message came from nowhere")
	}
	user, password := b.Login()
	if err := tryTLS(t, b, b.ClientTLS(), wire.Connect{ClientID: user, Username: user, Password: password}); err != nil {
		t.Errorf("the process itself does not know the new one: %v", err)
	}
}

func TestClientCertificates(t *testing.T) {
	authority, stranger, folder := testserver.NewAuthority(t), testserver.NewAuthority(t), t.TempDir()
	secrets := issue(t, folder, observer("wall"), observer("desk"))
	b := start(t, broker.Options{
		TLS: certificates(t, authority, "broker", authority.File), Credentials: filepath.Join(folder, mqttcredentials.FileName),
	})
	show := func(by *testserver.Authority, name string) *tls.Config {
		return certificates(t, by, name, "").Client(authority.Pool())
	}
	user, password := b.Login()
	for name, c := range map[string]struct {
		tls     *tls.Config
		connect wire.Connect
		in      bool
	}{
		"the process itself needs none":                  {b.ClientTLS(), wire.Connect{ClientID: user, Username: user, Password: password}, true},
		"a certificate and a secret open":                {show(authority, "host-7"), login("wall", secrets["wall"]), true},
		"a certificate of the credential's name opens":   {show(authority, "wall"), wire.Connect{ClientID: "wall"}, true},
		"a certificate does not open for another name":   {show(authority, "wall"), login("desk", ""), false},
		"a certificate with a wrong secret is no use":    {show(authority, "wall"), login("wall", "guessed"), false},
		"a certificate of no credential's name is none":  {show(authority, "host-7"), wire.Connect{ClientID: "host-7"}, false},
		"a certificate opens for its own client id only": {show(authority, "wall"), wire.Connect{ClientID: "desk"}, false},
		"a secret is no use without a certificate":       {&tls.Config{RootCAs: authority.Pool()}, login("wall", secrets["wall"]), false},
		"a stranger's certificate is none":               {show(stranger, "wall"), login("wall", secrets["wall"]), false},
	} {
		t.Run(name, func(t *testing.T) {
			if err := tryTLS(t, b, c.tls, c.connect); (err == nil) != c.in {
				t.Errorf("connecting gives %v", err)
			}
		})
	}
}
