package api_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/bus"
)

// listener is an open stream of events, read in short: "reading desk-1".
type listener struct {
	*http.Response

	lines *bufio.Scanner
	last  string // id
}

// listen opens a stream over a connection, with a token unless it is empty.
func (o *office) listen(t testing.TB, token, query string, header ...string) *listener {
	t.Helper()
	eventually(t, "a listener", func() bool { return o.Addr() != "" })
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+o.Addr()+"/api/v1/events?"+query, nil)
	if err != nil {
		t.Fatal(err)
	}
	if token != "" {
		r.Header.Set("Authorization", "Bearer "+token)
	}
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return &listener{Response: response, lines: bufio.NewScanner(response.Body)}
}

// next is the name of the next event and the device that it is about; empty at the
// end.
func (l *listener) next() string {
	var event string
	done := false
	for l.lines.Scan() {
		name, text, _ := strings.Cut(l.lines.Text(), ": ")
		switch name {
		case "":
			if done {
				return event
			}
		case "id":
			l.last = text
		case "event":
			event = text
		case "data":
			var data struct{ Device, Change, ID, Code, Alert, Availability any }
			if json.Unmarshal([]byte(text), &data) != nil {
				return "no JSON: " + text
			}
			for _, word := range []any{data.Change, data.ID, data.Code, data.Alert, data.Device, data.Availability} {
				if text, is := word.(string); is {
					event += " " + text
				}
			}
			done = true
		}
	}
	return ""
}

func (l *listener) expect(t testing.TB, want ...string) {
	t.Helper()
	for _, wanted := range want {
		if got := l.next(); got != wanted {
			t.Fatalf("got %q, want %q", got, wanted)
		}
	}
}

func event(t testing.TB, name string, value any) bus.Message {
	t.Helper()
	return bus.Message{Topic: wattline.Topic{Kind: wattline.TopicEvent, Event: name}, Payload: payload(t, value)}
}

func TestWhatHappensIsHeardByThoseWhoMaySeeIt(t *testing.T) {
	o := open(t)
	o.guests.let("floor", inScope(t, access.Viewer, "hq/f1"))
	all, floor := o.listen(t, "", ""), o.listen(t, "floor", "")
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Second)), false)
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Second)), true) // the broker was reached anew
	o.bus.state(t, "hq", stateOf("desk-1", later(time.Minute)), false)
	o.bus.reading(t, "hq", readingOf("printer-1", later(time.Second)), false)
	o.bus.deliver(event(t, "command", wattline.Result{Device: "printer-1", Action: "on", Outcome: "done", Time: noon()}))
	o.bus.deliver(event(t, "command", wattline.Result{Device: "desk-1", Action: "on", Outcome: "done", Time: noon()}))
	o.bus.deliver(event(t, "journal_dropped", map[string]any{"instance": "agent-1", "from": 1, "to": 2}))
	o.bus.deliver(event(t, "alert", map[string]any{"device": "printer-1", "rule": "too hot"}))
	o.bus.deliver(event(t, "alert", map[string]any{"device": "desk-2", "rule": "left on"}))
	o.bus.deliver(event(t, "audit", map[string]any{"device": "desk-1"}))
	o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicEvent, Event: "alert"}, Payload: []byte(`{"device":`)})
	all.expect(t, "reading desk-1", "state desk-1 up", "reading printer-1", "command printer-1", "command desk-1",
		"alert journal_dropped", "alert alert printer-1", "alert alert desk-2")
	floor.expect(t, "reading desk-1", "state desk-1 up", "command desk-1", "alert alert desk-2")
	o.bus.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicDevice, Device: "desk-2"}})
	all.expect(t, "registry removed desk-2")
	floor.expect(t, "registry removed desk-2")
}

func TestAStreamBeginsWithASnapshotAndIsResumed(t *testing.T) {
	o := open(t)
	stream := o.listen(t, "", "location=hq/f1&type=reading&type=state&snapshot=true")
	stream.expect(t, "state desk-1 up", "reading desk-1", "state desk-2 up", "reading desk-2", "snapshot")
	_ = stream.Body.Close()
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Second)), false)
	for name, again := range map[string]*listener{
		"by the header":    o.listen(t, "", "type=reading&snapshot=true", "Last-Event-ID", stream.last),
		"by the parameter": o.listen(t, "", "type=reading&snapshot=true&last_event_id="+stream.last),
	} {
		t.Run(name, func(t *testing.T) { again.expect(t, "reading desk-1") })
	}
	t.Run("but not after the gateway has started anew", func(t *testing.T) {
		open(t).listen(t, "", "device=desk-1&type=reading&snapshot=true", "Last-Event-ID", stream.last).
			expect(t, "gap", "reading desk-1", "snapshot")
	})
}

func TestAStreamBeginsBeforeAllDevicesAreKnown(t *testing.T) {
	o := open(t)
	o.SetComplete(false)
	stream := o.listen(t, "", "kind=coffee&snapshot=true")
	stream.expect(t, "snapshot")
	o.bus.device(t, wattline.Device{ID: "coffee-1", Kind: "coffee", Location: "hq/f1", Site: "hq", Address: "192.0.2.15"})
	stream.expect(t, "registry added coffee-1", "state coffee-1 unknown")
}

func TestRightsThatChangeApplyToAnOpenStream(t *testing.T) {
	o := open(t)
	o.guests.let("guest", inScope(t, access.Viewer, "hq"))
	stream := o.listen(t, "guest", "location=hq/f1")
	o.guests.let("guest", inScope(t, access.Viewer, "hq/f1/r101/desk-2"))
	stream.expect(t, "registry removed desk-1")
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Second)), false)
	o.bus.reading(t, "hq", readingOf("desk-2", later(time.Second)), false)
	stream.expect(t, "reading desk-2")
	o.guests.let("guest", access.Principal{})
	stream.expect(t, "closed unauthenticated", "")
}

func TestADeviceWhoseCollectorGoesIsStale(t *testing.T) {
	o := open(t)
	stream := o.listen(t, "", "device=desk-1&type=state")
	instances := o.bus.instances
	o.bus.set(func(b *fakeBus) { b.instances = nil })
	stream.expect(t, "state desk-1 stale")
	o.bus.set(func(b *fakeBus) { b.instances = instances })
	stream.expect(t, "state desk-1 up")
}

func TestLiveConnectionsDoNotCountAmongTheRequestsAtOnce(t *testing.T) {
	o := open(t, func(options *api.Options) {
		options.Limits.Requests = 2
		options.Live.SeatsEach = 20
	})
	o.guests.let("guest", inScope(t, access.Viewer, "hq"))
	for range 20 {
		if got := o.listen(t, "guest", ""); got.StatusCode != http.StatusOK {
			t.Fatalf("status %d", got.StatusCode)
		}
	}
	for range 3 {
		refused := o.listen(t, "guest", "")
		if refused.StatusCode != http.StatusTooManyRequests || refused.Header.Get("Retry-After") == "" {
			t.Fatalf("status %d", refused.StatusCode)
		}
		_ = refused.Body.Close()
	}
	if a := o.get(t, "/api/v1/devices"); a.status != http.StatusOK {
		t.Errorf("others are answered %d", a.status)
	}
	if got := o.listen(t, "", ""); got.StatusCode != http.StatusOK {
		t.Errorf("another one's stream is answered %d", got.StatusCode)
	}
}

func TestAWatchIsAskedOfTheCollectorThatPollsTheDevice(t *testing.T) {
	o := open(t)
	o.guests.let("viewer", inScope(t, access.Viewer, "hq/f1"))
	a := o.doAs(t, "viewer", "POST", "/api/v1/devices/desk-1/watch", `{"seconds":30}`)
	if got := decoded[wattline.Watch](t, a); got.Device != "desk-1" || got.PollS != 1000 {
		t.Errorf("%s", a.body)
	}
	o.doAs(t, "viewer", "POST", "/api/v1/devices/desk-1/watch", `{}`)
	o.doAs(t, "viewer", "DELETE", "/api/v1/devices/desk-1/watch", "")
	var leases []string
	for _, ask := range o.bus.asks() {
		leases = append(leases, fmt.Sprint(ask.Topic.Instance, " ", ask.Topic.Verb, " ", ask.Body))
	}
	want := "[agent-1 watch {desk-1 token:guest 30} agent-1 watch {desk-1 token:guest 60} agent-1 watch {desk-1 token:guest 0}]"
	if fmt.Sprint(leases) != want {
		t.Errorf("%v", leases)
	}
	for _, seconds := range []string{"0", "-1", "61", "1.5", `"9"`} {
		wantProblem(t, o.do(t, "POST", "/api/v1/devices/desk-1/watch", `{"seconds":`+seconds+`}`), wattline.CodeInvalid, "seconds")
	}
	wantProblem(t, o.doAs(t, "viewer", "POST", "/api/v1/devices/printer-1/watch", `{}`), wattline.CodeNotFound, "")
}

// handshake opens a WebSocket and returns the status of the answer.
func handshake(t testing.TB, o *office) int {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", o.Addr())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_, err = fmt.Fprint(conn, "GET /api/v1/live HTTP/1.1\r\nHost: localhost\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAccept-Encoding: gzip, zstd\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n")
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = response.Body.Close()
	return response.StatusCode
}

func TestAStreamEndsWithTheTokenOrTheSessionThatOpenedIt(t *testing.T) {
	var known *accounts.Accounts
	o := open(t, withAccounts(t), realIdentities, func(options *api.Options) { known = options.Accounts })
	token, secret, err := known.CreateToken(t.Context(), accounts.NewToken{Name: "display", Role: access.Viewer, Scope: access.Everything()})
	if err != nil {
		t.Fatal(err)
	}
	signedIn := o.do(t, http.MethodPost, "/api/v1/session", `{"name":"ana","password":"`+password+`"}`)
	cookie, _, _ := strings.Cut(signedIn.header.Get("Set-Cookie"), ";")
	byToken := o.listen(t, secret, "type=reading")
	bySession := o.listen(t, "", "type=reading", "Cookie", cookie)
	o.bus.reading(t, "hq", readingOf("desk-1", later(time.Second)), false)
	byToken.expect(t, "reading desk-1")
	bySession.expect(t, "reading desk-1")
	if _, err := known.RevokeToken(t.Context(), token.ID); err != nil {
		t.Fatal(err)
	}
	byToken.expect(t, "closed unauthenticated", "")
	out := request(http.MethodDelete, "/api/v1/session", "")
	out.Header.Set("Cookie", cookie)
	o.send(t, out)
	bySession.expect(t, "closed unauthenticated", "")
}
