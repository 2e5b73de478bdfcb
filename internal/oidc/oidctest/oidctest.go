// Package oidctest runs an OpenID provider, and a browser that goes there and comes back.
package oidctest

import (
	"net"
	"net/http"
	"net/url"
	"sync/atomic"
	"testing"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
)

// Provider runs until the test ends. The sign-ins of a test are one after the other.
type Provider struct {
	*mockoidc.MockOIDC
	down  atomic.Bool
	t     testing.TB
	asked atomic.Int64
}

// New runs a provider on loopback, with keys, discovery, codes that hold once, and PKCE.
func New(t testing.TB) *Provider {
	t.Helper()
	server, err := mockoidc.NewServer(nil)
	if err != nil {
		t.Fatal(err)
	}
	p := &Provider{MockOIDC: server, t: t}
	if err := server.AddMiddleware(p.reachable); err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0") //nolint:noctx // it ends at once
	if err != nil {
		t.Fatal(err)
	}
	if err := server.Start(listener, nil); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Shutdown(); err != nil {
			t.Error(err)
		}
	})
	return p
}

func (p *Provider) reachable(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		p.asked.Add(1)
		if p.down.Load() {
			panic(http.ErrAbortHandler)
		}
		next.ServeHTTP(w, r)
	})
}

// SetDown has it drop every connection, or not.
func (p *Provider) SetDown(down bool) { p.down.Store(down) }

// Asked is how many requests it has had.
func (p *Provider) Asked() int64 { return p.asked.Load() }

// Rotate has it sign with another key from now on, and publish no other.
func (p *Provider) Rotate() {
	p.t.Helper()
	const bits = 2048
	fresh, err := mockoidc.RandomKeypair(bits)
	if err != nil {
		p.t.Fatal(err)
	}
	p.Keypair = fresh
}

// Ana is ana with her groups.
func Ana(groups ...string) *mockoidc.MockUser {
	return &mockoidc.MockUser{
		Subject: "5f0c", Email: "ana@example.org", PreferredUsername: "ana", Groups: groups,
	}
}

// Forged is a user of whom the provider says what it should not.
type Forged struct {
	*mockoidc.MockUser
	Change func(*mockoidc.IDTokenClaims)
}

// Claims are those of the user, changed.
func (f Forged) Claims(scopes []string, claims *mockoidc.IDTokenClaims) (jwt.Claims, error) {
	f.Change(claims)
	return f.MockUser.Claims(scopes, claims)
}

// Visit is a browser that is sent to the provider, where the user signs in, and is sent
// back: the URL of the callback, with its code and state.
func (p *Provider) Visit(departure string, user mockoidc.User) *url.URL {
	p.t.Helper()
	p.QueueUser(user)
	request, err := http.NewRequestWithContext(p.t.Context(), http.MethodGet, departure, http.NoBody)
	if err != nil {
		p.t.Fatal(err)
	}
	transport := &http.Transport{DisableKeepAlives: true}
	response, err := transport.RoundTrip(request)
	if err != nil {
		p.t.Fatal(err)
	}
	defer response.Body.Close()
	back, err := response.Location()
	if err != nil {
		p.t.Fatalf("the provider answers %s to %s: %v", response.Status, departure, err)
	}
	return back
}
