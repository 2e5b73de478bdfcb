// Package oidc lets people sign in at an OpenID Connect provider, by the authorization
// code flow with PKCE (RFC 7636), and says which role and scope their groups give them.
package oidc

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"slices"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"

	"github.com/wattline/wattline/internal/access"
)

// Options configure a Provider. Issuer, ClientID, ClientSecret and RedirectURL are
// required.
type Options struct {
	// Issuer is the provider's URL, to the letter as it says it itself.
	Issuer                 string
	ClientID, ClientSecret string
	// RedirectURL is where the provider sends browsers back to: that of the callback,
	// as browsers see it.
	RedirectURL string
	// Scopes are asked for besides openid.
	Scopes []string
	// NameClaim is what somebody is known by, sub if empty; GroupsClaim has their
	// groups, groups if empty.
	NameClaim, GroupsClaim string
	// Rights are looked at in order; the first one whose group somebody is in counts.
	Rights []Right
	// Roots are what the provider's certificate is checked against; nil for the
	// system's.
	Roots *x509.CertPool
	// Retry is how long a provider that could not be reached is left alone; 5 s.
	Retry time.Duration
	Log   *slog.Logger
}

// Provider is where people sign in. It need not be there until somebody does. The
// methods are safe for concurrent use.
type Provider struct {
	options   Options
	log       *slog.Logger
	client    *http.Client
	discovery discovery
	// exchanges bounds how many codes are being redeemed.
	exchanges chan struct{}
}

const (
	// timeout bounds each question to the provider, with all that it leads to.
	timeout = 10 * time.Second
	// maxAnswer bounds what is read of an answer.
	maxAnswer    = 1 << 20
	maxExchanges = 16
	// skew is by how much the clocks may differ.
	skew = time.Minute
)

// New makes a provider. It asks nobody anything yet.
func New(options Options) (*Provider, error) {
	if options.Issuer == "" || options.ClientID == "" || options.ClientSecret == "" || options.RedirectURL == "" {
		return nil, errors.New("sign-in by OpenID Connect: issuer, client id, client secret and redirect URL are needed")
	}
	options.NameClaim = cmp.Or(options.NameClaim, "sub")
	options.GroupsClaim = cmp.Or(options.GroupsClaim, "groups")
	options.Retry = cmp.Or(options.Retry, 5*time.Second)
	if !slices.Contains(options.Scopes, gooidc.ScopeOpenID) {
		options.Scopes = slices.Concat([]string{gooidc.ScopeOpenID}, options.Scopes)
	}
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	p := &Provider{
		options: options, log: options.Log.With("issuer", options.Issuer), client: newClient(options.Roots),
		exchanges: make(chan struct{}, maxExchanges),
	}
	p.discovery.turn = make(chan struct{}, 1)
	return p, nil
}

// Host is the provider's, for people.
func (p *Provider) Host() string {
	issuer, err := url.Parse(p.options.Issuer)
	if err != nil {
		return p.options.Issuer
	}
	return issuer.Host
}

// Right is what a group gives.
type Right struct {
	Group string
	Role  access.Role
	Scope access.Scope
}

// newClient follows no redirects: what the provider says of itself is where it is, and
// a code must not go elsewhere.
func newClient(roots *x509.CertPool) *http.Client {
	return &http.Client{
		Timeout: timeout,
		Transport: bounded{&http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			TLSClientConfig:       &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
			ForceAttemptHTTP2:     true,
			DisableKeepAlives:     true, // somebody signs in now and then
			ResponseHeaderTimeout: timeout,
		}},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// bounded lets no answer be longer than maxAnswer.
type bounded struct{ http.RoundTripper }

func (b bounded) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := b.RoundTripper.RoundTrip(r)
	if err == nil {
		response.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(response.Body, maxAnswer), response.Body}
	}
	return response, err
}

// asking is a context for questions to the provider.
func (p *Provider) asking(ctx context.Context) (context.Context, context.CancelFunc) {
	return context.WithTimeout(gooidc.ClientContext(ctx, p.client), timeout)
}
