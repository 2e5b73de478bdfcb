package config

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"os"
	"strings"

	"github.com/wattline/wattline/internal/access"
)

// OIDC is a provider at which people sign in (OpenID Connect).
type OIDC struct {
	// Issuer is the provider's URL, to the letter as it says it itself; empty for none.
	Issuer   string `yaml:"issuer"`
	ClientID string `yaml:"client_id"`
	// ClientSecretFile holds the client's secret; WATTLINE_OIDC_CLIENT_SECRET goes
	// before it.
	ClientSecretFile string `yaml:"client_secret_file"`
	// RedirectURL is the gateway's callback as browsers see it.
	RedirectURL string `yaml:"redirect_url"`
	// CAFile holds the certificates that the provider is checked against, instead of
	// the system's.
	CAFile string `yaml:"ca_file"`
	// Scopes are asked for besides openid.
	Scopes []string `yaml:"scopes"`
	// NameClaim is what somebody is known by, GroupsClaim what their groups are in.
	NameClaim   string `yaml:"name_claim"`
	GroupsClaim string `yaml:"groups_claim"`
	// Rights are looked at in order; the first one whose group somebody is in counts.
	Rights []OIDCRight `yaml:"rights"`
}

// OIDCRight is what a group gives.
type OIDCRight struct {
	Group string `yaml:"group"`
	Role  string `yaml:"role"`
	Scope string `yaml:"scope"`
}

// On tells whether there is a provider.
func (o OIDC) On() bool { return o.Issuer != "" }

// OIDCCallback is the path of RedirectURL.
const OIDCCallback = "/api/v1/session/oidc/callback"

func (c Config) checkOIDC(found *checker) {
	o := c.OIDC
	if !o.On() {
		if o.ClientID != "" || o.ClientSecretFile != "" || o.RedirectURL != "" || len(o.Rights) > 0 {
			found.fail("oidc.issuer", "is missing")
		}
		return
	}
	if _, err := safeURL(o.Issuer); err != nil {
		found.check("oidc.issuer", err)
	}
	if redirect, err := safeURL(o.RedirectURL); err != nil {
		found.check("oidc.redirect_url", err)
	} else if redirect.Path != OIDCCallback {
		found.fail("oidc.redirect_url", "must be the URL under which browsers reach the gateway, and "+OIDCCallback)
	}
	if o.ClientID == "" {
		found.fail("oidc.client_id", "is missing")
	}
	for key, claim := range map[string]string{"oidc.name_claim": o.NameClaim, "oidc.groups_claim": o.GroupsClaim} {
		if claim == "" {
			found.fail(key, "must name a claim of the ID token")
		}
	}
	for i, scope := range o.Scopes {
		if scope == "" || strings.ContainsAny(scope, " \"\\") {
			found.fail(fmt.Sprintf("oidc.scopes[%d]", i), "must be one word")
		}
	}
	if len(o.Rights) == 0 {
		found.fail("oidc.rights", "is missing: without it nobody may enter")
	}
	for i, right := range o.Rights {
		key := fmt.Sprintf("oidc.rights[%d]", i)
		if right.Group == "" {
			found.fail(key+".group", "is missing")
		}
		_, err := access.ParseRole(right.Role)
		found.check(key+".role", err)
		_, err = access.ParseScope(right.Scope)
		found.check(key+".scope", err)
	}
}

// safeURL takes https, and http for what is on this machine.
func safeURL(text string) (*url.URL, error) {
	parsed, err := url.Parse(text)
	if err != nil || parsed.Hostname() == "" || parsed.User != nil || parsed.RawQuery != "" || parsed.Fragment != "" ||
		parsed.Scheme != "https" && (parsed.Scheme != "http" || !onLoopback(parsed.Hostname())) {
		return nil, errors.New("must be a URL of https, without a user and a query; http is for loopback only")
	}
	return parsed, nil
}

func onLoopback(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && address.IsLoopback()
}

// OIDCSecret is the client's secret at the provider.
func (c Config) OIDCSecret() (string, error) {
	const variable, key = "WATTLINE_OIDC_CLIENT_SECRET", "oidc.client_secret_file"
	secret, err := c.secret(variable, key, c.OIDC.ClientSecretFile)
	if err == nil && secret == "" {
		err = fmt.Errorf("%s is missing, and so is %s", key, variable)
	}
	return secret, err
}

// OIDCCA is the content of CAFile; nil if there is none.
func (c Config) OIDCCA() ([]byte, error) {
	if c.OIDC.CAFile == "" {
		return nil, nil
	}
	pem, err := os.ReadFile(c.path(c.OIDC.CAFile))
	if err != nil {
		return nil, fmt.Errorf("oidc.ca_file: %w", err)
	}
	return pem, nil
}
