package oidc

import (
	"context"
	"fmt"
	"strings"
	"time"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/wattline/wattline"
)

// discovery is what the provider says of itself, once it has been asked.
type discovery struct {
	// turn holds what follows; whoever waits for it can go.
	turn   chan struct{}
	found  *found
	failed time.Time
}

// found is a provider that has been reached.
type found struct {
	config   *oauth2.Config
	verifier *gooidc.IDTokenVerifier
}

// discover asks the provider what it is, the first time that somebody signs in. One that
// could not be reached is asked again by whoever signs in after a pause, and others
// are told at once: anybody can have us ask.
func (p *Provider) discover(ctx context.Context) (*found, error) {
	d := &p.discovery
	select {
	case d.turn <- struct{}{}:
		defer func() { <-d.turn }()
	case <-ctx.Done():
		return nil, unreachable()
	}
	if d.found != nil {
		return d.found, nil
	}
	if time.Since(d.failed) < p.options.Retry {
		return nil, unreachable()
	}
	// It is for all who wait, whether or not who came first still does.
	asking, cancel := p.asking(context.WithoutCancel(ctx))
	defer cancel()
	provider, err := p.ask(asking)
	if err != nil {
		d.failed = time.Now()
		p.log.Warn("the provider for signing in cannot be used; it is tried again", "error", fmt.Sprintf("%.300s", err))
		return nil, unreachable()
	}
	d.found = &found{
		config: &oauth2.Config{
			ClientID: p.options.ClientID, ClientSecret: p.options.ClientSecret, Endpoint: provider.Endpoint(),
			RedirectURL: p.options.RedirectURL, Scopes: p.options.Scopes,
		},
		verifier: provider.VerifierContext(asking, &gooidc.Config{
			ClientID: p.options.ClientID,
			Now:      func() time.Time { return time.Now().Add(-skew) },
		}),
	}
	return d.found, nil
}

// Check asks the provider what it is, for whoever wants to know what is wrong with it.
func (p *Provider) Check(ctx context.Context) error {
	asking, cancel := p.asking(ctx)
	defer cancel()
	_, err := p.ask(asking)
	return err
}

// ask refuses a provider that would have the secret, the codes or its keys go in the
// clear, and is not on loopback itself.
func (p *Provider) ask(ctx context.Context) (*gooidc.Provider, error) {
	provider, err := gooidc.NewProvider(ctx, p.options.Issuer)
	if err != nil || !encrypted(p.options.Issuer) {
		return provider, err
	}
	var says struct {
		Keys string `json:"jwks_uri"`
	}
	if err := provider.Claims(&says); err != nil {
		return nil, err
	}
	for _, at := range []string{provider.Endpoint().AuthURL, provider.Endpoint().TokenURL, says.Keys} {
		if !encrypted(at) {
			return nil, fmt.Errorf("the provider names a URL that is not of https: %.200q", at)
		}
	}
	return provider, nil
}

func encrypted(url string) bool { return strings.HasPrefix(url, "https://") }

func unreachable() error {
	return wattline.Errorf(wattline.CodeNoResponder, "the provider for signing in does not answer as one; the log says why")
}
