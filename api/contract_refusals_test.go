package api_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

// everyStranger asks without a valid token, too often, without rights, and while
// nobody can tell who asks.
func everyStranger(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t))
	viewer := access.Principal{Name: "token:none", Role: access.Viewer}
	o.guests.let("viewer", viewer)
	for _, operation := range o.validator.Operations() {
		r := one[operation.ID]
		if strings.HasPrefix(r.target, "/-/") || operation.ID == "signIn" {
			continue
		}
		for _, token := range []string{"stranger", "hasty", "viewer", "unreadable"} {
			note(operation.ID, o.doAs(t, token, r.method, r.target, r.body).status)
		}
	}
}

// passedOn are the operations that ask somebody else, whose errors are theirs.
var passedOn = []string{
	"replaceDevice", "patchDevice", "deleteDevice", "liftProtection", "endLift", "applyDevices", "createDevice",
	"getState", "putRelay", "putLED", "getReadings", "getConsumption", "getAggregate", "postRebuild", "getComponent",
	"postWatch", "deleteWatch",
	"forgetHook", "postDiscovery", "getDiscovery", "adoptPlug", "listDeadLetters", "resendDeadLetters",
}

// told are the errors that others answer with, in words such as theirs.
var told = []struct {
	code    wattline.Code
	message string
}{
	{"invalid", "the address is outside the configured networks"},
	{"unauthenticated", "it is not known who asks"},
	{"forbidden", "only an admin changes what the configuration declares"},
	{"not_found", "the registry knows no such device"},
	{"method_not_allowed", "this component answers get only"},
	{"not_acceptable", "this component answers in JSON only"},
	{"conflict", "the device has been changed since version 3"},
	{"too_large", "the question is larger than 1 MiB"},
	{"unsupported_media_type", "the question must be JSON"},
	{"unsupported", "the plug has no such light"},
	{"protected", "the device is locked"},
	{"busy", "too many questions at once"},
	{"internal", "internal error"},
	{"device_unreachable", "no answer from the plug within 2s"},
	{"device_error", "the plug answers err_code -1"},
	{"no_responder", "no history is alive"},
	{"broker_down", "the broker is not connected"},
	{"store_down", "the store does not answer"},
	{"timeout", "no answer within the deadline"},
	{"teapot", "short and stout"},
}

// everyFailureOfOthers has whoever is asked answer with each code there is.
func everyFailureOfOthers(t *testing.T, note func(string, int)) {
	o := open(t)
	for _, failure := range told {
		code := failure.code
		o.bus.set(func(b *fakeBus) {
			b.answer = func(context.Context, bus.Ask) (any, error) {
				return nil, &wattline.Error{Code: code, Message: failure.message}
			}
		})
		want := code
		if code == "teapot" {
			want = wattline.CodeInternal
		}
		for _, id := range passedOn {
			a := o.do(t, one[id].method, one[id].target, one[id].body)
			wantProblem(t, a, want, "")
			note(id, a.status)
			wantsRetry := want == "busy" || want == "no_responder" || want == "broker_down" || want == "store_down"
			if got := a.header.Get("Retry-After"); (got != "") != wantsRetry {
				t.Errorf("%s with %s: Retry-After %q", id, code, got)
			}
			if isCommand := strings.HasPrefix(id, "put"); isCommand == (a.problem(t).CommandID == "") {
				t.Errorf("%s: command id %q", id, a.problem(t).CommandID)
			}
		}
	}
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) { return json.RawMessage(`{"x":`), nil }
	})
	for _, id := range passedOn {
		wantProblem(t, o.do(t, one[id].method, one[id].target, one[id].body), wattline.CodeInternal, "")
	}
}

// everyRefusal is of requests for another host, and of one too many.
func everyRefusal(t *testing.T, note func(string, int)) {
	o := open(t, withAccounts(t), func(options *api.Options) { options.Limits.Requests = 1 })
	for id, r := range one {
		rebound := request(r.method, r.target, r.body)
		rebound.Host = "evil.example:8080"
		a := o.send(t, rebound)
		wantProblem(t, a, wattline.CodeForbidden, "")
		note(id, a.status)
	}
	asked, finish, done := make(chan bool), make(chan bool), make(chan bool)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) {
			close(asked)
			<-finish
			return "done", nil
		}
	})
	go func() {
		defer close(done)
		o.Handler().ServeHTTP(discard{}, request("GET", "/api/v1/components/slow/one", ""))
	}()
	<-asked
	goOn, stranger := slowSignIn(t, o)
	for id, r := range one {
		a := o.do(t, r.method, r.target, r.body)
		if strings.HasPrefix(r.target, "/api/") {
			wantProblem(t, a, wattline.CodeBusy, "")
		} else if a.status == http.StatusTooManyRequests {
			t.Errorf("%s: monitoring is refused", id)
		}
		note(id, a.status)
	}
	close(finish)
	<-done
	goOn()
	<-stranger
	if a := o.get(t, "/-/healthy"); a.status != http.StatusOK {
		t.Errorf("after that: %d", a.status)
	}
}

// slowSignIn is a stranger who has begun to sign in, and goes on when told.
func slowSignIn(t *testing.T, o *office) (goOn func(), done chan bool) {
	t.Helper()
	body, rest := io.Pipe()
	r := request(http.MethodPost, "/api/v1/session", "{}")
	r.Body, r.ContentLength, done = body, 100, make(chan bool)
	go func() {
		defer close(done)
		o.Handler().ServeHTTP(discard{}, r)
	}()
	if _, err := io.WriteString(rest, "{"); err != nil { // returns when it is read
		t.Fatal(err)
	}
	return func() { _ = rest.Close() }, done
}

// discard is a ResponseWriter for answers that nobody looks at.
type discard struct{}

func (discard) Header() http.Header         { return http.Header{} }
func (discard) Write(p []byte) (int, error) { return len(p), nil }
func (discard) WriteHeader(int)             {}
