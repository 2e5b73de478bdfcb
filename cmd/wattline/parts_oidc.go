package main

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"

	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/config"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// signInProvider is where people sign in; nil where none is configured. Sessions by an
// earlier configuration end.
func (p *process) signInProvider(ctx context.Context) (*oidc.Provider, error) {
	if err := p.accounts.EndProvided(ctx); err != nil {
		return nil, err
	}
	if !p.Config.OIDC.On() {
		return nil, nil //nolint:nilnil // none is wanted
	}
	return newProvider(p.Config, p.log)
}

// newProvider is the provider that is configured. It is asked nothing yet.
func newProvider(c config.Config, log *slog.Logger) (*oidc.Provider, error) {
	secret, err := c.OIDCSecret()
	if err != nil {
		return nil, err
	}
	roots, err := providerRoots(c)
	if err != nil {
		return nil, err
	}
	rights, err := providerRights(c.OIDC.Rights)
	if err != nil {
		return nil, err
	}
	wanted := c.OIDC
	return oidc.New(oidc.Options{
		Issuer: wanted.Issuer, ClientID: wanted.ClientID, ClientSecret: secret, RedirectURL: wanted.RedirectURL,
		Scopes: wanted.Scopes, NameClaim: wanted.NameClaim, GroupsClaim: wanted.GroupsClaim, Rights: rights,
		Roots: roots, Log: log,
	})
}

func providerRights(given []config.OIDCRight) ([]oidc.Right, error) {
	rights := make([]oidc.Right, len(given))
	for i, right := range given {
		role, err := access.ParseRole(right.Role)
		if err != nil {
			return nil, fmt.Errorf("oidc.rights[%d].role %w", i, err)
		}
		scope, err := access.ParseScope(right.Scope)
		if err != nil {
			return nil, fmt.Errorf("oidc.rights[%d].scope %w", i, err)
		}
		rights[i] = oidc.Right{Group: right.Group, Role: role, Scope: scope}
	}
	return rights, nil
}

func providerRoots(c config.Config) (*x509.CertPool, error) {
	pem, err := c.OIDCCA()
	if pem == nil || err != nil {
		return nil, err
	}
	roots, err := tlsfiles.Pool(pem)
	if err != nil {
		return nil, fmt.Errorf("oidc.ca_file %w", err)
	}
	return roots, nil
}
