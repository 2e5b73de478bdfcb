package config_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/config"
)

const provider = `oidc:
  issuer: https://id.example.org/realms/office
  client_id: wattline
  client_secret_file: oidc.secret
  redirect_url: https://plugs.example.org/api/v1/session/oidc/callback
  rights:
    - {group: facilities, role: operator, scope: "hq/f1,kind:printer"}
`

func TestFaultsOfTheProviderAreNamed(t *testing.T) {
	for name, c := range map[string]struct{ from, to, want string }{
		"no issuer":                  {"  issuer: https://id.example.org/realms/office\n", "", "oidc.issuer is missing"},
		"an issuer in the clear":     {"https://id", "http://id", "oidc.issuer must be a URL of https"},
		"no client":                  {"  client_id: wattline\n", "", "oidc.client_id is missing"},
		"a redirect to another path": {"/callback", "/back", "oidc.redirect_url must be the URL"},
		"a redirect in the clear":    {"https://plugs", "http://plugs", "oidc.redirect_url must be a URL of https"},
		"a redirect with a user":     {"https://plugs", "https://a:b@plugs", "oidc.redirect_url must be a URL of https"},
		"an invented role":           {"operator", "root", "oidc.rights[0].role must be"},
		"a scope that is none":       {"hq/f1,", "hq//f1,", "oidc.rights[0].scope"},
		"no group":                   {"group: facilities, ", "", "oidc.rights[0].group is missing"},
		"a mistyped key":             {"client_id", "clientid", `did you mean "client_id"?`},
		"no claim of groups":         {"  rights", "  groups_claim: ''\n  rights", "oidc.groups_claim must name a claim"},
		"scopes in one":              {"  rights", "  scopes: [email groups]\n  rights", "oidc.scopes[0] must be one word"},
		"nobody with rights": {
			"  rights:\n    - {group: facilities, role: operator, scope: \"hq/f1,kind:printer\"}\n", "", "oidc.rights is missing",
		},
	} {
		t.Run(name, func(t *testing.T) {
			text := strings.Replace(provider, c.from, c.to, 1)
			if _, err := config.Parse([]byte(text)); text == provider || err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
	t.Run("a provider on this machine needs no TLS", func(t *testing.T) {
		if _, err := config.Parse([]byte(strings.Replace(provider, "https://id.example.org", "http://127.0.0.1:5556", 1))); err != nil {
			t.Error(err)
		}
	})
}

func TestTheProviderSecretIsInAFileOrTheEnvironment(t *testing.T) {
	folder := t.TempDir()
	path := filepath.Join(folder, "wattline.yaml")
	if err := os.WriteFile(path, []byte(provider), 0o600); err != nil {
		t.Fatal(err)
	}
	loaded, err := config.Load(path)
	if err != nil {
		t.Fatal(err)
	}
	if loaded.OIDC.GroupsClaim != "groups" || loaded.OIDC.NameClaim != "sub" || len(loaded.OIDC.Scopes) == 0 {
		t.Errorf("%+v", loaded.OIDC)
	}
	if _, err := loaded.OIDCSecret(); err == nil || !strings.Contains(err.Error(), "oidc.client_secret_file") {
		t.Errorf("without the file: %v", err)
	}
	if err := os.WriteFile(filepath.Join(folder, "oidc.secret"), []byte("from the file\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := loaded.OIDCSecret(); err != nil || got != "from the file" {
		t.Errorf("%q, %v", got, err)
	}
	t.Setenv("WATTLINE_OIDC_CLIENT_SECRET", "from the environment")
	if got, err := loaded.OIDCSecret(); err != nil || got != "from the environment" {
		t.Errorf("%q, %v", got, err)
	}
}
