package api_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/openapi/openapitest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// office is a running gateway over a fake bus, with a few devices:
// desk-1 and desk-2 (hq/f1/r101), printer-1 (hq/f2, protected, no LED),
// new-1 (nothing heard of it yet), and down-1.
type office struct {
	*api.Gateway
	bus       *fakeBus
	guests    *guests
	validator *openapitest.Validator
	tokenID   string // of a token, with withAccounts
	forget    func() // ends the keeping of commands
}

// described reads the description once for all offices: it is long, and stays as it is.
var described = sync.OnceValues(openapitest.New)

func open(t testing.TB, change ...func(*api.Options)) *office {
	t.Helper()
	validator, err := described()
	if err != nil {
		t.Fatal(err)
	}
	fake := newFakeBus()
	known := &guests{}
	commands, forget := keepCommands(t, filepath.Join(t.TempDir(), "commands.sqlite"))
	options := api.Options{Bus: fake, Identities: known, Commands: commands, Listen: "127.0.0.1:0", Version: "1.2.3", Metrics: telemetry.New()}
	for _, c := range change {
		c(&options)
	}
	gateway, err := api.New(options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- gateway.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Errorf("Run: %v", err)
		}
	})
	for range cap(fake.subscribed) {
		<-fake.subscribed
	}
	o := &office{Gateway: gateway, bus: fake, guests: known, forget: forget, validator: validator}
	if options.Accounts != nil {
		tokens, err := options.Accounts.Tokens(t.Context())
		if err != nil || len(tokens) == 0 {
			t.Fatal(tokens, err)
		}
		o.tokenID = tokens[0].ID
	}
	o.furnish(t)
	gateway.SetComplete(true)
	return o
}

// keepCommands keeps commands in a file until the test, or stop, ends.
func keepCommands(t testing.TB, path string) (kept *commandlog.Log, stop func()) {
	t.Helper()
	commands, keep := laterKept(t, commandlog.Options{Path: path})
	return commands, keep()
}

// laterKept is commands that are kept from when keep is called until the test, or
// stop, ends.
func laterKept(t testing.TB, options commandlog.Options) (kept *commandlog.Log, keep func() (stop func())) {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "commands.sqlite")
	}
	options.Metrics = telemetry.New()
	commands, err := commandlog.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return commands, func() func() {
		ctx, cancel := context.WithCancel(context.Background())
		ended := make(chan error, 1)
		go func() { ended <- commands.Run(ctx) }()
		stop := sync.OnceFunc(func() {
			cancel()
			if err := errors.Join(<-ended, commands.Close()); err != nil {
				t.Error(err)
			}
		})
		t.Cleanup(stop)
		return stop
	}
}

// unkept is for a gateway that is given no commands.
func unkept(t testing.TB) *commandlog.Log {
	t.Helper()
	kept, _ := keepCommands(t, filepath.Join(t.TempDir(), "commands.sqlite"))
	return kept
}

func (o *office) furnish(t testing.TB) {
	t.Helper()
	desk := wattline.Device{
		ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Site: "hq", Address: "192.0.2.11",
		Labels: map[string]string{"cost-centre": "4100", "floor": "1"}, PollS: 5000,
	}
	o.bus.register(t, desk)
	desk.ID, desk.Location, desk.Labels = "desk-2", "hq/f1/r101/desk-2", map[string]string{"cost-centre": "4200"}
	o.bus.register(t, desk)
	o.bus.register(t, wattline.Device{
		ID: "printer-1", Kind: "printer", Location: "hq/f2/hall", Site: "hq", Address: "192.0.2.12", Protected: wattline.ProtectionLocked,
	})
	o.bus.register(t, wattline.Device{ID: "new-1", Kind: "printer", Location: "hq/f10", Site: "lab", Address: "192.0.2.13"})
	o.bus.register(t, wattline.Device{ID: "down-1", Kind: "workstation", Location: "hq/f2/r201", Site: "hq", Address: "192.0.2.14"})
	for _, id := range []string{"desk-1", "desk-2"} {
		o.bus.state(t, "hq", stateOf(id, noon()), true)
		o.bus.reading(t, "hq", readingOf(id, noon()), true)
	}
	printer := stateOf("printer-1", noon())
	printer.Capabilities = []wattline.Capability{wattline.CapabilityRelay, wattline.CapabilityMeter}
	o.bus.state(t, "hq", printer, true)
	o.bus.command(t, wattline.Result{
		ID: "command-1", Device: "desk-1", Action: wattline.ActionOn, Outcome: wattline.OutcomeDone, Relay: wattline.RelayOn,
		LED: wattline.RelayOn, Time: noon(), Actor: "schedule",
	})
	o.bus.state(t, "hq", wattline.State{
		Device: "down-1", Availability: wattline.AvailabilityDown, Since: noon(), Time: noon(), Collector: "agent-1",
		Error: &wattline.StateError{Class: "timeout", Message: "no answer within 2s"},
	}, true)
}

// answer is a response, read to its end.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// problem is the answer as a problem document.
func (a answer) problem(t testing.TB) api.Problem {
	t.Helper()
	if kind := a.header.Get("Content-Type"); kind != "application/problem+json" {
		t.Fatalf("status %d, content type %q, body %.300s", a.status, kind, a.body)
	}
	return decoded[api.Problem](t, a)
}

func decoded[T any](t testing.TB, a answer) T {
	t.Helper()
	var value T
	if err := json.Unmarshal(a.body, &value); err != nil {
		t.Fatalf("%v in %.300s", err, a.body)
	}
	return value
}

// request builds one to this gateway; a body is JSON.
func request(method, target, body string) *http.Request {
	r := httptest.NewRequestWithContext(context.Background(), method, "/", strings.NewReader(body))
	path, query, _ := strings.Cut(target, "?")
	r.URL = &url.URL{Path: path, RawQuery: query}
	if unescaped, err := url.PathUnescape(path); err == nil && unescaped != path {
		r.URL.Path, r.URL.RawPath = unescaped, path
	}
	r.Host = "127.0.0.1"
	if body != "" {
		r.Header.Set("Content-Type", "application/json")
	}
	return r
}

func (o *office) do(t testing.TB, method, target, body string) answer {
	t.Helper()
	return o.send(t, request(method, strings.Replace(target, "TOKEN", o.tokenID, 1), body))
}

func (o *office) get(t testing.TB, target string) answer {
	t.Helper()
	return o.do(t, http.MethodGet, target, "")
}

// doAs asks with a token.
func (o *office) doAs(t testing.TB, token, method, target, body string) answer {
	t.Helper()
	r := request(method, target, body)
	r.Header.Set("Authorization", "Bearer "+token)
	return o.send(t, r)
}

// send holds every response against the description.
func (o *office) send(t testing.TB, r *http.Request) answer {
	t.Helper()
	a := o.sendUnchecked(t, r)
	o.check(t, r, a)
	return a
}

// sendUnchecked is for bodies that the description cannot be held to as they are:
// compressed ones.
func (o *office) sendUnchecked(t testing.TB, r *http.Request) answer {
	t.Helper()
	recorder := httptest.NewRecorder()
	o.Handler().ServeHTTP(recorder, r)
	response := recorder.Result()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer{response.StatusCode, response.Header, body}
}

func (o *office) check(t testing.TB, r *http.Request, a answer) {
	t.Helper()
	asGet := r
	if r.Method == http.MethodHead {
		asGet = r.Clone(r.Context())
		asGet.Method = http.MethodGet
	}
	operation, documented := o.validator.Find(asGet)
	switch {
	case documented && a.status != http.StatusNotModified:
		answered.keep(operation, a)
		if err := o.validator.Response(asGet, a.status, a.header, a.body); err != nil {
			t.Errorf("%s %s answers %d otherwise than described: %v\n%.500s", r.Method, r.URL, a.status, err, a.body)
		}
	case !documented && a.status >= http.StatusBadRequest:
		var value any
		if err := json.NewDecoder(bytes.NewReader(a.body)).Decode(&value); err != nil {
			t.Errorf("%s %s answers %d without JSON: %v", r.Method, r.URL, a.status, err)
		} else if err := o.validator.Schema("Problem", value); err != nil {
			t.Errorf("%s %s answers %d without a problem: %v", r.Method, r.URL, a.status, err)
		}
	}
	if a.header.Get("X-Request-Id") == "" {
		t.Errorf("%s %s answers without a request id", r.Method, r.URL)
	}
}

// wantProblem checks the code, its status, and the first field if one is named.
func wantProblem(t testing.TB, a answer, code wattline.Code, field string) {
	t.Helper()
	problem := a.problem(t)
	if problem.Code != code || problem.Status != a.status || a.status != code.HTTPStatus() {
		t.Errorf("got %d with %+v, want %s", a.status, problem, code)
	}
	if problem.RequestID != a.header.Get("X-Request-Id") {
		t.Errorf("request id %q in the body, %q in the header", problem.RequestID, a.header.Get("X-Request-Id"))
	}
	if field != "" && (len(problem.Fields) == 0 || problem.Fields[0].Field != field) {
		t.Errorf("got fields %+v, want %q first", problem.Fields, field)
	}
}

// eventually waits for something that another goroutine brings about.
func eventually(t testing.TB, what string, met func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !met(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what + " did not come about")
		}
	}
}
