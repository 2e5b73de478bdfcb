package accounts_test

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
)

const password = "correct horse battery"

func addAna(t *testing.T, a *accounts.Accounts) {
	t.Helper()
	_, err := a.CreateUser(t.Context(), accounts.NewUser{Name: "ana", Password: password, Role: access.Operator, Scope: scope(t, "hq/f1")})
	if err != nil {
		t.Fatal(err)
	}
}

func signIn(t *testing.T, a *accounts.Accounts, name, password, from string) (accounts.Session, error) {
	t.Helper()
	return a.SignIn(context.Background(), accounts.SignIn{Name: name, Password: password, RemoteAddr: from})
}

func mustSignIn(t *testing.T, a *accounts.Accounts) accounts.Session {
	t.Helper()
	session, err := signIn(t, a, "ana", password, "192.0.2.7:1")
	if err != nil {
		t.Fatal(err)
	}
	return session
}

func withSession(method string, s accounts.Session) *http.Request {
	r := request(method)
	r.AddCookie(s.Cookie(r))
	return r
}

func TestUsers(t *testing.T) {
	world(t, func(t *testing.T, _ string, a *accounts.Accounts) {
		addAna(t, a)
		step(t, "sign in with their password alone", func(t *testing.T) {
			who := accepted(t, a, withSession(http.MethodGet, mustSignIn(t, a)), "user:ana")
			if who.Role != access.Operator || who.Scope.String() != "hq/f1" {
				t.Errorf("%+v", who)
			}
			for name, wrong := range map[string][2]string{
				"a wrong password": {"ana", "correct horse batterz"}, "no password": {"ana", ""}, "somebody else": {"bob", password},
			} {
				_, err := signIn(t, a, wrong[0], wrong[1], "192.0.2.7:1")
				if known := wattline.AsError(err); known == nil || known.Code != wattline.CodeUnauthenticated ||
					known.Message != "there is no user with this name and password" {
					t.Errorf("%s: %v", name, err)
				}
			}
		})
		step(t, "have names that are taken once, and passwords of some length", func(t *testing.T) {
			_, err := a.CreateUser(t.Context(), accounts.NewUser{Name: "ana", Password: password, Role: access.Viewer, Scope: access.Everything()})
			wantCode(t, err, wattline.CodeConflict)
			_, err = a.CreateUser(t.Context(), accounts.NewUser{Name: "bob", Password: "elevenchars", Role: access.Viewer, Scope: access.Everything()})
			if known := wattline.AsError(err); known.Code != wattline.CodeInvalid || known.Fields[0].Field != "password" {
				t.Errorf("%v", err)
			}
		})
		step(t, "keep their sessions when their rights change, with the new rights", func(t *testing.T) {
			session := mustSignIn(t, a)
			viewer := access.Viewer
			if user, err := a.ChangeUser(t.Context(), "ana", accounts.UserChange{Role: &viewer}); err != nil || user.Role != viewer || user.Scope.String() != "hq/f1" {
				t.Fatal(user, err)
			}
			if who := accepted(t, a, withSession(http.MethodGet, session), "user:ana"); who.Role != viewer {
				t.Errorf("%+v", who)
			}
		})
		step(t, "lose their sessions with their password", func(t *testing.T) {
			session, another := mustSignIn(t, a), "another good one"
			if _, err := a.ChangeUser(t.Context(), "ana", accounts.UserChange{Password: &another}); err != nil {
				t.Fatal(err)
			}
			refused(t, a, withSession(http.MethodGet, session))
			if _, err := signIn(t, a, "ana", password, "192.0.2.7:1"); err == nil {
				t.Error("the old password is still good")
			}
			if _, err := signIn(t, a, "ana", another, "192.0.2.7:1"); err != nil {
				t.Error(err)
			}
		})
		step(t, "lose their sessions when they are removed", func(t *testing.T) {
			session, err := signIn(t, a, "ana", "another good one", "192.0.2.7:1")
			if err != nil {
				t.Fatal(err)
			}
			if err := a.RemoveUser(t.Context(), "ana"); err != nil {
				t.Fatal(err)
			}
			refused(t, a, withSession(http.MethodGet, session))
			if users, err := a.Users(t.Context()); err != nil || len(users) != 0 {
				t.Error(users, err)
			}
			wantCode(t, a.RemoveUser(t.Context(), "ana"), wattline.CodeNotFound)
			_, err = a.ChangeUser(t.Context(), "ana", accounts.UserChange{})
			wantCode(t, err, wattline.CodeNotFound)
		})
	})
}

func TestSessions(t *testing.T) {
	world(t, func(t *testing.T, folder string, a *accounts.Accounts) {
		addAna(t, a)
		step(t, "end when somebody signs out, for other processes within a second", func(t *testing.T) {
			other, stop := process(t, folder)
			defer stop()
			session := mustSignIn(t, a)
			time.Sleep(soon)
			accepted(t, other, withSession(http.MethodGet, session), "user:ana")
			if err := a.EndSession(t.Context(), withSession(http.MethodDelete, session)); err != nil {
				t.Fatal(err)
			}
			refused(t, a, withSession(http.MethodGet, session))
			time.Sleep(soon)
			refused(t, other, withSession(http.MethodGet, session))
		})
		step(t, "end when they are not used", func(t *testing.T) {
			session := mustSignIn(t, a)
			for range 3 {
				time.Sleep(11 * time.Hour)
				accepted(t, a, withSession(http.MethodGet, session), "user:ana")
			}
			time.Sleep(12 * time.Hour)
			refused(t, a, withSession(http.MethodGet, session))
		})
		step(t, "end after a week however much they are used", func(t *testing.T) {
			session := mustSignIn(t, a)
			for range 7 * 4 {
				accepted(t, a, withSession(http.MethodGet, session), "user:ana")
				time.Sleep(6 * time.Hour)
			}
			refused(t, a, withSession(http.MethodGet, session))
		})
		step(t, "can be had by somebody who is no user here", func(t *testing.T) {
			session, err := a.StartSession(t.Context(), accounts.NewSession{
				Principal: access.Principal{Name: "oidc:eva", Role: access.Viewer, Scope: scope(t, "hq/f2")}, RemoteAddr: "192.0.2.7:1",
			})
			if err != nil {
				t.Fatal(err)
			}
			if who := accepted(t, a, withSession(http.MethodGet, session), "oidc:eva"); who.Scope.String() != "hq/f2" {
				t.Errorf("%+v", who)
			}
			_, err = a.StartSession(t.Context(), accounts.NewSession{Principal: access.Principal{Name: "oidc:nobody"}})
			wantCode(t, err, wattline.CodeInvalid)
		})
		step(t, "of such end sooner where that is wanted, and all at once", func(t *testing.T) {
			eva := accounts.NewSession{Principal: access.Principal{Name: "oidc:eva", Role: access.Viewer, Scope: access.Everything()}, Max: time.Hour}
			start := func() accounts.Session {
				session, err := a.StartSession(t.Context(), eva)
				if err != nil {
					t.Fatal(err)
				}
				accepted(t, a, withSession(http.MethodGet, session), "oidc:eva")
				return session
			}
			short := start()
			time.Sleep(time.Hour)
			refused(t, a, withSession(http.MethodGet, short))
			ended, stays := start(), mustSignIn(t, a)
			if err := a.EndProvided(t.Context()); err != nil {
				t.Fatal(err)
			}
			refused(t, a, withSession(http.MethodGet, ended))
			accepted(t, a, withSession(http.MethodGet, stays), "user:ana")
		})
		step(t, "of one user are bounded: the first makes room", func(t *testing.T) {
			first := mustSignIn(t, a)
			for range 20 {
				time.Sleep(time.Minute)
				mustSignIn(t, a)
			}
			refused(t, a, withSession(http.MethodGet, first))
		})
		step(t, "change nothing from a page of another origin", func(t *testing.T) {
			session := mustSignIn(t, a)
			for name, header := range map[string]http.Header{
				"says the browser":         {"Sec-Fetch-Site": {"cross-site"}},
				"another of the same site": {"Sec-Fetch-Site": {"same-site"}},
				"says the origin":          {"Origin": {"https://evil.example"}},
			} {
				for method, code := range map[string]wattline.Code{
					http.MethodPut: wattline.CodeForbidden, http.MethodPost: wattline.CodeForbidden, http.MethodDelete: wattline.CodeForbidden, http.MethodGet: "",
				} {
					r := withSession(method, session)
					maps.Copy(r.Header, header)
					if _, err := a.Identify(r); (err == nil) != (code == "") || err != nil && wattline.AsError(err).Code != code {
						t.Errorf("%s, %s: %v", name, method, err)
					}
				}
			}
			r := withSession(http.MethodPut, session)
			r.Header.Set("Sec-Fetch-Site", "same-origin")
			accepted(t, a, r, "user:ana")
		})
		step(t, "have a cookie that scripts and other sites do not get", func(t *testing.T) {
			session := mustSignIn(t, a)
			plain, secure := session.Cookie(request(http.MethodPost)), session.Cookie(encrypted(request(http.MethodPost)))
			for _, cookie := range []*http.Cookie{plain, secure, accounts.NoCookie(request(http.MethodPost))} {
				if !cookie.HttpOnly || cookie.SameSite != http.SameSiteStrictMode || cookie.Path != "/" || cookie.Domain != "" {
					t.Errorf("%+v", cookie)
				}
			}
			if plain.Secure || !secure.Secure || secure.Name != "__Host-wattline_session" {
				t.Errorf("%v, %v", plain, secure)
			}
			r := encrypted(request(http.MethodGet))
			r.AddCookie(plain) // which anybody on the way can set
			refused(t, a, r)
			r.AddCookie(secure)
			accepted(t, a, r, "user:ana")
		})
	})
}

func TestWhoTriesOutPasswordsIsSlowedDown(t *testing.T) {
	world(t, func(t *testing.T, _ string, a *accounts.Accounts) {
		addAna(t, a)
		mustSignIn(t, a) // from 192.0.2.7
		tries := func(t *testing.T, name func(try int) string, from func(try int) string) int {
			t.Helper()
			for i := range 100 {
				if _, err := signIn(t, a, name(i), "wrong password", from(i)); wattline.AsError(err).Code == wattline.CodeBusy {
					return i
				}
			}
			return 100
		}
		step(t, "by the name, from wherever they come", func(t *testing.T) {
			got := tries(t, func(int) string { return "ana" }, func(i int) string { return fmt.Sprintf("198.51.100.%d:1", i) })
			if got < 3 || got > 20 {
				t.Errorf("%d tries", got)
			}
		})
		step(t, "but the user comes in from where they were before", func(t *testing.T) {
			mustSignIn(t, a)
		})
		step(t, "by the address, whoever they name", func(t *testing.T) {
			got := tries(t, func(i int) string { return fmt.Sprintf("user-%d", i) }, func(int) string { return "203.0.113.1:1" })
			if got < 5 || got > 50 {
				t.Errorf("%d tries", got)
			}
		})
		step(t, "but not those who have signed in there before", func(t *testing.T) {
			tries(t, func(i int) string { return fmt.Sprintf("user-%d", i) }, func(int) string { return "192.0.2.7:1" })
			session := mustSignIn(t, a)
			if err := a.EndSession(t.Context(), withSession(http.MethodDelete, session)); err != nil {
				t.Fatal(err)
			}
			mustSignIn(t, a) // also without a session
		})
		step(t, "and not there either, if it is their password that is tried", func(t *testing.T) {
			got := tries(t, func(int) string { return "ana" }, func(int) string { return "192.0.2.7:1" })
			if got < 3 || got > 20 {
				t.Errorf("%d tries", got)
			}
			if _, err := signIn(t, a, "ana", password, "192.0.2.7:1"); wattline.AsError(err).Code != wattline.CodeBusy {
				t.Errorf("%v", err)
			}
		})
		step(t, "for a while", func(t *testing.T) {
			time.Sleep(10 * time.Minute)
			if _, err := signIn(t, a, "ana", password, "203.0.113.1:1"); err != nil {
				t.Error(err)
			}
		})
		step(t, "where they have not signed in for long, like strangers", func(t *testing.T) {
			mustSignIn(t, a)
			time.Sleep(91 * 24 * time.Hour)
			tries(t, func(i int) string { return fmt.Sprintf("user-%d", i) }, func(int) string { return "192.0.2.7:1" })
			if _, err := signIn(t, a, "ana", password, "192.0.2.7:1"); wattline.AsError(err).Code != wattline.CodeBusy {
				t.Errorf("%v", err)
			}
		})
	})
}
