package api_test

import (
	"context"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

const password = "correct horse battery"

// withAccounts gives a gateway a token, which may do nothing because guests tells who
// asks, the users ana and bob, and an audit.
func withAccounts(t testing.TB) func(*api.Options) {
	t.Helper()
	folder := t.TempDir()
	opened, err := accounts.Open(t.Context(), accounts.Options{Path: accounts.Path(folder)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	if _, _, err := opened.CreateToken(t.Context(), accounts.NewToken{Name: "first", Role: access.Viewer, Scope: access.Everything()}); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"ana", "bob"} {
		user := accounts.NewUser{Name: name, Password: password, Role: access.Operator, Scope: access.Everything()}
		if _, err := opened.CreateUser(t.Context(), user); err != nil {
			t.Fatal(err)
		}
	}
	kept := keepAudit(t, audit.Path(folder))
	return func(options *api.Options) { options.Accounts, options.Audit = opened, kept }
}

func keepAudit(t testing.TB, path string) *audit.Log {
	t.Helper()
	kept, err := audit.Open(context.Background(), audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- kept.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := errors.Join(<-ended, kept.Close()); err != nil {
			t.Error(err)
		}
	})
	return kept
}

// realIdentities has a gateway ask the accounts themselves who makes a request.
func realIdentities(options *api.Options) { options.Identities = options.Accounts }

// everyAccount brings about what the routes of tokens, users and sessions answer
// besides what all routes do.
func everyAccount(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t))
	for id, target := range map[string]string{
		"getToken": "/api/v1/tokens/none", "revokeToken": "/api/v1/tokens/none", "getUser": "/api/v1/users/none",
		"putUser": "/api/v1/users/none", "removeUser": "/api/v1/users/none",
	} {
		a := o.do(t, one[id].method, target, one[id].body)
		wantProblem(t, a, wattline.CodeNotFound, "")
		note(id, a.status)
	}
	for _, id := range []string{"createToken", "createUser"} {
		o.do(t, one[id].method, one[id].target, one[id].body)
		a := o.do(t, one[id].method, one[id].target, one[id].body)
		wantProblem(t, a, wattline.CodeConflict, "")
		note(id, a.status)
	}
	a := o.do(t, http.MethodPost, "/api/v1/session", `{"name":"ana","password":"something else"}`)
	wantProblem(t, a, wattline.CodeUnauthenticated, "")
	note("signIn", a.status)
	o.guests.let("floor", inScope(t, access.Admin, "hq/f1"))
	a = o.doAs(t, "floor", http.MethodGet, "/api/v1/audit?device=printer-1", "")
	wantProblem(t, a, wattline.CodeNotFound, "")
	note("getAudit", a.status)
	picky := request(http.MethodGet, "/api/v1/audit", "")
	picky.Header.Set("Accept", "image/png")
	note("getAudit", o.send(t, picky).status)
	o.SetComplete(false)
	note("getAudit", o.doAs(t, "floor", http.MethodGet, "/api/v1/audit", "").status)
	everyBrokenFile(t, note)
}

// everyBrokenFile asks while the files cannot be read.
func everyBrokenFile(t *testing.T, note func(string, int)) {
	var opened *accounts.Accounts
	o := open(t, withAccounts(t), func(options *api.Options) { options.Audit, opened = unreadableAudit{}, options.Accounts })
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	note("getAudit", o.get(t, "/api/v1/audit").status)
	slow := open(t, func(options *api.Options) { options.Audit, options.Limits.QueryTimeout = slowAudit{}, time.Millisecond })
	a := slow.get(t, "/api/v1/audit")
	wantProblem(t, a, wattline.CodeTimeout, "")
	note("getAudit", a.status)
	for _, id := range []string{
		"createToken", "listTokens", "getToken", "revokeToken", "createUser", "listUsers", "getUser", "putUser", "removeUser", "signIn",
	} {
		a := o.do(t, one[id].method, one[id].target, one[id].body)
		wantProblem(t, a, wattline.CodeInternal, "")
		note(id, a.status)
	}
	r := request(http.MethodDelete, "/api/v1/session", "")
	r.AddCookie(&http.Cookie{Name: accounts.SessionCookie, Value: "wl_" + strings.Repeat("A", 26)})
	note("signOut", o.send(t, r).status)
}

// slowAudit takes records and reads for ever.
type slowAudit struct{ unreadableAudit }

func (slowAudit) Records(ctx context.Context, _ audit.Query) ([]audit.Record, error) {
	<-ctx.Done()
	return nil, errors.New("interrupted")
}

// unreadableAudit takes records and gives none back.
type unreadableAudit struct{}

func (unreadableAudit) Append(context.Context, ...audit.Entry) error { return nil }

func (unreadableAudit) Records(context.Context, audit.Query) ([]audit.Record, error) {
	return nil, errors.New("the disk is gone")
}

func TestTokensOverTheAPI(t *testing.T) {
	o := open(t, withAccounts(t))
	a := o.do(t, http.MethodPost, "/api/v1/tokens", `{"name":"research","role":"operator","scope":" hq/f1 , kind:printer"}`)
	created := decoded[api.CreatedToken](t, a)
	t.Run("are made, and show their secret once", func(t *testing.T) {
		if a.status != http.StatusCreated || a.header.Get("Location") != "/api/v1/tokens/"+created.ID || !strings.HasPrefix(created.Secret, "wl_") {
			t.Errorf("%d %s %s", a.status, a.header, a.body)
		}
		if created.Scope.String() != "hq/f1,kind:printer" || created.ExpiresAt == nil || created.ExpiresAt.Sub(created.CreatedAt.Time).Round(time.Minute) != 90*24*time.Hour {
			t.Errorf("%+v", created)
		}
		for _, target := range []string{"/api/v1/tokens", "/api/v1/tokens/" + created.ID} {
			if got := o.get(t, target); got.status != http.StatusOK || strings.Contains(string(got.body), created.Secret) {
				t.Errorf("%s: %d %s", target, got.status, got.body)
			}
		}
	})
	t.Run("are refused with every fault named", func(t *testing.T) {
		for body, field := range map[string]string{
			`{"name":"B","role":"viewer","scope":"*"}`:                     "name",
			`{"name":"b","role":"root","scope":"*"}`:                       "role",
			`{"name":"b","role":"viewer","scope":"hq//f1"}`:                "scope",
			`{"name":"b","role":"viewer","scope":"*","expires":"soon"}`:    "expires",
			`{"name":"b","role":"viewer","scope":"*","expires":"0d"}`:      "expires",
			`{"name":"b","role":"viewer","scope":"*","expires":"2020-01"}`: "expires",
			`{"name":"b","role":"viewer"}`:                                 "scope",
			`{"name":"b","role":"viewer","scope":"*","secret":"wl_"}`:      "secret",
		} {
			wantProblem(t, o.do(t, http.MethodPost, "/api/v1/tokens", body), wattline.CodeInvalid, field)
		}
	})
	t.Run("come in pages", func(t *testing.T) {
		first := decoded[api.TokenList](t, o.get(t, "/api/v1/tokens?limit=1"))
		second := decoded[api.TokenList](t, o.get(t, "/api/v1/tokens?limit=1&cursor="+first.Next))
		if len(first.Tokens) != 1 || len(second.Tokens) != 1 || first.Tokens[0].ID >= second.Tokens[0].ID || second.Next != "" {
			t.Errorf("%+v, %+v", first, second)
		}
	})
	t.Run("belong to admins of everything", func(t *testing.T) {
		for token, who := range map[string]access.Principal{
			"floor": inScope(t, access.Admin, "hq/f1"), "operator": inScope(t, access.Operator, "*"),
		} {
			o.guests.let(token, who)
			for _, target := range []string{"/api/v1/tokens", "/api/v1/users"} {
				wantProblem(t, o.doAs(t, token, http.MethodGet, target, ""), wattline.CodeForbidden, "")
			}
		}
	})
	t.Run("are not kept everywhere", func(t *testing.T) {
		wantProblem(t, open(t).get(t, "/api/v1/tokens"), wattline.CodeForbidden, "")
	})
}

// browser signs in and goes on with its cookie.
func browser(t *testing.T, o *office) func(method, target, body string) answer {
	t.Helper()
	signedIn := o.do(t, http.MethodPost, "/api/v1/session", `{"name":"ana","password":"`+password+`"}`)
	if signedIn.status != http.StatusOK {
		t.Fatalf("%d %s", signedIn.status, signedIn.body)
	}
	cookie := (&http.Response{Header: signedIn.header}).Cookies()[0]
	return func(method, target, body string) answer {
		r := request(method, target, body)
		r.AddCookie(cookie)
		return o.send(t, r)
	}
}

func TestSessionsOverTheAPI(t *testing.T) {
	o := open(t, withAccounts(t), realIdentities)
	ana := browser(t, o)
	t.Run("know who signed in", func(t *testing.T) {
		if me := decoded[api.Me](t, ana(http.MethodGet, "/api/v1/me", "")); me.Name != "user:ana" || me.Role != access.Operator || me.Scope.String() != "*" {
			t.Errorf("%+v", me)
		}
	})
	t.Run("end by signing out", func(t *testing.T) {
		if a := ana(http.MethodDelete, "/api/v1/session", ""); a.status != http.StatusNoContent || !strings.Contains(a.header.Get("Set-Cookie"), "Max-Age=0") {
			t.Errorf("%d %s", a.status, a.header)
		}
		wantProblem(t, ana(http.MethodGet, "/api/v1/me", ""), wattline.CodeUnauthenticated, "")
	})
	t.Run("are not begun by a page of another origin", func(t *testing.T) {
		r := request(http.MethodPost, "/api/v1/session", `{"name":"ana","password":"`+password+`"}`)
		r.Header.Set("Origin", "https://evil.example")
		wantProblem(t, o.send(t, r), wattline.CodeForbidden, "")
	})
	t.Run("wait after too many wrong passwords", func(t *testing.T) {
		for range 50 {
			a := o.do(t, http.MethodPost, "/api/v1/session", `{"name":"bob","password":"wrong"}`)
			if a.status == http.StatusTooManyRequests {
				if seconds := a.header.Get("Retry-After"); seconds == "" || seconds == "0" || seconds == "1" {
					t.Errorf("Retry-After %q", seconds)
				}
				return
			}
		}
		t.Error("50 tries went through")
	})
}

func TestEachTokenMayAskSoOften(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Limits.RequestsPerS, options.Limits.Burst = 0.1, 3 })
	o.guests.let("other", inScope(t, access.Viewer, "*"))
	for range 3 {
		if a := o.get(t, "/api/v1/me"); a.status != http.StatusOK {
			t.Fatalf("%d %s", a.status, a.body)
		}
	}
	a := o.get(t, "/api/v1/me")
	wantProblem(t, a, wattline.CodeBusy, "")
	if a.header.Get("Retry-After") != "10" {
		t.Errorf("Retry-After %q", a.header.Get("Retry-After"))
	}
	if a := o.doAs(t, "other", http.MethodGet, "/api/v1/me", ""); a.status != http.StatusOK {
		t.Errorf("another token: %d", a.status)
	}
	if a := o.get(t, "/-/healthy"); a.status != http.StatusOK {
		t.Errorf("health: %d", a.status)
	}
}
