package accounts_test

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
)

// model is what should hold: who is meant by each secret that was ever given out;
// empty for nobody any more.
type model struct {
	principals map[string]string
	ids        map[string]string // of tokens, by secret
	names      int
}

// TestEachSecretMeansWhomItShould makes and ends tokens and sessions in any order at one
// process, and has two others, that read the file anew, agree with the model.
func TestEachSecretMeansWhomItShould(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder := t.TempDir()
		a := opened(t, folder)
		m := model{principals: map[string]string{}, ids: map[string]string{}}
		for range rapid.IntRange(1, 12).Draw(rt, "steps") {
			m.step(t, rt, a)
		}
		for name, process := range map[string]*accounts.Accounts{"the same": a, "another": opened(t, folder)} {
			for secret, want := range m.principals {
				who, err := process.Identify(withToken(secret))
				if _, token := m.ids[secret]; !token {
					r := request(http.MethodGet)
					r.AddCookie(&http.Cookie{Name: accounts.SessionCookie, Value: secret})
					who, err = process.Identify(r)
				}
				if who.Name != want || (err == nil) != (want != "") {
					rt.Errorf("%s process takes a secret for %q (%v), want %q", name, who.Name, err, want)
				}
			}
		}
	})
}

func opened(t *testing.T, folder string) *accounts.Accounts {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{Path: accounts.Path(folder)})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := a.Close(); err != nil {
			t.Error(err)
		}
	})
	return a
}

func (m *model) step(t *testing.T, rt *rapid.T, a *accounts.Accounts) {
	t.Helper()
	must := func(err error) {
		if err != nil {
			rt.Fatal(err)
		}
	}
	some := func(of func(secret, who string) bool) (string, bool) {
		var secrets []string
		for secret, who := range m.principals {
			if of(secret, who) {
				secrets = append(secrets, secret)
			}
		}
		if len(secrets) == 0 {
			return "", false
		}
		return rapid.SampledFrom(secrets).Draw(rt, "secret"), true
	}
	isToken := func(secret, _ string) bool { return m.ids[secret] != "" }
	switch rapid.SampledFrom([]string{"token", "revoke", "session", "end"}).Draw(rt, "step") {
	case "token":
		m.names++
		made, secret, err := a.CreateToken(t.Context(), accounts.NewToken{Name: fmt.Sprint("t", m.names), Role: access.Viewer, Scope: access.Everything()})
		must(err)
		m.principals[secret], m.ids[secret] = "token:"+made.Name, made.ID
	case "revoke":
		if secret, found := some(isToken); found {
			_, err := a.RevokeToken(t.Context(), m.ids[secret])
			must(err)
			m.principals[secret] = ""
		}
	case "session":
		name := rapid.SampledFrom([]string{"oidc:ana", "oidc:bob"}).Draw(rt, "name")
		begun, err := a.StartSession(t.Context(), accounts.NewSession{
			Principal: access.Principal{Name: name, Role: access.Viewer, Scope: access.Everything()}, RemoteAddr: "192.0.2.7:1",
		})
		must(err)
		m.principals[begun.Secret] = name
	case "end":
		if secret, found := some(func(secret, who string) bool { return who != "" && !isToken(secret, who) }); found {
			r := request(http.MethodDelete)
			r.AddCookie(&http.Cookie{Name: accounts.SessionCookie, Value: secret})
			must(a.EndSession(t.Context(), r))
			m.principals[secret] = ""
		}
	}
}

// FuzzIdentify sends anything as a token and as a cookie: nobody gets in.
func FuzzIdentify(f *testing.F) {
	a, err := accounts.Open(f.Context(), accounts.Options{Path: accounts.Path(f.TempDir())})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = a.Close() })
	newToken(f, a, accounts.NewToken{Name: "good"})
	f.Add("Bearer wl_"+strings.Repeat("A", 26), "wattline_session=wl_"+strings.Repeat("A", 26), "192.0.2.7:1")
	f.Add("bearer", "=", "[::1%eth0]:1")
	f.Add("Basic YTpi", "wattline_session=\"", "")
	f.Fuzz(func(t *testing.T, header, cookie, remote string) {
		r := request(http.MethodPost)
		if r.RemoteAddr = remote; header != "" {
			r.Header["Authorization"] = []string{header}
		}
		r.Header["Cookie"] = []string{cookie}
		who, err := a.Identify(r)
		if who.Role != "" || err == nil {
			t.Fatalf("%q and %q are %+v", header, cookie, who)
		}
		switch code := wattline.AsError(err).Code; code {
		case wattline.CodeUnauthenticated, wattline.CodeBusy:
		default:
			t.Errorf("%q and %q: %v", header, cookie, err)
		}
	})
}
