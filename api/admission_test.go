package api_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/bus"
)

// metric is the value of a metric with its labels, 0 if there is none.
func (o *office) metric(t *testing.T, name string) int {
	t.Helper()
	_, after, _ := strings.Cut(string(o.get(t, "/metrics").body), "\n"+name+" ")
	text, _, _ := strings.Cut(after, "\n")
	value, _ := strconv.Atoi(text)
	return value
}

// statusFrom asks on a connection of its own from an address of this machine.
func (o *office) statusFrom(t *testing.T, from, head string) string {
	t.Helper()
	conn := o.dialFrom(t, from)
	defer conn.Close()
	if _, err := io.WriteString(conn, head); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	if err != nil {
		t.Fatal(err)
	}
	if answer.StatusCode == http.StatusTooManyRequests && answer.Header.Get("Retry-After") == "" {
		t.Error("no word of when to try again")
	}
	return fmt.Sprint(answer.StatusCode, " ", string(body))
}

func TestStrangersWhoDoNotFinishHoldNobodyUp(t *testing.T) {
	const clients, requests = 600, 512
	o := open(t, withAccounts(t), func(options *api.Options) { options.Limits.BodyTimeout = time.Minute })
	const begun = "POST /api/v1/session HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
	for range clients {
		if _, err := io.WriteString(o.dialFrom(t, "127.0.0.1"), begun); err != nil {
			t.Fatal(err)
		}
	}
	eventually(t, "that there are more than can be served", func() bool {
		return o.metric(t, `wattline_api_requests_total{method="POST",route="/api/v1/session",status="429"}`) >= clients-requests
	})
	const head = " HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
	signIn := fmt.Sprintf(`{"name":"ana","password":%q}`, password)
	signIn = fmt.Sprintf("POST /api/v1/session%sContent-Length: %d\r\n\r\n%s", head, len(signIn), signIn)
	for name, of := range map[string]struct{ from, head, want string }{
		"an admin elsewhere":                  {"127.0.0.2", "GET /api/v1/me" + head + "\r\n", "200 "},
		"an admin at the same address":        {"127.0.0.1", "GET /api/v1/me" + head + "\r\n", "200 "},
		"who signs in elsewhere":              {"127.0.0.2", signIn, "200 "},
		"who asks whether the gateway lives":  {"127.0.0.1", "GET /-/healthy" + head + "\r\n", "200 "},
		"whoever wants to sign in from there": {"127.0.0.1", signIn, "429 "},
	} {
		if got := o.statusFrom(t, of.from, of.head); !strings.HasPrefix(got, of.want) {
			t.Errorf("%s gets %s", name, got)
		} else if of.want == "429 " && !strings.Contains(got, "128 requests without a token or a session are under way already, as many as 127.0.0.1 may have at once") {
			t.Errorf("whose limit it is: %s", got)
		}
	}
}

func TestOneWhoLeavesMuchUnfinishedHoldsOnlyThemselvesUp(t *testing.T) {
	const asked = 520
	hold := make(chan bool)
	release := sync.OnceFunc(func() { close(hold) })
	var come, refused atomic.Int64
	o := open(t)
	o.bus.set(func(b *fakeBus) {
		b.answer = func(context.Context, bus.Ask) (any, error) {
			come.Add(1)
			<-hold
			return nil, wattline.Errorf(wattline.CodeTimeout, "no answer")
		}
	})
	for _, name := range []string{"guest", "other"} {
		who := inScope(t, access.Viewer, "hq/f1")
		who.Name = "token:" + name
		o.guests.let(name, who)
	}
	t.Cleanup(release)
	var asking sync.WaitGroup
	for range asked {
		asking.Go(func() {
			if a := o.doAs(t, "guest", http.MethodGet, "/api/v1/devices/desk-1/state?refresh=true", ""); a.status == http.StatusTooManyRequests {
				refused.Add(1)
			}
		})
	}
	eventually(t, "that all have come", func() bool { return come.Load()+refused.Load() == asked })
	for _, token := range []string{"other", "guest"} {
		a := o.doAs(t, token, http.MethodGet, "/api/v1/devices/desk-1", "")
		if own := token == "guest"; own != (a.status == http.StatusTooManyRequests) || !own && a.status != http.StatusOK {
			t.Errorf("%s gets %d %s", token, a.status, a.body)
		} else if own && !strings.Contains(a.problem(t).Detail, "128 requests are under way already, as many as token:guest may have at once") {
			t.Errorf("whose limit it is: %s", a.body)
		}
	}
	if got := o.metric(t, `wattline_api_busy_total{of="one",places="requests"}`); got != asked-128+1 {
		t.Errorf("%d refusals are counted", got)
	}
	release()
	asking.Wait()
	if a := o.doAs(t, "guest", http.MethodGet, "/api/v1/devices/desk-1", ""); a.status != http.StatusOK {
		t.Errorf("after that: %d", a.status)
	}
}

func TestAnEighthOfThePlacesIsKeptForAdmins(t *testing.T) {
	hold, come := make(chan bool), make(chan bool, 7)
	release := sync.OnceFunc(func() { close(hold) })
	o := answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
		come <- true
		select {
		case <-hold:
			return nil, errors.New("broken")
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}, func(options *api.Options) { options.Limits.Requests = 8 })
	t.Cleanup(release)
	var asking sync.WaitGroup
	const query = "/api/v1/readings?device=desk-1"
	for i := range 4 {
		who := inScope(t, access.Admin, "hq/f1") // of a part, which is not of everything
		who.Name = fmt.Sprintf("token:t%d", i)
		o.guests.let(fmt.Sprintf("t%d", i), who)
	}
	for i := range 7 {
		asking.Go(func() { o.doAs(t, fmt.Sprintf("t%d", i/2), http.MethodGet, query, "") })
		<-come
	}
	a := o.doAs(t, "t3", http.MethodGet, "/api/v1/me", "")
	wantProblem(t, a, wattline.CodeBusy, "")
	if !strings.Contains(a.problem(t).Detail, "7 requests are under way already, as many as all together may have") {
		t.Errorf("whose limit it is: %s", a.body)
	}
	if a := o.get(t, "/api/v1/me"); a.status != http.StatusOK {
		t.Errorf("an admin gets %d", a.status)
	}
	release()
	asking.Wait()
}

func TestOneReaderLeavesLongAnswersToOthers(t *testing.T) {
	hold, come := make(chan bool), make(chan bool, 2)
	release := sync.OnceFunc(func() { close(hold) })
	var held atomic.Int64
	o := answering(t, func(ctx context.Context, ask bus.Ask) (any, error) {
		if strings.HasPrefix(ask.Actor, "token:guest@") && held.Add(1) <= 2 {
			come <- true
			<-hold
		}
		return paged(1, 1)(ctx, ask)
	})
	o.guests.let("guest", inScope(t, access.Viewer, "hq/f1"))
	t.Cleanup(release)
	const query = "/api/v1/readings?device=desk-1&format=csv"
	var reading sync.WaitGroup
	for range 2 {
		reading.Go(func() { o.doAs(t, "guest", http.MethodGet, query, "") })
		<-come
	}
	a := o.doAs(t, "guest", http.MethodGet, query, "")
	wantProblem(t, a, wattline.CodeBusy, "")
	if !strings.Contains(a.problem(t).Detail, "2 long answers are under way already, as many as token:guest may have at once") {
		t.Errorf("whose limit it is: %s", a.body)
	}
	if got := o.metric(t, `wattline_api_busy_total{of="one",places="long_answers"}`); got != 1 {
		t.Errorf("%d refusals are counted", got)
	}
	if a := o.get(t, query); a.status != http.StatusOK {
		t.Errorf("an admin gets %d", a.status)
	}
	release()
	reading.Wait()
}

func TestAListThatComesSlowlyKeepsNobodyFromTheirs(t *testing.T) {
	o := open(t)
	body, rest := io.Pipe()
	r := request(http.MethodPost, "/api/v1/devices:apply", "{}")
	r.Body, r.ContentLength = body, 100
	done := make(chan bool)
	go func() {
		defer close(done)
		o.Handler().ServeHTTP(discard{}, r)
	}()
	if _, err := io.WriteString(rest, "["); err != nil { // returns when it is read
		t.Fatal(err)
	}
	if a := o.do(t, http.MethodPost, "/api/v1/devices:apply?dry_run=true", `[]`); a.status == http.StatusTooManyRequests {
		t.Errorf("another one gets %s", a.body)
	}
	_ = rest.Close()
	<-done
}
