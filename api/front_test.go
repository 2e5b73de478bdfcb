package api_test

import (
	"crypto/tls"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"testing"

	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// overTLS serves by TLS with a certificate of an authority's.
func overTLS(t *testing.T, authority *testserver.Authority) func(*api.Options) {
	t.Helper()
	cert, key := authority.Issue(t.TempDir(), "gateway")
	read, err := tlsfiles.Load(tlsfiles.Options{Cert: cert, Key: key})
	if err != nil {
		t.Fatal(err)
	}
	return func(options *api.Options) { options.TLS = read.Server("h2", "http/1.1") }
}

func TestTLSServesHTTP2AndSaysToStayWithTLS(t *testing.T) {
	authority := testserver.NewAuthority(t)
	o := open(t, overTLS(t, authority))
	for name, http2 := range map[string]bool{"HTTP/2.0": true, "HTTP/1.1": false} {
		t.Run(name, func(t *testing.T) {
			transport := &http.Transport{
				ForceAttemptHTTP2: http2, TLSClientConfig: &tls.Config{RootCAs: authority.Pool(), MinVersion: tls.VersionTLS12},
			}
			defer transport.CloseIdleConnections()
			answer, err := (&http.Client{Transport: transport}).Get("https://" + o.Addr() + "/-/healthy") //nolint:noctx // bounded by the test
			if err != nil {
				t.Fatal(err)
			}
			defer answer.Body.Close()
			if _, err := io.Copy(io.Discard, answer.Body); err != nil {
				t.Error(err)
			}
			if answer.Proto != name || answer.Header.Get("Strict-Transport-Security") != "max-age=31536000" {
				t.Errorf("%s, %v", answer.Proto, answer.Header)
			}
		})
	}
}

func TestAListenerForOthersWithoutTLSIsWarnedOf(t *testing.T) {
	authority := testserver.NewAuthority(t)
	for name, c := range map[string]struct {
		change func(*api.Options)
		warned bool
	}{
		"on loopback":     {func(*api.Options) {}, false},
		"beyond loopback": {func(o *api.Options) { o.Listen = "0.0.0.0:0" }, true},
		"with TLS":        {func(o *api.Options) { o.Listen = "0.0.0.0:0"; overTLS(t, authority)(o) }, false},
		"behind a proxy": {func(o *api.Options) {
			o.Listen, o.Proxies = "0.0.0.0:0", []netip.Prefix{netip.MustParsePrefix("10.0.0.1/32")}
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var log testserver.Text
			open(t, c.change, func(o *api.Options) { o.Log = log.Logger(slog.LevelInfo) })
			if got := strings.Contains(log.String(), "set tls, or listen on loopback"); got != c.warned {
				t.Errorf("warned: %v, want %v", got, c.warned)
			}
		})
	}
}

func TestEveryAnswerKeepsBrowsersFromHarm(t *testing.T) {
	o := open(t)
	for path, policy := range map[string]string{
		"/api/v1/devices": "default-src 'none'; frame-ancestors 'none'", "/nothing": "default-src 'none'; frame-ancestors 'none'",
		"/-/healthy": "default-src 'none'; frame-ancestors 'none'", "/docs": "script-src 'self';",
	} {
		header := o.fetch(t, http.MethodGet, path).header
		if !strings.Contains(header.Get("Content-Security-Policy"), policy) || !strings.Contains(header.Get("Content-Security-Policy"), "frame-ancestors 'none'") {
			t.Errorf("%s: policy %q", path, header.Get("Content-Security-Policy"))
		}
		for name, want := range map[string]string{
			"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
			"Strict-Transport-Security": "", "Access-Control-Allow-Origin": "", "Server": "",
		} {
			if got := header.Get(name); got != want {
				t.Errorf("%s: %s is %q, want %q", path, name, got, want)
			}
		}
	}
}

func TestPagesOfOtherOriginsAreLetInByName(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Origins = []string{"https://board.example.org"} })
	ask := func(method, origin, path string) answer {
		r := request(method, path, "")
		r.Header.Set("Origin", origin)
		if method == http.MethodOptions {
			r.Header.Set("Access-Control-Request-Method", http.MethodPut)
			r.Header.Set("Access-Control-Request-Headers", "authorization,content-type")
		}
		return o.sendUnchecked(t, r)
	}
	for origin, allowed := range map[string]bool{
		"https://board.example.org": true, "https://board.example.org:444": false, "http://board.example.org": false,
		"https://board.example.org.evil.example": false, "https://a.board.example.org": false, "null": false,
	} {
		for _, method := range []string{http.MethodGet, http.MethodOptions} {
			header := ask(method, origin, "/api/v1/devices").header
			if got := header.Get("Access-Control-Allow-Origin"); (got == origin) != allowed || !allowed && got != "" {
				t.Errorf("%s from %s: allowed is %q", method, origin, got)
			}
			if header.Get("Access-Control-Allow-Credentials") != "" {
				t.Errorf("%s from %s: with the user's session", method, origin)
			}
			if !strings.Contains(strings.Join(header.Values("Vary"), ","), "Origin") {
				t.Errorf("%s from %s: a cache may give it to others", method, origin)
			}
		}
	}
	t.Run("and see the headers that say something", func(t *testing.T) {
		seen := ask(http.MethodGet, "https://board.example.org", "/api/v1/devices").header.Get("Access-Control-Expose-Headers")
		for _, name := range []string{"ETag", "Idempotent-Replayed", "Location", "Retry-After", "Wattline-Period", "X-Request-Id"} {
			if !strings.Contains(strings.ToLower(seen), strings.ToLower(name)) {
				t.Errorf("%s is not among %s", name, seen)
			}
		}
	})
	t.Run("to the API alone", func(t *testing.T) {
		if got := ask(http.MethodGet, "https://board.example.org", "/docs").header.Get("Access-Control-Allow-Origin"); got != "" {
			t.Errorf("allowed is %q", got)
		}
	})
}

// asked keeps the request as the identities see it.
type asked struct {
	api.Identities

	mu   sync.Mutex
	last *http.Request
}

func (a *asked) Identify(r *http.Request) (access.Principal, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.last = r
	return a.Identities.Identify(r)
}

func TestProxiesAreBelievedOnlyWhereTrusted(t *testing.T) {
	seen := &asked{}
	o := open(t, func(options *api.Options) {
		seen.Identities = options.Identities
		options.Identities = seen
		options.Proxies = []netip.Prefix{netip.MustParsePrefix("10.0.0.0/24"), netip.MustParsePrefix("2001:db8::1/128")}
	})
	for name, c := range map[string]struct {
		peer, target            string
		forwarded, proto        []string
		client, scheme, comment string
	}{
		"a client that says nothing":                  {peer: "192.0.2.1:5", client: "192.0.2.1:5"},
		"a client that makes up who it is":            {peer: "192.0.2.1:5", forwarded: []string{"127.0.0.1"}, proto: []string{"https"}, client: "192.0.2.1:5"},
		"a client that asks by a URL of https":        {peer: "192.0.2.1:5", target: "https", client: "192.0.2.1:5"},
		"a client of a proxy":                         {peer: "10.0.0.1:5", forwarded: []string{"192.0.2.7"}, proto: []string{"https"}, client: "192.0.2.7:0", scheme: "https"},
		"a client that makes up one before the proxy": {peer: "10.0.0.1:5", forwarded: []string{"127.0.0.1, 192.0.2.7"}, client: "192.0.2.7:0"},
		"two proxies one behind the other":            {peer: "10.0.0.1:5", forwarded: []string{"198.51.100.9, 192.0.2.7", "10.0.0.2"}, proto: []string{"https, https"}, client: "192.0.2.7:0", scheme: "https"},
		"a way that was in the clear in part":         {peer: "10.0.0.1:5", forwarded: []string{"192.0.2.7"}, proto: []string{"https, http"}, client: "192.0.2.7:0"},
		"a proxy that says nothing":                   {peer: "10.0.0.1:5", client: "10.0.0.1:5"},
		"a proxy that talks nonsense":                 {peer: "10.0.0.1:5", forwarded: []string{"192.0.2.7, unknown"}, proto: []string{""}, client: "10.0.0.1:5"},
		"a proxy that names a port too":               {peer: "[2001:db8::1]:5", forwarded: []string{"[2001:db8::7]:443"}, client: "[2001:db8::7]:0"},
		"a proxy that is an IPv4 address in IPv6":     {peer: "[::ffff:10.0.0.1]:5", forwarded: []string{"::ffff:192.0.2.7"}, client: "192.0.2.7:0"},
	} {
		t.Run(name, func(t *testing.T) {
			r := request(http.MethodGet, "/api/v1/devices", "")
			r.RemoteAddr, r.URL.Scheme = c.peer, c.target
			r.Header["X-Forwarded-For"], r.Header["X-Forwarded-Proto"] = c.forwarded, c.proto
			header := o.send(t, r).header
			if got := seen.last; got.RemoteAddr != c.client || got.URL.Scheme != c.scheme {
				t.Errorf("taken for %s by %q, want %s by %q", got.RemoteAddr, got.URL.Scheme, c.client, c.scheme)
			}
			if (header.Get("Strict-Transport-Security") != "") != (c.scheme == "https") {
				t.Errorf("says to stay with TLS: %q", header.Get("Strict-Transport-Security"))
			}
		})
	}
}
