package oidc

import (
	"context"
	"crypto/subtle"
	"errors"
	"fmt"
	"net/http"
	"net/url"

	gooidc "github.com/coreos/go-oidc/v3/oidc"
	"golang.org/x/oauth2"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/https"
)

// Departure is a browser's way to the provider.
type Departure struct {
	URL string
	// Cookie is what the browser brings back.
	Cookie *http.Cookie
}

// Begin sends a browser to the provider; returnTo is where it goes in the end, which
// CheckReturnTo has passed. CodeNoResponder says that the provider cannot be reached.
func (p *Provider) Begin(r *http.Request, returnTo string) (Departure, error) {
	if err := CheckReturnTo(returnTo); err != nil {
		return Departure{}, err
	}
	provider, err := p.discover(r.Context())
	if err != nil {
		return Departure{}, err
	}
	begun := newAttempt(returnTo)
	return Departure{
		URL: provider.config.AuthCodeURL(begun.state(),
			gooidc.Nonce(begun.nonce()), oauth2.S256ChallengeOption(begun.verifier())),
		Cookie: begun.cookie(https.Used(r)),
	}, nil
}

// SignedIn is somebody whom the provider vouches for.
type SignedIn struct {
	// Principal is named oidc: and their name at the provider.
	Principal access.Principal
	// Group is the one that they have their rights by.
	Group string
	// ReturnTo is what Begin was given.
	ReturnTo string
}

// NoCookie takes the cookie of Begin away, whatever became of the sign-in.
func NoCookie(r *http.Request) *http.Cookie { return noCookie(https.Used(r)) }

// Finish is of a browser that comes back from the provider. CodeUnauthenticated says
// that this browser has not begun it, that the provider refused, or that what it says
// does not hold; CodeForbidden that the groups give no rights, the name of the principal
// being known then; CodeNoResponder that the provider cannot be reached; CodeBusy that
// many sign in at once. No error shows a code or a token.
func (p *Provider) Finish(r *http.Request) (SignedIn, error) {
	begun, is := attemptOf(r)
	answer := r.URL.Query()
	if !is || !same(single(answer, "state"), begun.state()) {
		return SignedIn{}, wattline.Errorf(wattline.CodeUnauthenticated,
			"this sign-in was not begun in this browser, or more than %.0f minutes ago: begin again", attemptTime.Minutes())
	}
	if issuer, given := answer["iss"]; given && (len(issuer) != 1 || issuer[0] != p.options.Issuer) { // RFC 9207
		return SignedIn{}, p.unproven("the answer is another provider's", nil)
	}
	if answer.Has("error") {
		return SignedIn{}, p.unproven("the provider refused: "+errorWord(answer.Get("error")), nil)
	}
	code := single(answer, "code")
	if code == "" {
		return SignedIn{}, p.unproven("the answer has no code", nil)
	}
	select {
	case p.exchanges <- struct{}{}:
		defer func() { <-p.exchanges }()
	default:
		return SignedIn{}, wattline.Errorf(wattline.CodeBusy, "too many sign in at once")
	}
	token, err := p.redeem(r.Context(), begun, code)
	if err != nil {
		return SignedIn{}, err
	}
	who, err := p.principal(token)
	who.ReturnTo = begun.returnTo
	return who, err
}

// redeem gets the ID token for a code, and verifies it.
func (p *Provider) redeem(ctx context.Context, begun attempt, code string) (*gooidc.IDToken, error) {
	provider, err := p.discover(ctx)
	if err != nil {
		return nil, err
	}
	asking, cancel := p.asking(ctx)
	defer cancel()
	given, err := provider.config.Exchange(asking, code, oauth2.VerifierOption(begun.verifier()))
	if err != nil {
		return nil, p.notRedeemed(err)
	}
	raw, _ := given.Extra("id_token").(string)
	token, err := provider.verifier.Verify(asking, raw)
	if err != nil {
		return nil, p.unproven("the provider's ID token does not hold", err)
	}
	if !same(token.Nonce, begun.nonce()) {
		return nil, p.unproven("the provider's ID token is of another sign-in", nil)
	}
	if token.AccessTokenHash != "" {
		if err := token.VerifyAccessToken(given.AccessToken); err != nil {
			return nil, p.unproven("the provider's ID token goes with another access token", err)
		}
	}
	return token, nil
}

// notRedeemed is the error of an exchange. The library's has the provider's answer in
// it, which may quote the code.
func (p *Provider) notRedeemed(err error) error {
	refused, is := errors.AsType[*oauth2.RetrieveError](err)
	switch {
	case is && refused.Response.StatusCode < http.StatusInternalServerError:
		return p.unproven("the provider does not redeem the code: "+errorWord(refused.ErrorCode), nil)
	case is:
		p.log.Warn("the provider for signing in fails", "status", refused.Response.StatusCode)
	default:
		p.log.Warn("the provider for signing in gives no token", "error", fmt.Sprintf("%.300s", err))
	}
	return unreachable()
}

// unproven is the answer to somebody who is not let in. Why is for the log, because most
// of it is the operator's to mend.
func (p *Provider) unproven(reason string, cause error) error {
	attributes := []any{"reason", reason}
	if cause != nil {
		attributes = append(attributes, "error", fmt.Sprintf("%.300s", cause))
	}
	p.log.Warn("somebody could not sign in", attributes...)
	return wattline.Errorf(wattline.CodeUnauthenticated, "%s: begin again", reason)
}

// errorWord is an error of OAuth's (RFC 6749, 5.2), or what stands for others.
func errorWord(code string) string {
	const longest = 40
	for _, char := range []byte(code) {
		if (char < 'a' || char > 'z') && char != '_' {
			return "an unknown error"
		}
	}
	if code == "" || len(code) > longest {
		return "an unknown error"
	}
	return code
}

// single is a parameter that is there once.
func single(values url.Values, name string) string {
	if given := values[name]; len(given) == 1 {
		return given[0]
	}
	return ""
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
