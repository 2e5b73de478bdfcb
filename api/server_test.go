package api_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/testserver"
)

// fetch goes through a real connection.
func (o *office) fetch(t testing.TB, method, path string) answer {
	t.Helper()
	r, err := http.NewRequestWithContext(context.Background(), method, "http://"+o.Addr()+path, http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, CheckRedirect: func(*http.Request, []*http.Request) error {
		return http.ErrUseLastResponse
	}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func TestItServesOnAPortOfItsOwn(t *testing.T) {
	o := open(t)
	got := o.fetch(t, http.MethodGet, "/api/v1/devices/desk-1/state")
	if got.status != http.StatusOK || got.header.Get("Content-Type") != "application/json" ||
		got.header.Get("Cache-Control") != "no-store" || got.header.Get("X-Content-Type-Options") != "nosniff" {
		t.Errorf("%+v", got)
	}
	head := o.fetch(t, http.MethodHead, "/api/v1/devices/desk-1/state")
	if head.status != http.StatusOK || len(head.body) != 0 || head.header.Get("Content-Type") != got.header.Get("Content-Type") {
		t.Errorf("HEAD: %+v", head)
	}
}

func TestWhatIsNotThereIsAProblemToo(t *testing.T) {
	o := open(t)
	for _, path := range []string{"/nothing", "/api/v1/devices/", "/api/v2/devices", "/api/v1/devices/desk-1/state/", "//", "/API/V1/devices"} {
		wantProblem(t, o.get(t, path), wattline.CodeNotFound, "")
	}
	for _, c := range []struct{ method, path, allow string }{
		{"DELETE", "/api/v1/devices", "GET, HEAD, POST"},
		{"POST", "/api/v1/devices/desk-1/relay", "PUT"},
		{"GET", "/api/v1/commands", "POST"},
		{"OPTIONS", "/api/v1/devices/desk-1", "DELETE, GET, HEAD, PATCH, PUT"},
		{"BREW", "/-/healthy", "GET, HEAD"},
	} {
		a := o.do(t, c.method, c.path, "")
		wantProblem(t, a, wattline.CodeMethodNotAllowed, "")
		allowed := strings.Split(a.header.Get("Allow"), ", ")
		slices.Sort(allowed)
		if got := strings.Join(allowed, ", "); got != c.allow {
			t.Errorf("%s %s: Allow %q, want %q", c.method, c.path, got, c.allow)
		}
	}
}

func TestARequestHasAnIDOfOursAndTheClientsIsLoggedWhereItIsSane(t *testing.T) {
	var log testserver.Text
	o := open(t, func(options *api.Options) {
		options.Log = log.Logger(slog.LevelDebug)
	})
	for given, logged := range map[string]bool{
		"abc-1.2_X": true, "": false, "a b": false, "a\r\nb": false, strings.Repeat("x", 65): false, "é": false,
	} {
		r := request("GET", "/-/healthy", "")
		if given != "" {
			r.Header["X-Request-Id"] = []string{given}
		}
		got := o.send(t, r).header.Get("X-Request-Id")
		if got == given || len(got) < 26 {
			t.Errorf("%q becomes %q", given, got)
		}
		_, line, _ := strings.Cut(log.String(), "request_id="+got)
		line, _, _ = strings.Cut(line, "\n")
		want := ` client_request_id=""`
		if logged {
			want = " client_request_id=" + given
		}
		if !strings.HasSuffix(line, want) {
			t.Errorf("%q is logged as %s", given, line)
		}
	}
}

func TestAPanicIsAnErrorOfOursAndIsLogged(t *testing.T) {
	var log testserver.Text
	o := open(t, func(options *api.Options) { options.Log = log.Logger(slog.LevelInfo) })
	o.bus.set(func(b *fakeBus) { b.answer = func(context.Context, bus.Ask) (any, error) { panic("secret cause") } })
	a := o.get(t, "/api/v1/components/weather/forecast")
	wantProblem(t, a, wattline.CodeInternal, "")
	if strings.Contains(string(a.body), "secret cause") || !strings.Contains(log.String(), "secret cause") ||
		!strings.Contains(log.String(), a.header.Get("X-Request-Id")) {
		t.Errorf("%s\n%s", a.body, log.String())
	}
}

func TestTheCauseOfAnInternalErrorIsInTheLogOnly(t *testing.T) {
	var log testserver.Text
	o := open(t, func(options *api.Options) { options.Log = log.Logger(slog.LevelInfo) })
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) { return nil, errors.New("the cause") }
	})
	a := o.get(t, "/api/v1/components/weather/forecast?secret=hunter2")
	wantProblem(t, a, wattline.CodeInternal, "")
	if strings.Contains(string(a.body), "the cause") || !strings.Contains(log.String(), "the cause") ||
		strings.Contains(log.String(), "hunter2") {
		t.Errorf("%s\n%s", a.body, log.String())
	}
}

func TestOnLoopbackOnlyHostsThatNobodyCanForgeAreServed(t *testing.T) {
	o := open(t, func(options *api.Options) { options.Hosts = []string{"office.example"} })
	for host, want := range map[string]int{
		"127.0.0.1": 200, "127.0.0.1:8080": 200, "localhost": 200, "LOCALHOST:1": 200, "[::1]:8080": 200, "[::1]": 200,
		"plug.localhost:8080": 200, "office.example": 200, "office.example:443": 200, "192.0.2.1": 200,
		"evil.example": 403, "localhost.evil.example:8080": 403, "": 403, "127.0.0.1.evil.example": 403,
	} {
		r := request("GET", "/-/healthy", "")
		r.Host = host
		if got := o.send(t, r).status; got != want {
			t.Errorf("%q: %d, want %d", host, got, want)
		}
	}
}

func TestAnAddressThatOthersReachTakesAnyHost(t *testing.T) {
	gateway, err := api.New(api.Options{Bus: newFakeBus(), Identities: &guests{}, Commands: unkept(t), Listen: "0.0.0.0:0"})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := gateway.Listen(); err != nil {
		t.Fatal(err)
	}
	o := &office{Gateway: gateway}
	var status int
	recorder := statusOnly{&status}
	r := request("GET", "/-/healthy", "")
	r.Host = "office.example"
	o.Handler().ServeHTTP(recorder, r)
	if status != http.StatusOK {
		t.Errorf("status %d", status)
	}
	if err := gateway.Run(ctx); err != nil {
		t.Error(err)
	}
}

type statusOnly struct{ status *int }

func (statusOnly) Header() http.Header         { return http.Header{} }
func (statusOnly) Write(p []byte) (int, error) { return len(p), nil }
func (s statusOnly) WriteHeader(status int)    { *s.status = status }

func TestATakenAddressIsKnownBeforeAnythingRuns(t *testing.T) {
	taken, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	gateway, err := api.New(api.Options{Bus: newFakeBus(), Identities: &guests{}, Commands: unkept(t), Listen: taken.Addr().String()})
	if err != nil {
		t.Fatal(err)
	}
	if err := gateway.Listen(); err == nil || !strings.Contains(err.Error(), taken.Addr().String()) {
		t.Errorf("got %v", err)
	}
	if gateway.Addr() != "" {
		t.Errorf("address %q", gateway.Addr())
	}
	for name, options := range map[string]api.Options{
		"a bus":             {Identities: &guests{}, Commands: unkept(t)},
		"identities":        {Bus: newFakeBus(), Commands: unkept(t)},
		"a log of commands": {Bus: newFakeBus(), Identities: &guests{}},
	} {
		if _, err := api.New(options); err == nil {
			t.Errorf("a gateway without %s was made", name)
		}
	}
}

func TestRequestsUnderWayAreFinishedAtTheEnd(t *testing.T) {
	fake := newFakeBus()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	gateway, err := api.New(api.Options{Bus: fake, Identities: &guests{}, Commands: unkept(t), Listener: listener})
	if err != nil {
		t.Fatal(err)
	}
	asked, finish := make(chan bool), make(chan bool)
	fake.answer = func(context.Context, bus.Ask) (any, error) {
		close(asked)
		<-finish
		return "done", nil
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx) }()
	got := make(chan answer, 1)
	go func() {
		o := &office{Gateway: gateway}
		eventually(t, "the address", func() bool { return gateway.Addr() != "" })
		got <- o.fetch(t, http.MethodGet, "/api/v1/components/slow/one")
	}()
	<-asked
	cancel()
	eventually(t, "the end of the listener", func() bool {
		conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(t.Context(), "tcp", listener.Addr().String())
		if err == nil {
			_ = conn.Close()
		}
		return err != nil
	})
	close(finish)
	if a := <-got; a.status != http.StatusOK || string(a.body) != `"done"` {
		t.Errorf("%d %s", a.status, a.body)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestReadinessSaysWhatIsNotInOrderAndWhyToAdminsAlone(t *testing.T) {
	broken := errors.New("disk full at 192.0.2.9")
	var mu sync.Mutex
	var logged logText
	o := open(t, func(options *api.Options) {
		options.Log = slog.New(slog.NewTextHandler(&logged, nil))
		options.ReadyChecks = []api.ReadyCheck{{Name: "journal", Check: func(context.Context) error {
			mu.Lock()
			defer mu.Unlock()
			return broken
		}}}
	})
	reasons := func() (said string) {
		a := o.get(t, "/-/ready")
		readiness, overview := decoded[api.Readiness](t, a), decoded[api.SystemOverview](t, o.get(t, "/api/v1/system"))
		if readiness.Ready != (a.status == http.StatusOK) || strings.Contains(string(a.body), "reason") {
			t.Errorf("%d %s", a.status, a.body)
		}
		for i, check := range overview.Checks {
			if open := readiness.Checks[i]; open.Name != check.Name || open.OK != check.OK {
				t.Errorf("%+v and %+v", open, check)
			}
			if !check.OK {
				said += check.Name + ": " + check.Reason + "; "
			}
		}
		return said
	}
	eventually(t, "the devices", func() bool { return reasons() == "journal: disk full at 192.0.2.9; " })
	mu.Lock()
	broken = nil
	mu.Unlock()
	if said := reasons(); said != "" {
		t.Error(said)
	}
	o.bus.set(func(b *fakeBus) { b.connected = false })
	if said := reasons(); said != "broker: not connected; " {
		t.Error(said)
	}
	if a := o.get(t, "/-/healthy"); string(a.body) != `{"status":"ok","version":"1.2.3"}` {
		t.Errorf("%s", a.body)
	}
	for line, times := range map[string]int{
		`msg="not ready" check=journal reason="disk full at 192.0.2.9"`: 1, `msg="ready again" check=journal`: 1,
		`msg="not ready" check=broker reason="not connected"`: 1,
	} {
		if got := strings.Count(logged.String(), line); got != times {
			t.Errorf("the log has %q %d times", line, got)
		}
	}
}

// logText is what a log writes.
type logText struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *logText) Write(line []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(line)
}

func (l *logText) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

func TestRequestsAreCountedByRouteAndStatus(t *testing.T) {
	o := open(t)
	o.get(t, "/api/v1/devices/desk-1")
	o.get(t, "/api/v1/devices/nobody")
	o.get(t, "/some/where/else")
	o.do(t, "BREW", "/another", "")
	metrics := string(o.get(t, "/metrics").body)
	for _, line := range []string{
		`wattline_api_requests_total{method="GET",route="/api/v1/devices/:id",status="200"} 1`,
		`wattline_api_requests_total{method="GET",route="/api/v1/devices/:id",status="404"} 1`,
		`wattline_api_requests_total{method="GET",route="none",status="404"} 1`,
		`wattline_api_requests_total{method="other",route="none",status="404"} 1`,
		`wattline_api_request_duration_seconds_count{route="/api/v1/devices/:id"} 2`,
		`wattline_api_requests_in_flight 1`,
		`wattline_api_devices 5`,
	} {
		if !strings.Contains(metrics, line+"\n") {
			t.Errorf("missing %s", line)
		}
	}
}

func TestThePageNeedsNothingFromElsewhere(t *testing.T) {
	o := open(t)
	if a := o.get(t, "/"); a.status != http.StatusFound || a.header.Get("Location") != "/docs" {
		t.Errorf("%d %v", a.status, a.header)
	}
	page := o.get(t, "/docs")
	if strings.Contains(string(page.body), "://") || !strings.Contains(string(page.body), "/docs/rapidoc-min.js") {
		t.Errorf("%s", page.body)
	}
	for _, path := range []string{"/docs", "/docs/rapidoc-min.js", "/docs/LICENSE.txt", "/docs/rapidoc-min.js.LICENSE.txt"} {
		a := o.get(t, path)
		policy := a.header.Get("Content-Security-Policy")
		if a.status != http.StatusOK || len(a.body) == 0 || !strings.Contains(policy, "default-src 'none'; script-src 'self';") {
			t.Errorf("%s: %d %q", path, a.status, policy)
		}
	}
	first := o.get(t, "/api/v1/openapi.json")
	r := request("GET", "/api/v1/openapi.json", "")
	r.Header.Set("If-None-Match", first.header.Get("ETag"))
	if again := o.send(t, r); again.status != http.StatusNotModified || len(again.body) != 0 {
		t.Errorf("%d %d bytes", again.status, len(again.body))
	}
}
