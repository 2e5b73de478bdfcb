package api_test

import (
	"crypto/tls"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/oidc/oidctest"
)

// isProvided tells whether an operation is of signing in at a provider.
func isProvided(operationID string) bool { return strings.HasSuffix(operationID, "OIDC") }

const callbackPath = "/api/v1/session/oidc/callback"

// withProvider has people of facilities sign in as operators of hq/f1.
func withProvider(t testing.TB, at *oidctest.Provider, base string) func(*api.Options) {
	t.Helper()
	provider, err := oidc.New(oidc.Options{
		Issuer: at.Issuer(), ClientID: at.ClientID, ClientSecret: at.ClientSecret, RedirectURL: base + callbackPath,
		Scopes: []string{"profile", "groups"}, NameClaim: "preferred_username", Retry: time.Nanosecond,
		Rights: []oidc.Right{{Group: "facilities", Role: access.Operator, Scope: inScope(t, access.Operator, "hq/f1").Scope}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return func(options *api.Options) { options.OIDC = provider }
}

// comeBack begins a sign-in and is the request of the browser that comes back.
func (o *office) comeBack(t testing.TB, at *oidctest.Provider, groups ...string) *http.Request {
	t.Helper()
	begun := o.get(t, one["beginOIDC"].target)
	if begun.status != http.StatusSeeOther {
		t.Fatalf("%d %s", begun.status, begun.body)
	}
	r := request(http.MethodGet, at.Visit(begun.header.Get("Location"), oidctest.Ana(groups...)).RequestURI(), "")
	r.AddCookie((&http.Response{Header: begun.header}).Cookies()[0])
	return r
}

// everyProvidedSession brings about what the routes of a provider answer.
func everyProvidedSession(t *testing.T, note func(string, int)) {
	at := oidctest.New(t)
	var opened *accounts.Accounts
	o := open(t, withAccounts(t), withProvider(t, at, "http://127.0.0.1"), func(options *api.Options) { opened = options.Accounts })
	noted := func(id string, a answer, code wattline.Code) {
		t.Helper()
		if code != "" {
			wantProblem(t, a, code, "")
		}
		note(id, a.status)
	}
	noted("beginOIDC", o.get(t, one["beginOIDC"].target), "")
	noted("beginOIDC", o.get(t, "/api/v1/session/oidc?return_to=//evil.example"), wattline.CodeInvalid)
	noted("finishOIDC", o.get(t, callbackPath+"?state=%zz"), wattline.CodeInvalid)
	noted("finishOIDC", o.get(t, one["finishOIDC"].target), wattline.CodeUnauthenticated)
	noted("finishOIDC", o.send(t, o.comeBack(t, at, "chess")), wattline.CodeForbidden)
	noted("finishOIDC", o.send(t, o.comeBack(t, at, "facilities")), "")
	later := o.comeBack(t, at, "facilities")
	at.SetDown(true)
	noted("finishOIDC", o.send(t, later), wattline.CodeNoResponder)
	at.SetDown(false)
	if err := opened.Close(); err != nil {
		t.Fatal(err)
	}
	noted("finishOIDC", o.send(t, later), wattline.CodeInternal)

	at.SetDown(true)
	fresh := open(t, withAccounts(t), withProvider(t, at, "http://127.0.0.1"))
	noted("beginOIDC", fresh.get(t, one["beginOIDC"].target), wattline.CodeNoResponder)
	if a := fresh.get(t, "/-/healthy"); a.status != http.StatusOK {
		t.Errorf("without its provider: %d", a.status)
	}
	eventually(t, "readiness without the provider", func() bool { return fresh.get(t, "/-/ready").status == http.StatusOK })
	none := open(t, withAccounts(t))
	for _, id := range []string{"beginOIDC", "finishOIDC"} {
		noted(id, none.get(t, one[id].target), wattline.CodeNotFound)
	}
}

// browserOf keeps cookies and follows no redirect by itself.
func browserOf(t *testing.T, server *httptest.Server) func(method, target string) *http.Response {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	transport, is := server.Client().Transport.(*http.Transport)
	if !is {
		t.Fatal("another transport")
	}
	client := &http.Client{
		Jar: jar, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		Transport: &http.Transport{DisableKeepAlives: true, TLSClientConfig: &tls.Config{RootCAs: transport.TLSClientConfig.RootCAs, MinVersion: tls.VersionTLS12}},
	}
	return func(method, target string) *http.Response {
		t.Helper()
		if strings.HasPrefix(target, "/") {
			target = server.URL + target
		}
		r, err := http.NewRequestWithContext(t.Context(), method, target, http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = response.Body.Close() })
		return response
	}
}

func TestPeopleSignInAtTheProvider(t *testing.T) {
	at := oidctest.New(t)
	server := httptest.NewUnstartedServer(nil)
	server.StartTLS()
	defer server.Close()
	o := open(t, withAccounts(t), realIdentities, withProvider(t, at, server.URL))
	server.Config.Handler = o.Handler()
	browse := browserOf(t, server)

	page, err := io.ReadAll(browse(http.MethodGet, "/docs").Body)
	if err != nil || !strings.Contains(string(page), `href="/api/v1/session/oidc">Sign in with 127.0.0.1`) {
		t.Errorf("the page does not offer it: %v", err)
	}
	away := browse(http.MethodGet, "/api/v1/session/oidc?return_to=/docs%3Fhere")
	back := at.Visit(away.Header.Get("Location"), oidctest.Ana("facilities")).String()
	begun := browse(http.MethodGet, back)
	if begun.StatusCode != http.StatusSeeOther || begun.Header.Get("Location") != "/docs?here" {
		t.Fatalf("%s to %s", begun.Status, begun.Header.Get("Location"))
	}
	names := map[string]bool{}
	for _, c := range begun.Cookies() {
		names[c.Name] = c.MaxAge > 0
		if c.Name == accounts.SecureSessionCookie && (c.MaxAge > 12*60*60 || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteStrictMode) {
			t.Errorf("%v", c)
		}
	}
	if !names[accounts.SecureSessionCookie] || names["__Host-wattline_oidc"] {
		t.Errorf("cookies that stay: %v", names)
	}
	me, err := io.ReadAll(browse(http.MethodGet, "/api/v1/me").Body)
	if err != nil || string(me) != `{"name":"oidc:ana","role":"operator","scope":"hq/f1"}` {
		t.Errorf("%s, %v", me, err)
	}
	if again := browse(http.MethodGet, back); again.StatusCode != http.StatusUnauthorized {
		t.Errorf("the same answer once more: %s", again.Status)
	}
	if out := browse(http.MethodDelete, "/api/v1/session"); out.StatusCode != http.StatusNoContent {
		t.Errorf("signing out: %s", out.Status)
	}
	if after := browse(http.MethodGet, "/api/v1/me"); after.StatusCode != http.StatusUnauthorized {
		t.Errorf("after that: %s", after.Status)
	}
}

func TestSignInsAtTheProviderAreKept(t *testing.T) {
	at := oidctest.New(t)
	var kept api.Audit
	o := open(t, withAccounts(t), withProvider(t, at, "http://127.0.0.1"), func(options *api.Options) { kept = options.Audit })
	o.send(t, o.comeBack(t, at, "facilities"))
	o.send(t, o.comeBack(t, at, "chess"))
	o.get(t, callbackPath+"?state=x&code=secret")
	eventually(t, "the records", func() bool {
		records, err := kept.Records(t.Context(), audit.Query{Limit: 10})
		if err != nil || len(records) != 3 {
			return false
		}
		var told []string
		for _, r := range records {
			told = append(told, r.Who+" "+r.Action+" "+string(r.Outcome)+" "+r.Detail)
		}
		want := " session.begin refused by OpenID Connect|oidc:ana session.begin refused by OpenID Connect|" +
			"oidc:ana session.begin done by OpenID Connect, group facilities"
		if got := strings.Join(told, "|"); got != want {
			t.Errorf("got %s", got)
		}
		return true
	})
}

func TestTooManyWhoComeBackInVainWait(t *testing.T) {
	at := oidctest.New(t)
	o := open(t, withAccounts(t), withProvider(t, at, "http://127.0.0.1"))
	for range 20 {
		o.get(t, one["finishOIDC"].target)
	}
	a := o.get(t, one["finishOIDC"].target)
	wantProblem(t, a, wattline.CodeBusy, "")
	if a.header.Get("Retry-After") == "" {
		t.Error("no Retry-After")
	}
}
