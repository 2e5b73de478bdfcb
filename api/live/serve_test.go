package live_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
)

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

func openDoor(t *testing.T, options live.Options) *door {
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
	d.Config.WriteTimeout = 50 * time.Millisecond
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

// next is the next block of lines, by the names of its fields; nil at the end.
func (e *events) next() map[string]string {
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
	d := openDoor(t, live.Options{Heartbeat: 10 * time.Millisecond, Events: 4}) // the server gives an answer 50 ms
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
	d := openDoor(t, live.Options{Stall: 100 * time.Millisecond, Pause: time.Microsecond, SeatsEach: 2})
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
	for {
		if leave, err := d.hub.Sit("guest"); err == nil {
			leave()
			return
		}
		time.Sleep(time.Millisecond)
	}
}

// dial opens a socket.
func (d *door) dial(t *testing.T) *websocket.Conn {
	t.Helper()
	conn, response, err := websocket.Dial(t.Context(), d.URL+"/socket", nil)
	if err != nil {
		t.Fatal(err)
	}
	if response.Body != nil {
		_ = response.Body.Close()
	}
	t.Cleanup(func() { _ = conn.CloseNow() })
	return conn
}

func tell(t *testing.T, conn *websocket.Conn, text string) {
	t.Helper()
	if err := conn.Write(t.Context(), websocket.MessageText, []byte(text)); err != nil {
		t.Fatal(err)
	}
}

func hear(t *testing.T, conn *websocket.Conn) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, text, err := conn.Read(ctx)
	if err != nil {
		return err.Error()
	}
	return string(text)
}

func TestASocket(t *testing.T) {
	d := openDoor(t, live.Options{Heartbeat: 10 * time.Millisecond})
	place(t, d.hub, "desk-1", "hq/f1")
	place(t, d.hub, "desk-2", "lab")
	conn := d.dial(t)
	ask := func(request, reply string) {
		t.Helper()
		tell(t, conn, request)
		if got := hear(t, conn); !strings.Contains(got, reply) {
			t.Errorf("%s\nis answered %s\nwant %s", request, got, reply)
		}
	}
	ask(`{"type":"subscribe","id":"a","types":["reading"]}`, `{"type":"subscribed","id":"a"}`)
	ask(`{"type":"subscribe","id":"a"}`, `"code":"conflict"`)
	ask(`{"type":"subscribe","id":"b","selector":{"location":"hq/f2"}}`, `{"type":"subscribed","id":"b"}`)
	ask(`{"type":"subscribe","id":"c","selector":{"location":"hq/f1"},"snapshot":true}`, `{"type":"subscribed","id":"c"}`)
	snapshot := hear(t, conn)
	if !strings.HasPrefix(snapshot, `{"type":"events","events":[{"event":"registry","data":{"change":"added","id":"desk-1"`) ||
		!strings.Contains(snapshot, `"data":{"devices":1},"subscriptions":["c"]}]}`) {
		t.Error(snapshot)
	}
	say(t, d.hub, live.Reading, value{Device: "desk-2"})
	say(t, d.hub, live.Reading, value{Device: "desk-1", N: 5})
	var got struct {
		Type   string
		Events []struct {
			Event, ID     string
			Data          value
			Subscriptions []string
		}
	}
	if err := json.Unmarshal([]byte(hear(t, conn)), &got); err != nil || got.Type != "events" || len(got.Events) != 1 {
		t.Fatal(err, got)
	}
	if e := got.Events[0]; e.Event != "reading" || e.Data.N != 5 || len(e.Subscriptions) != 2 || e.ID == "" {
		t.Errorf("%+v", e)
	}
	last := got.Events[0].ID
	ask(`{"type":"subscribe","id":"x","after":"`+last+`"}`, `"field":"after"`)
	ask(`{"type":"unsubscribe","id":"a"}`, `{"type":"unsubscribed","id":"a"}`)
	ask(`{"type":"unsubscribe","id":"a"}`, `"code":"not_found"`)
	ask(`{"type":"subscribe","id":"NO"}`, `"field":"id"`)
	ask(`{"type":"dance","id":"x"}`, `{"type":"error","id":"x","code":"invalid"`)
	ask(`{"type":"subscribe","id":"x","types":["gossip"]}`, `"field":"types"`)
	ask(`{"type":"subscribe","id":"x","selector":{"location":"/"}}`, `"field":"location"`)
	ask(`{"type":"subscribe","id":"x","more":1}`, `"code":"invalid"`)
	ask(`nonsense`, `"code":"invalid"`)
	for i := range live.MaxSubscriptions - 2 {
		ask(`{"type":"subscribe","id":"n`+string(rune('a'+i%26))+string(rune('a'+i/26))+`","types":["alert"]}`, `"subscribed"`)
	}
	ask(`{"type":"subscribe","id":"onemore"}`, `"code":"busy"`)
	if err := conn.Close(websocket.StatusNormalClosure, ""); err != nil {
		t.Error(err)
	}
	say(t, d.hub, live.Reading, value{Device: "desk-1", N: 6})
	conn = d.dial(t)
	ask(`{"type":"subscribe","id":"a","snapshot":true,"after":"`+last+`"}`, `{"type":"subscribed","id":"a"}`)
	if got := hear(t, conn); !strings.HasPrefix(got, `{"type":"events","events":[{"event":"reading"`) || !strings.Contains(got, `"n":6`) {
		t.Errorf("resumed with %s", got)
	}
}

func TestASocketIsClosedWithAReason(t *testing.T) {
	for name, c := range map[string]struct {
		happen func(*testing.T, *door, *websocket.Conn)
		status websocket.StatusCode
	}{
		"when its token is revoked": {func(_ *testing.T, d *door, _ *websocket.Conn) { d.who.Store(nil) }, 4401},
		"when the gateway ends":     {func(_ *testing.T, d *door, _ *websocket.Conn) { go d.hub.End(context.Background()) }, websocket.StatusGoingAway},
		"after a message that is too long": {func(t *testing.T, _ *door, conn *websocket.Conn) {
			tell(t, conn, strings.Repeat("x", 20_000))
		}, websocket.StatusMessageTooBig},
		"after one that is no text": {func(t *testing.T, _ *door, conn *websocket.Conn) {
			if err := conn.Write(t.Context(), websocket.MessageBinary, []byte("{}")); err != nil {
				t.Fatal(err)
			}
		}, websocket.StatusUnsupportedData},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := openDoor(t, live.Options{})
			conn := d.dial(t)
			c.happen(t, d, conn)
			for {
				_, _, err := conn.Read(t.Context())
				if err == nil {
					continue // the reason in full
				}
				if status := websocket.CloseStatus(err); status != c.status {
					t.Errorf("closed with %d: %v", status, err)
				}
				return
			}
		})
	}
}

func TestASocketIsNotForPagesOfElsewhere(t *testing.T) {
	d := openDoor(t, live.Options{})
	cookie, token := http.Header{"Cookie": {"wattline_session=x"}}, http.Header{"Authorization": {"Bearer x"}}
	for _, c := range []struct {
		origin string
		with   http.Header
		status int
	}{
		{d.URL, cookie, 101},
		{d.URL, token, 101},
		{strings.Replace(d.URL, "http:", "https:", 1), cookie, 403},
		{"https://dashboard.example", cookie, 403},
		{"https://dashboard.example", token, 101},
		{"http://dashboard.example", token, 403},
		{"https://evil.example", token, 403},
		{"https://evil.example", cookie, 403},
		{"null", token, 403},
	} {
		header := c.with.Clone()
		header.Set("Origin", c.origin)
		conn, response, err := websocket.Dial(t.Context(), d.URL+"/socket", &websocket.DialOptions{HTTPHeader: header})
		if response == nil || response.StatusCode != c.status {
			t.Errorf("%+v: %v", c, err)
		} else if response.Body != nil {
			_ = response.Body.Close()
		}
		if conn != nil {
			_ = conn.Close(websocket.StatusNormalClosure, "")
		}
	}
	if plain := d.events(t, "/socket", ""); plain.status != http.StatusBadRequest {
		t.Errorf("status %d without a handshake", plain.status)
	}
}
