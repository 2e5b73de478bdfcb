package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"net/http"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/https"
)

// SignIn is what somebody who signs in sends, and from where.
type SignIn struct {
	Name, Password string
	// RemoteAddr is that of the request.
	RemoteAddr string
}

// NewSession is whose a session is to be: a user's, or that of somebody whom a
// provider vouches for.
type NewSession struct {
	// User is the user whose role and scope the session has, as they are at each
	// request; empty for somebody from elsewhere.
	User string
	// Principal is somebody from elsewhere. It is not looked at with User.
	Principal access.Principal
	// RemoteAddr is that of the request.
	RemoteAddr string
	// Max ends it before SessionMax does; 0 does not.
	Max time.Duration
}

// Session is one that has begun.
type Session struct {
	Principal access.Principal
	Expires   time.Time
	// Secret is what the cookie holds.
	Secret string
}

// maxSessions of one principal; the one that was begun first makes room.
const maxSessions = 20

// SignIn begins a session for a user. Who gives no user's name and password gets
// CodeUnauthenticated, after the same time whatever was wrong; and CodeBusy with a
// RetryAfter after too many failures of the address or the name. A user at an address
// where they have signed in before is held up by failures for that name there alone.
func (a *Accounts) SignIn(ctx context.Context, s SignIn) (Session, error) {
	if err := a.checkPassword(ctx, s); err != nil {
		return Session{}, err
	}
	return a.StartSession(ctx, NewSession{User: s.Name, RemoteAddr: s.RemoteAddr})
}

func (a *Accounts) checkPassword(ctx context.Context, s SignIn) error {
	from := place{s.Name, Network(s.RemoteAddr)}
	isKnown := time.Now().Before(a.known.Load().places[from])
	end, err := a.passwords.turn(ctx)
	if err != nil {
		return err
	}
	defer end()
	if wait := a.guards.wait(from, isKnown); wait > 0 {
		return tooMany(wait)
	}
	kept := a.passwords.nobody
	err = a.db.Reader().QueryRowContext(ctx, `SELECT password FROM users WHERE name = ?`, s.Name).Scan(&kept)
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		return err
	}
	if matches, err := a.passwords.matches(kept, s.Password); matches || err != nil {
		return err
	}
	a.guards.failed(from, isKnown)
	return wattline.Errorf(wattline.CodeUnauthenticated, "there is no user with this name and password")
}

// StartSession begins a session for somebody whose identity has been established.
func (a *Accounts) StartSession(ctx context.Context, wanted NewSession) (Session, error) {
	longest := min(cmp.Or(wanted.Max, a.options.SessionMax), a.options.SessionMax)
	begun := Session{Principal: wanted.Principal, Secret: newSecret(), Expires: time.Now().Add(longest)}
	var user, role, scope sql.NullString
	if wanted.User != "" {
		owner, err := a.User(ctx, wanted.User)
		if err != nil {
			return Session{}, err
		}
		begun.Principal = access.Principal{Name: userPrincipal(owner.Name), Role: owner.Role, Scope: owner.Scope}
		user = sql.NullString{String: owner.Name, Valid: true}
	} else {
		if err := rights(wanted.Principal.Role, wanted.Principal.Scope).Err(); err != nil {
			return Session{}, err
		}
		role = sql.NullString{String: string(begun.Principal.Role), Valid: true}
		scope = sql.NullString{String: begun.Principal.Scope.String(), Valid: true}
	}
	hash, now := digestOf(begun.Secret), time.Now().UnixMilli()
	err := a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `INSERT INTO sessions VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			hash[:], user, begun.Principal.Name, role, scope, Network(wanted.RemoteAddr), now, now, begun.Expires.UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `
			DELETE FROM sessions WHERE principal = ? AND hash NOT IN (
				SELECT hash FROM sessions WHERE principal = ? ORDER BY created_ms DESC, hash LIMIT ?)`,
			begun.Principal.Name, begun.Principal.Name, maxSessions)
		if err != nil || wanted.User == "" {
			return err
		}
		return place{wanted.User, Network(wanted.RemoteAddr)}.note(ctx, tx, time.Now())
	})
	if err != nil {
		return Session{}, err
	}
	return begun, nil
}

// EndSession ends the session of a request's cookie; without one there is nothing
// to do.
func (a *Accounts) EndSession(ctx context.Context, r *http.Request) error {
	secret, given := sessionOf(r)
	if !given {
		return nil
	}
	hash := digestOf(secret)
	return a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE hash = ?`, hash[:])
		return err
	})
}

// EndProvided ends the sessions of all whom a provider vouched for: what their groups
// give may have been changed since.
func (a *Accounts) EndProvided(ctx context.Context) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE user IS NULL`)
		return err
	})
}

// SessionCookie is the name of the cookie of a session. Over TLS it is
// SecureSessionCookie, which a browser takes from this very host only.
const (
	SessionCookie       = "wattline_session"
	SecureSessionCookie = "__Host-" + SessionCookie
)

// Cookie is what a browser is to send from now on. Scripts do not see it, and pages
// of other sites cannot have it sent.
func (s Session) Cookie(r *http.Request) *http.Cookie {
	return sessionCookie(r, s.Secret, int(time.Until(s.Expires).Seconds()))
}

// NoCookie takes the cookie away.
func NoCookie(r *http.Request) *http.Cookie {
	const atOnce = -1
	return sessionCookie(r, "", atOnce)
}

func sessionCookie(r *http.Request, secret string, seconds int) *http.Cookie {
	//nolint:gosec // over plain HTTP a browser would not send a secure one
	return &http.Cookie{
		Name: cookieName(r), Value: secret, MaxAge: seconds, Path: "/",
		HttpOnly: true, Secure: https.Used(r), SameSite: http.SameSiteStrictMode,
	}
}

func cookieName(r *http.Request) string {
	if https.Used(r) {
		return SecureSessionCookie
	}
	return SessionCookie
}

// sessionOf is the secret in a request's cookie.
func sessionOf(r *http.Request) (secret string, given bool) {
	cookie, err := r.Cookie(cookieName(r))
	if err != nil || !isSecret(cookie.Value) {
		return "", false
	}
	return cookie.Value, true
}
