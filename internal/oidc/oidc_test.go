package oidc_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/oauth2-proxy/mockoidc"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/oidc/oidctest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func scope(t testing.TB, text string) access.Scope {
	t.Helper()
	s, err := access.ParseScope(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// office is a provider, and the gateway's side of it.
type office struct {
	*oidc.Provider
	at  *oidctest.Provider
	log *bytes.Buffer
}

const redirectURL = "https://plugs.example.org/api/v1/session/oidc/callback"

func open(t testing.TB, change ...func(*oidc.Options)) office {
	t.Helper()
	at := oidctest.New(t)
	log := &bytes.Buffer{}
	options := oidc.Options{
		Issuer: at.Issuer(), ClientID: at.ClientID, ClientSecret: at.ClientSecret, RedirectURL: redirectURL,
		Scopes: []string{"profile", "email", "groups"}, Retry: time.Nanosecond,
		Rights: []oidc.Right{
			{Group: "facilities", Role: access.Operator, Scope: scope(t, "hq/f1")},
			{Group: "staff", Role: access.Viewer, Scope: access.Everything()},
		},
		Log: slog.New(slog.NewTextHandler(log, nil)),
	}
	for _, c := range change {
		c(&options)
	}
	p, err := oidc.New(options)
	if err != nil {
		t.Fatal(err)
	}
	return office{p, at, log}
}

// get is a request of a browser, over TLS.
func get(target string, cookies ...*http.Cookie) *http.Request {
	r := httptest.NewRequest(http.MethodGet, target, http.NoBody) //nolint:noctx // it is not sent
	for _, c := range cookies {
		r.AddCookie(c)
	}
	return r
}

func (o office) begin(t testing.TB) oidc.Departure {
	t.Helper()
	departure, err := o.Begin(get(redirectURL), "/docs")
	if err != nil {
		t.Fatal(err)
	}
	return departure
}

// signIn is the whole way of a user's browser.
func (o office) signIn(t testing.TB, user mockoidc.User) (oidc.SignedIn, error) {
	t.Helper()
	departure := o.begin(t)
	return o.Finish(get(o.at.Visit(departure.URL, user).String(), departure.Cookie))
}

// refused wants a code, and nothing secret in the error or the log.
func (o office) refused(t testing.TB, err error, code wattline.Code, secrets ...string) {
	t.Helper()
	if err == nil || wattline.AsError(err).Code != code {
		t.Errorf("got %v, want %s", err, code)
		return
	}
	for _, secret := range append(secrets, o.at.ClientSecret) {
		if strings.Contains(err.Error()+o.log.String(), secret) {
			t.Errorf("%q is in %v or in the log %s", secret, err, o.log)
		}
	}
}

func TestSigningInGivesTheRightsOfTheFirstGroupListed(t *testing.T) {
	o := open(t)
	for name, c := range map[string]struct {
		groups      []string
		role, scope string
	}{
		"one group":                     {[]string{"facilities"}, "operator", "hq/f1"},
		"several, in the token's order": {[]string{"staff", "facilities"}, "operator", "hq/f1"},
		"one of several":                {[]string{"chess", "staff"}, "viewer", "*"},
		"none that is listed":           {[]string{"chess", "Staff", "staff "}, "", ""},
		"none at all":                   {nil, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := o.signIn(t, oidctest.Ana(c.groups...))
			if got.Principal.Name != "oidc:5f0c" || string(got.Principal.Role) != c.role || got.Principal.Scope.String() != c.scope {
				t.Errorf("%+v, %v", got, err)
			}
			if got.ReturnTo != "/docs" {
				t.Errorf("returns to %q", got.ReturnTo)
			}
			if c.role == "" {
				o.refused(t, err, wattline.CodeForbidden)
			}
		})
	}
}

func TestWhatIsAskedOfTheProvider(t *testing.T) {
	o := open(t)
	departure := o.begin(t)
	asked, err := url.Parse(departure.URL)
	if err != nil {
		t.Fatal(err)
	}
	query := asked.Query()
	for name, want := range map[string]string{
		"response_type": "code", "code_challenge_method": "S256", "redirect_uri": redirectURL, "client_id": o.at.ClientID,
		"scope": "openid profile email groups",
	} {
		if got := query.Get(name); got != want {
			t.Errorf("%s is %q, want %q", name, got, want)
		}
	}
	secret, _, _ := strings.Cut(departure.Cookie.Value, ".")
	for _, name := range []string{"state", "nonce", "code_challenge"} {
		if value := query.Get(name); len(value) != 43 || strings.Contains(departure.URL, secret) {
			t.Errorf("%s is %q", name, value)
		}
	}
	t.Run("with a cookie that only this host gets, for a while", func(t *testing.T) {
		c := departure.Cookie
		if c.Name != "__Host-wattline_oidc" || !c.HttpOnly || !c.Secure || c.SameSite != http.SameSiteLaxMode || c.Path != "/" || c.MaxAge != 600 {
			t.Errorf("%+v", c)
		}
	})
	t.Run("over plain HTTP too", func(t *testing.T) {
		plain, err := o.Begin(get("http://127.0.0.1/"), "")
		if err != nil || plain.Cookie.Name != "wattline_oidc" || plain.Cookie.Secure {
			t.Errorf("%+v, %v", plain.Cookie, err)
		}
	})
}

func TestAnswersThatDoNotBelongToTheBrowserAreRefused(t *testing.T) {
	o := open(t)
	mine, others := o.begin(t), o.begin(t)
	back := o.at.Visit(mine.URL, oidctest.Ana("staff"))
	asked := o.at.Asked()
	code := back.Query().Get("code")
	with := func(name string, values ...string) string {
		query := back.Query()
		query[name] = values
		return redirectURL + "?" + query.Encode()
	}
	for name, r := range map[string]*http.Request{
		"another browser's":          get(back.String(), others.Cookie),
		"one without a cookie":       get(back.String()),
		"an invented state":          get(with("state", strings.Repeat("A", 43)), mine.Cookie),
		"no state":                   get(with("state"), mine.Cookie),
		"two states":                 get(with("state", back.Query().Get("state"), "x"), mine.Cookie),
		"a cookie of plain HTTP":     get(back.String(), &http.Cookie{Name: "wattline_oidc", Value: mine.Cookie.Value}),
		"a cookie that was cut":      get(back.String(), &http.Cookie{Name: mine.Cookie.Name, Value: mine.Cookie.Value[:5]}),
		"a way to elsewhere in it":   get(back.String(), &http.Cookie{Name: mine.Cookie.Name, Value: mine.Cookie.Value[:27] + "Ly9ldmls"}),
		"another issuer (mix-up)":    get(with("iss", "https://evil.example"), mine.Cookie),
		"a refusal of the provider":  get(with("error", "access_denied"), mine.Cookie),
		"a refusal in strange words": get(with("error", "<script>"), mine.Cookie),
		"no code":                    get(with("code"), mine.Cookie),
	} {
		t.Run(name, func(t *testing.T) {
			got, err := o.Finish(r)
			o.refused(t, err, wattline.CodeUnauthenticated, code, "<script>")
			if got.Principal.Role != "" {
				t.Errorf("%+v", got)
			}
		})
	}
	if o.at.Asked() != asked {
		t.Error("the provider was asked for one of them")
	}
	t.Run("and one's own holds once", func(t *testing.T) {
		if _, err := o.Finish(get(with("iss", o.at.Issuer()), mine.Cookie)); err != nil {
			t.Error(err)
		}
		_, err := o.Finish(get(back.String(), mine.Cookie))
		o.refused(t, err, wattline.CodeUnauthenticated, code)
	})
	t.Run("a code of one's own sign-in is no good in another", func(t *testing.T) {
		stolen := o.at.Visit(mine.URL, oidctest.Ana("staff")).Query().Get("code")
		answer := o.at.Visit(others.URL, oidctest.Ana("staff"))
		query := answer.Query()
		query.Set("code", stolen)
		_, err := o.Finish(get(redirectURL+"?"+query.Encode(), others.Cookie))
		o.refused(t, err, wattline.CodeUnauthenticated, stolen)
	})
}

func TestTokensThatDoNotHoldAreRefused(t *testing.T) {
	o := open(t)
	ago := func(d time.Duration) func(*mockoidc.IDTokenClaims) {
		return func(c *mockoidc.IDTokenClaims) { c.ExpiresAt = jwt.NewNumericDate(time.Now().Add(-d)) }
	}
	for name, c := range map[string]struct {
		change func(*mockoidc.IDTokenClaims)
		holds  bool
	}{
		"as it should be":                        {func(*mockoidc.IDTokenClaims) {}, true},
		"expired by less than the clocks differ": {ago(20 * time.Second), true},
		"expired":                                {ago(2 * time.Minute), false},
		"not valid yet":                          {func(c *mockoidc.IDTokenClaims) { c.NotBefore = jwt.NewNumericDate(time.Now().Add(time.Hour)) }, false},
		"for another client":                     {func(c *mockoidc.IDTokenClaims) { c.Audience = jwt.ClaimStrings{"else"} }, false},
		"of another issuer":                      {func(c *mockoidc.IDTokenClaims) { c.Issuer = "https://evil.example" }, false},
		"of another sign-in":                     {func(c *mockoidc.IDTokenClaims) { c.Nonce = strings.Repeat("A", 43) }, false},
		"of no sign-in":                          {func(c *mockoidc.IDTokenClaims) { c.Nonce = "" }, false},
		"of nobody":                              {func(c *mockoidc.IDTokenClaims) { c.Subject = "" }, false},
		"of a name with a line end":              {func(c *mockoidc.IDTokenClaims) { c.Subject = "a\nb" }, false},
		"of an endless name":                     {func(c *mockoidc.IDTokenClaims) { c.Subject = strings.Repeat("a", 129) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := o.signIn(t, oidctest.Forged{MockUser: oidctest.Ana("staff"), Change: c.change})
			if !c.holds {
				o.refused(t, err, wattline.CodeUnauthenticated)
			} else if err != nil || got.Principal.Role != access.Viewer {
				t.Errorf("%+v, %v", got, err)
			}
		})
	}
}

func FuzzAnswersOfBrowsers(f *testing.F) {
	p, err := oidc.New(oidc.Options{Issuer: "https://id.invalid", ClientID: "w", ClientSecret: "s", RedirectURL: redirectURL})
	if err != nil {
		f.Fatal(err)
	}
	f.Add("ABCDEFGHIJKLMNOPQRSTUVWXYZ.L2RvY3M", "state=x&code=y")
	f.Add("", "error=%zz&iss")
	f.Fuzz(func(t *testing.T, cookie, query string) {
		r := get(redirectURL, &http.Cookie{Name: "__Host-wattline_oidc", Value: cookie})
		r.URL.RawQuery = query
		if _, err := p.Finish(r); err == nil || wattline.AsError(err).Code != wattline.CodeUnauthenticated {
			t.Errorf("got %v", err)
		}
	})
}

func TestNamesFromOtherClaims(t *testing.T) {
	by := func(claim string) func(*oidc.Options) {
		return func(options *oidc.Options) { options.NameClaim = claim }
	}
	t.Run("a name that the provider gives", func(t *testing.T) {
		if got, err := open(t, by("preferred_username")).signIn(t, oidctest.Ana("staff")); err != nil || got.Principal.Name != "oidc:ana" {
			t.Errorf("%+v, %v", got, err)
		}
	})
	t.Run("an email address only if it is verified", func(t *testing.T) {
		o, ana := open(t, by("email")), oidctest.Ana("staff")
		_, err := o.signIn(t, ana)
		o.refused(t, err, wattline.CodeUnauthenticated)
		ana.EmailVerified = true
		if got, err := o.signIn(t, ana); err != nil || got.Principal.Name != "oidc:ana@example.org" {
			t.Errorf("%+v, %v", got, err)
		}
	})
}

func TestReturnToIsAPathOnThisServer(t *testing.T) {
	for _, text := range []string{"", "/", "/docs", "/docs?x=//y#z", "/a/b%2f"} {
		if err := oidc.CheckReturnTo(text); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
	for _, text := range []string{
		"docs", "https://evil.example/", "//evil.example", `/\evil.example`, `\\evil.example`, "/\t/evil.example", "/\n/evil.example",
		"javascript:alert(1)", " /docs", "/docs ", "/%zz", "/é", "/" + strings.Repeat("a", 500),
	} {
		if oidc.CheckReturnTo(text) == nil {
			t.Errorf("%q passes", text)
		}
	}
	t.Run("whatever it is made of", func(t *testing.T) {
		here, _ := url.Parse("https://plugs.example.org/api/v1/session/oidc/callback")
		rapid.Check(t, func(rt *rapid.T) {
			text := rapid.StringOfN(rapid.RuneFrom([]rune(`/\.:@?#%ae1 `+"\t\n\r\x00")), 1, 12, -1).Draw(rt, "text")
			if oidc.CheckReturnTo(text) != nil {
				return
			}
			// As browsers read it (WHATWG URL).
			read := strings.NewReplacer("\t", "", "\n", "", "\r", "", `\`, "/").Replace(strings.TrimSpace(text))
			if to, err := here.Parse(read); err != nil || to.Host != here.Host || to.Scheme != "https" {
				rt.Errorf("%q leads to %v, %v", text, to, err)
			}
		})
	})
}
