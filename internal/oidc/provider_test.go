package oidc_test

import (
	"cmp"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/oauth2-proxy/mockoidc"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/oidc/oidctest"
)

func TestTheProviderMayChangeItsKey(t *testing.T) {
	o := open(t)
	for range 2 {
		if _, err := o.signIn(t, oidctest.Ana("staff")); err != nil {
			t.Fatal(err)
		}
		o.at.Rotate()
	}
	t.Run("but not sign with one that it does not publish", func(t *testing.T) {
		o.at.Rotate()
		forged := oidctest.Forged{MockUser: oidctest.Ana("staff"), Change: func(*mockoidc.IDTokenClaims) { o.at.Rotate() }}
		_, err := o.signIn(t, forged)
		o.refused(t, err, wattline.CodeUnauthenticated)
	})
}

func TestAProviderThatIsAwayIsAskedAgainLater(t *testing.T) {
	t.Run("at the first sign-in", func(t *testing.T) {
		o := open(t)
		o.at.SetDown(true)
		_, err := o.Begin(get(redirectURL), "")
		o.refused(t, err, wattline.CodeNoResponder)
		o.at.SetDown(false)
		if _, err := o.signIn(t, oidctest.Ana("staff")); err != nil {
			t.Error(err)
		}
	})
	t.Run("between the ways there and back", func(t *testing.T) {
		o := open(t)
		departure := o.begin(t)
		back := get(o.at.Visit(departure.URL, oidctest.Ana("staff")).String(), departure.Cookie)
		o.at.SetDown(true)
		_, err := o.Finish(back)
		o.refused(t, err, wattline.CodeNoResponder)
		o.at.SetDown(false)
		if _, err := o.Finish(back); err != nil {
			t.Error(err)
		}
	})
	t.Run("but not for each request", func(t *testing.T) {
		o := open(t, func(options *oidc.Options) { options.Retry = time.Hour })
		o.at.SetDown(true)
		for range 5 {
			_, err := o.Begin(get(redirectURL), "")
			o.refused(t, err, wattline.CodeNoResponder)
		}
		if o.at.Asked() > 2 { // a client may ask once more when its connection ends
			t.Errorf("%d times", o.at.Asked())
		}
	})
	t.Run("as is one that calls itself something else", func(t *testing.T) {
		o := open(t, func(options *oidc.Options) { options.Issuer += "/" })
		_, err := o.Begin(get(redirectURL), "")
		o.refused(t, err, wattline.CodeNoResponder)
	})
}

func TestAProviderIsReachedWithCare(t *testing.T) {
	var spaces int
	var keys string
	mux := http.NewServeMux()
	server := httptest.NewTLSServer(mux)
	defer server.Close()
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	mux.HandleFunc("/.well-known/openid-configuration", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"issuer":%q,%*s"authorization_endpoint":"https://a","token_endpoint":"https://b","jwks_uri":%q}`, server.URL, spaces, "", keys)
	})
	mux.HandleFunc("/moved/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, "/.well-known/openid-configuration", http.StatusFound)
	})
	known := x509.NewCertPool()
	known.AddCert(server.Certificate())
	for name, c := range map[string]struct {
		path   string
		roots  *x509.CertPool
		spaces int
		keys   string
		works  bool
	}{
		"by a certificate of the given authority": {roots: known, works: true},
		"not by one that nobody knows":            {},
		"not by a redirect":                       {roots: known, path: "/moved"},
		"not by an endless answer":                {roots: known, spaces: 2 << 20},
		"not by keys in the clear":                {roots: known, keys: "http://c"},
	} {
		t.Run(name, func(t *testing.T) {
			spaces, keys = c.spaces, cmp.Or(c.keys, "https://c")
			p, err := oidc.New(oidc.Options{
				Issuer: server.URL + c.path, ClientID: "w", ClientSecret: "s", RedirectURL: redirectURL, Roots: c.roots,
			})
			if err != nil {
				t.Fatal(err)
			}
			if err := p.Check(t.Context()); (err == nil) != c.works {
				t.Errorf("the check says %v", err)
			}
			if _, err := p.Begin(get(redirectURL), ""); (err == nil) != c.works {
				t.Errorf("%v", err)
			}
		})
	}
}
