package accounts

import (
	"net/http"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// Identify is who makes a request, by the token in Authorization: Bearer or by the
// cookie of a session. It is CodeUnauthenticated without either and with one that is
// not, or no longer, valid; and CodeBusy, with a RetryAfter, for an address that has
// sent too many of those. A valid token is taken from any address: nobody can lock
// out those who share an address with them, and 130 random bits cannot be tried out.
//
// A cookie is taken for what changes something only from a page of this server.
func (a *Accounts) Identify(r *http.Request) (access.Principal, error) {
	if header, given := r.Header["Authorization"]; given {
		return a.byToken(r, header)
	}
	if session, given := sessionOf(r); given {
		return a.bySession(r, session)
	}
	return access.Principal{}, wattline.Errorf(wattline.CodeUnauthenticated,
		"this needs a token, as Authorization: Bearer wl_…, or a session; see wattline token create")
}

func (a *Accounts) byToken(r *http.Request, header []string) (access.Principal, error) {
	if secret, is := bearer(header); is {
		found := a.known.Load().tokens[digestOf(secret)]
		if found != nil && found.valid(time.Now()) {
			return found.principal, nil
		}
	}
	// The same words for all: a token that was valid once is as good as none.
	return access.Principal{}, a.guards.refused(r,
		wattline.Errorf(wattline.CodeUnauthenticated, "the token is not valid: it is mistyped, has expired or was revoked"))
}

// bearer is the credentials of an Authorization header (RFC 6750).
func bearer(header []string) (secret string, is bool) {
	if len(header) != 1 {
		return "", false
	}
	scheme, secret, _ := strings.Cut(header[0], " ")
	return secret, strings.EqualFold(scheme, "Bearer") && isSecret(secret)
}

func (a *Accounts) bySession(r *http.Request, secret string) (access.Principal, error) {
	found := a.known.Load().sessions[digestOf(secret)]
	if found == nil || !found.valid(time.Now()) {
		return access.Principal{}, a.guards.refused(r,
			wattline.Errorf(wattline.CodeUnauthenticated, "the session has ended: sign in again"))
	}
	if err := SameOrigin(r); err != nil {
		return access.Principal{}, err
	}
	return found.principal, nil
}

// SameOrigin refuses what a page of another server has a browser send to change
// something here.
func SameOrigin(r *http.Request) error {
	if err := http.NewCrossOriginProtection().Check(r); err != nil {
		return wattline.Errorf(wattline.CodeForbidden, "this was sent by a page of another origin")
	}
	return nil
}
