package e2e_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/oidc/oidctest"
	"github.com/wattline/wattline/internal/testserver"
)

// visitor is a browser. It follows no redirect by itself.
type visitor struct {
	t    *testing.T
	base string
	http *http.Client
}

func newVisitor(t *testing.T, base string) visitor {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return visitor{t, base, &http.Client{
		Jar: jar, Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// get is the status, where to go next, and the body.
func (v visitor) get(target string) (status int, location, body string) {
	v.t.Helper()
	if strings.HasPrefix(target, "/") {
		target = v.base + target
	}
	r, err := http.NewRequestWithContext(v.t.Context(), http.MethodGet, target, http.NoBody)
	if err != nil {
		v.t.Fatal(err)
	}
	response, err := v.http.Do(r)
	if err != nil {
		v.t.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		v.t.Error(err)
	}
	return response.StatusCode, response.Header.Get("Location"), string(text)
}

// TestPeopleSignInAtAProvider has the gateway start while its provider is away.
func TestPeopleSignInAtAProvider(t *testing.T) {
	t.Parallel()
	at := oidctest.New(t)
	at.SetDown(true)
	o := newOffice(t)
	o.settings = append(o.settings, fmt.Sprintf(`oidc:
  issuer: %q
  client_id: %q
  client_secret_file: oidc.secret
  redirect_url: %q
  scopes: [profile, groups]
  rights: [{group: facilities, role: operator, scope: "hq/f1"}]`, at.Issuer(), at.ClientID, o.base+"/api/v1/session/oidc/callback"))
	o.write("oidc.secret", at.ClientSecret+"\n")
	o.declare(wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1/desk-1", Address: "127.0.0.1:1"},
		wattline.Device{ID: "desk-2", Kind: "workstation", Location: "hq/f2/desk-2", Address: "127.0.0.1:1"})
	up := func() *wattlineProcess {
		w := start(t, o.folder, "up", "-c", "wattline.yaml", "--log-level", "debug")
		o.waitReady(w)
		return w
	}
	w := up()
	browser := newVisitor(t, o.base)

	t.Run("the gateway is ready without it", func(t *testing.T) {
		o.as("").get("/-/ready", nil)
		if status, _, _ := browser.get("/api/v1/session/oidc"); status != http.StatusServiceUnavailable {
			t.Errorf("%d", status)
		}
		if got := run(t, o.folder, "check"); got.code != 1 || !strings.Contains(got.stdout, "FAIL  sign-in provider") {
			t.Errorf("%+v", got)
		}
	})
	at.SetDown(false)
	var code string
	t.Run("once it is there, people see what their group gives", func(t *testing.T) {
		var away string
		testserver.Eventually(t, patience, func() error {
			status, location, body := browser.get("/api/v1/session/oidc")
			if away = location; status != http.StatusSeeOther {
				return fmt.Errorf("%d %s", status, body)
			}
			return nil
		})
		back := at.Visit(away, oidctest.Ana("facilities"))
		code = back.Query().Get("code")
		if status, location, body := browser.get(back.String()); status != http.StatusSeeOther || location != "/docs" {
			t.Fatalf("%d %s %s", status, location, body)
		}
		_, _, seen := browser.get("/api/v1/devices")
		if !strings.Contains(seen, "desk-1") || strings.Contains(seen, "desk-2") {
			t.Error(seen)
		}
	})
	t.Run("a restart ends their sessions", func(t *testing.T) {
		w.Stop()
		again := up()
		if status, _, body := browser.get("/api/v1/me"); status != http.StatusUnauthorized {
			t.Errorf("%d %s", status, body)
		}
		if !strings.Contains(w.Output(), "path=/api/v1/session/oidc/callback") {
			t.Error("requests are not in the log")
		}
		for _, secret := range []string{code, at.ClientSecret} {
			if strings.Contains(w.Output()+again.Output(), secret) {
				t.Errorf("%q is in the log", secret)
			}
		}
	})
}
