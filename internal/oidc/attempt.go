package oidc

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/wattline/wattline/internal/https"
)

// attempt is a sign-in that a browser has begun. All of it is in a cookie of that
// browser, so nothing is kept here and any gateway can go on with it. What goes through
// the provider is derived from the secret, one way: an answer fits only the browser
// that has the cookie.
type attempt struct {
	secret string
	// returnTo is where the browser goes in the end; empty for nowhere in particular.
	returnTo string
}

func newAttempt(returnTo string) attempt { return attempt{rand.Text(), returnTo} }

// state, nonce and verifier are 256 bits each, in 43 characters.
func (a attempt) state() string    { return a.derive("state") }
func (a attempt) nonce() string    { return a.derive("nonce") }
func (a attempt) verifier() string { return a.derive("code_verifier") }

func (a attempt) derive(purpose string) string {
	mac := hmac.New(sha256.New, []byte(a.secret))
	mac.Write([]byte(purpose))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// attemptTime is what somebody has for signing in at the provider.
const attemptTime = 10 * time.Minute

// The cookie's name; over TLS it is one that a browser takes from this very host only,
// so that no neighbour can have somebody finish a sign-in of theirs.
const (
	cookieName       = "wattline_oidc"
	secureCookieName = "__Host-" + cookieName
)

// cookie is what the browser keeps until it comes back.
func (a attempt) cookie(secure bool) *http.Cookie {
	value := a.secret + "." + base64.RawURLEncoding.EncodeToString([]byte(a.returnTo))
	return cookieOf(secure, value, int(attemptTime.Seconds()))
}

func noCookie(secure bool) *http.Cookie {
	const atOnce = -1
	return cookieOf(secure, "", atOnce)
}

func cookieOf(secure bool, value string, seconds int) *http.Cookie {
	//nolint:gosec // Lax, for it comes back from another site; over plain HTTP a browser would not send a secure one
	return &http.Cookie{
		Name: nameOfCookie(secure), Value: value, MaxAge: seconds, Path: "/",
		HttpOnly: true, Secure: secure, SameSite: http.SameSiteLaxMode,
	}
}

func nameOfCookie(secure bool) string {
	if secure {
		return secureCookieName
	}
	return cookieName
}

// attemptOf is what a browser has begun.
func attemptOf(r *http.Request) (a attempt, begun bool) {
	c, err := r.Cookie(nameOfCookie(https.Used(r)))
	if err != nil {
		return attempt{}, false
	}
	secret, encoded, _ := strings.Cut(c.Value, ".")
	returnTo, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil || len(secret) != len(rand.Text()) || CheckReturnTo(string(returnTo)) != nil {
		return attempt{}, false
	}
	return attempt{secret, string(returnTo)}, true
}

const maxReturnTo = 500

// CheckReturnTo tells why a text is no place on this server to send a browser to. An
// empty one is none, and in order.
func CheckReturnTo(text string) error {
	if text == "" {
		return nil
	}
	// Browsers take \ for / and drop tabs and line ends.
	strange := strings.ContainsFunc(text, func(char rune) bool { return char <= ' ' || char == '\\' || char >= 0x7f })
	parsed, err := url.Parse(text)
	if err != nil || strange || len(text) > maxReturnTo || text[0] != '/' || strings.HasPrefix(text, "//") ||
		parsed.Scheme != "" || parsed.Host != "" {
		return errors.New("must be a path on this server such as /docs, of at most 500 characters")
	}
	return nil
}
