package live_test

import (
	"context"
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/wattline/wattline/api/live"
)

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
