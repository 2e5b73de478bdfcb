package live_test

import (
	"bufio"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/testserver"
)

// patience bounds every wait; what is waited for takes a small part of it.
const patience = 20 * time.Second

// door is a server over a hub, with one guest whose rights may change.
type door struct {
	*httptest.Server
	hub *live.Hub
	who atomic.Pointer[access.Principal] // nil: nobody
}

func (d *door) identify() (access.Principal, error) {
	if who := d.who.Load(); who != nil {
		return *who, nil
	}
	return access.Principal{}, wattline.Errorf(wattline.CodeUnauthenticated, "the token is not valid")
}

func (d *door) let(who access.Principal) { d.who.Store(&who) }

func openDoor(t *testing.T, options live.Options, change ...func(*http.Server)) *door {
	t.Helper()
	d := &door{hub: newHub(t, options)}
	d.let(guest(t, "hq"))
	d.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		leave, err := d.hub.Sit("guest")
		if err == nil {
			defer leave()
			if r.URL.Path == "/socket" {
				err = d.hub.ServeSocket(w, r, live.Socket{Who: d.identify, Origins: []string{"https://dashboard.example"}})
			} else {
				err = d.hub.ServeEvents(w, r, live.Stream{
					Filter: filter(t, wattline.Selector{}), Who: d.identify,
					After: r.Header.Get("Last-Event-ID"), Snapshot: r.URL.RawQuery == "snapshot",
				})
			}
		}
		if err != nil {
			http.Error(w, err.Error(), wattline.AsError(err).Code.HTTPStatus())
		}
	}))
	for _, c := range change {
		c(d.Config)
	}
	d.Start()
	t.Cleanup(func() {
		d.hub.End(context.Background())
		d.CloseClientConnections()
		d.Close()
	})
	return d
}

// events is an open stream, read event by event.
type events struct {
	status int
	header http.Header
	body   io.ReadCloser
	lines  *bufio.Scanner
}

func (d *door) events(t *testing.T, target, after string) *events {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, d.URL+target, nil)
	if err != nil {
		t.Fatal(err)
	}
	if after != "" {
		r.Header.Set("Last-Event-ID", after)
	}
	response, err := d.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = response.Body.Close() })
	return &events{response.StatusCode, response.Header, response.Body, bufio.NewScanner(response.Body)}
}

// next is the next block of lines, by the names of its fields; nil at the end, and
// of a stream that says nothing.
func (e *events) next() map[string]string {
	hangs := time.AfterFunc(patience, func() { _ = e.body.Close() })
	defer hangs.Stop()
	var block map[string]string
	for e.lines.Scan() {
		if e.lines.Text() == "" {
			return block
		}
		if block == nil {
			block = map[string]string{}
		}
		name, text, _ := strings.Cut(e.lines.Text(), ":")
		block[name] = strings.TrimSpace(text)
	}
	return nil
}

// nextEvent passes over what is no event.
func (e *events) nextEvent() map[string]string {
	for {
		if block := e.next(); block == nil || block["event"] != "" {
			return block
		}
	}
}

func TestAStreamOfEvents(t *testing.T) {
	d := openDoor(t, live.Options{})
	place(t, d.hub, "desk-1", "hq/f1")
	stream := d.events(t, "/events", "")
	if stream.header.Get("Content-Type") != "text/event-stream" || stream.header.Get("Cache-Control") != "no-store" {
		t.Errorf("%v", stream.header)
	}
	begin := stream.next()
	if begin["retry"] != "2000" || begin["id"] == "" || begin["data"] != "" {
		t.Errorf("it begins with %v", begin)
	}
	say(t, d.hub, live.Reading, value{Device: "desk-1", N: 1})
	first := stream.nextEvent()
	if first["event"] != "reading" || first["data"] != `{"device":"desk-1","location":"","n":1}` || first["id"] == "" {
		t.Errorf("%v", first)
	}
	t.Run("is resumed where it broke off", func(t *testing.T) {
		say(t, d.hub, live.Reading, value{Device: "desk-1", N: 2})
		again := d.events(t, "/events?snapshot", first["id"])
		if got := again.nextEvent(); got["data"] != `{"device":"desk-1","location":"","n":2}` {
			t.Errorf("%v", got)
		}
	})
	t.Run("says that it cannot, and then begins with what there is", func(t *testing.T) {
		strange := d.events(t, "/events?snapshot", "of-another-process")
		var names []string
		for range 4 {
			names = append(names, strange.nextEvent()["event"])
		}
		expect(t, names, "gap", "registry", "reading", "snapshot")
	})
	t.Run("to a HEAD is only announced", func(t *testing.T) {
		r, _ := http.NewRequestWithContext(t.Context(), http.MethodHead, d.URL+"/events", nil)
		response, err := d.Client().Do(r)
		if err != nil || response.Header.Get("Content-Type") != "text/event-stream" {
			t.Fatal(err)
		}
		_ = response.Body.Close()
	})
}

func TestAQuietStreamLivesOnAndMovesItsPosition(t *testing.T) {
	d := openDoor(t, live.Options{Heartbeat: 10 * time.Millisecond, Events: 4}, func(s *http.Server) {
		s.WriteTimeout = 50 * time.Millisecond // which the stream outlives
	})
	stream := d.events(t, "/events", "")
	before := stream.next()["id"]
	place(t, d.hub, "elsewhere", "lab")
	for range 10 {
		say(t, d.hub, live.Reading, value{Device: "elsewhere"})
	}
	id := before
	for range 20 {
		id = stream.next()["id"]
	}
	if id == "" || id == before {
		t.Errorf("position %q, before %q", id, before)
	}
	_ = stream.body.Close()
	place(t, d.hub, "desk-1", "hq/f1")
	if got := d.events(t, "/events", id).nextEvent(); got["event"] != "registry" {
		t.Errorf("%v", got)
	}
}

func TestAStreamEndsWithAReason(t *testing.T) {
	for name, c := range map[string]struct {
		code   string
		happen func(*door)
	}{
		"when its token is revoked":  {"unauthenticated", func(d *door) { d.who.Store(nil) }},
		"when the gateway does":      {"no_responder", func(d *door) { d.hub.End(context.Background()) }},
		"but not with fewer rights:": {"", func(d *door) { d.let(guest(t, "hq/f2")) }},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDoor(t, live.Options{})
			place(t, d.hub, "desk-1", "hq/f1")
			stream := d.events(t, "/events", "")
			stream.next()
			c.happen(d)
			last := stream.nextEvent()
			if c.code == "" {
				if last["event"] != "registry" || last["data"] != `{"change":"removed","id":"desk-1"}` {
					t.Errorf("%v", last)
				}
				return
			}
			if last["event"] != "closed" || !strings.Contains(last["data"], `"code":"`+c.code+`"`) || stream.next() != nil {
				t.Errorf("%v", last)
			}
		})
	}
}

func TestAClientThatTakesNothingIsCutOffAndHoldsUpNobody(t *testing.T) {
	d := openDoor(t, live.Options{Stall: time.Second, Pause: time.Microsecond, SeatsEach: 2})
	place(t, d.hub, "desk-1", "hq/f1")
	stuck, quick := d.events(t, "/events", ""), d.events(t, "/events", "")
	text := strings.Repeat("x", 10_000)
	for range 2000 { // more than the kernel holds for a connection
		if err := d.hub.Publish(live.Command, "desk-1", map[string]string{"text": text}); err != nil {
			t.Fatal(err)
		}
		if got := quick.nextEvent(); got["event"] != "command" {
			t.Fatalf("%v", got)
		}
	}
	d.awaitSeat(t) // it was cut off
	if rest, err := io.Copy(io.Discard, stuck.body); err == nil || rest > 2000*10_000 {
		t.Errorf("it was given %d bytes, then %v", rest, err)
	}
}

func TestSeatsAreBoundedAndGivenBack(t *testing.T) {
	d := openDoor(t, live.Options{SeatsEach: 2})
	first := d.events(t, "/events", "")
	d.events(t, "/events", "").next()
	for range 200 {
		refused := d.events(t, "/events", "")
		if refused.status != http.StatusTooManyRequests {
			t.Fatalf("status %d", refused.status)
		}
		_ = refused.body.Close()
	}
	if leave, err := d.hub.Sit("somebody else"); err != nil {
		t.Error(err)
	} else {
		leave()
	}
	_ = first.body.Close()
	d.awaitSeat(t)
}

// awaitSeat waits until there is a place for one connection more.
func (d *door) awaitSeat(t *testing.T) {
	t.Helper()
	testserver.Eventually(t, patience, func() error {
		leave, err := d.hub.Sit("guest")
		if err == nil {
			leave()
		}
		return err
	})
}
