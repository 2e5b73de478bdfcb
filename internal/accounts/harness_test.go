package accounts_test

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
)

func TestMain(m *testing.M) {
	flag.Parse()
	if !slices.ContainsFunc(os.Args, func(arg string) bool { return strings.HasPrefix(arg, "-rapid.checks") }) {
		_ = flag.Set("rapid.checks", "20") // each is some files
	}
	goleak.VerifyTestMain(m)
}

// world runs a test on a clock of its own, with the open accounts of a folder. They do
// not run: to look at the file four times a second through days takes long on any
// clock.
func world(t *testing.T, test func(t *testing.T, folder string, a *accounts.Accounts)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		folder := t.TempDir()
		a, err := accounts.Open(t.Context(), accounts.Options{Path: accounts.Path(folder)})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := a.Close(); err != nil {
				t.Error(err)
			}
		})
		test(t, folder, a)
	})
}

// step is a subtest, which a test on a clock of its own cannot have.
func step(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	failed := t.Failed()
	if test(t); t.Failed() && !failed {
		t.Log("in:", name)
	}
}

// process is another process that has the same file, and runs until it is stopped or
// the test ends.
func process(t *testing.T, folder string) (a *accounts.Accounts, stop func()) {
	t.Helper()
	a, err := accounts.Open(t.Context(), accounts.Options{Path: accounts.Path(folder)})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- a.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, a.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return a, stop
}

func scope(t testing.TB, text string) access.Scope {
	t.Helper()
	s, err := access.ParseScope(text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func newToken(t testing.TB, a *accounts.Accounts, wanted accounts.NewToken) (accounts.Token, string) {
	t.Helper()
	if wanted.Role == "" {
		wanted.Role = access.Viewer
	}
	if wanted.Scope.String() == "" {
		wanted.Scope = access.Everything()
	}
	token, secret, err := a.CreateToken(t.Context(), wanted)
	if err != nil {
		t.Fatal(err)
	}
	return token, secret
}

func request(method string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, "http://127.0.0.1/api/v1/devices", http.NoBody)
	r.URL.Scheme = ""
	r.RemoteAddr = "192.0.2.7:4711"
	return r
}

func withToken(secret string) *http.Request {
	r := request(http.MethodGet)
	r.Header.Set("Authorization", "Bearer "+secret)
	return r
}

func encrypted(r *http.Request) *http.Request {
	r.TLS = &tls.ConnectionState{}
	return r
}

// wantCode is what somebody is refused with.
func wantCode(t testing.TB, err error, code wattline.Code) {
	t.Helper()
	if got := wattline.AsError(err); got == nil || got.Code != code {
		t.Errorf("got %v, want %s", err, code)
	}
}

func accepted(t testing.TB, a *accounts.Accounts, r *http.Request, name string) access.Principal {
	t.Helper()
	who, err := a.Identify(r)
	if err != nil || who.Name != name {
		t.Errorf("got %+v, %v, want %s", who, err, name)
	}
	return who
}

func refused(t testing.TB, a *accounts.Accounts, r *http.Request) {
	t.Helper()
	who, err := a.Identify(r)
	if who.Role != "" {
		t.Errorf("got %+v", who)
	}
	wantCode(t, err, wattline.CodeUnauthenticated)
}

const soon = time.Second
