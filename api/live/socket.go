package live

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/coder/websocket"
	"golang.org/x/sync/errgroup"
	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/https"
	"github.com/wattline/wattline/internal/pause"
)

// The bounds of what a client may say.
const (
	// maxRequest bounds a message of the client.
	maxRequest = 16 << 10
	// MaxSubscriptions is of one connection.
	MaxSubscriptions = 32
	// More messages than these are taken up later.
	requestsPerSecond, requestsBurst = 20, 40
)

// Socket says what one WebSocket connection is given.
type Socket struct {
	// Who listens, as in [Stream].
	Who func() (access.Principal, error)
	// Origins are those, besides the gateway's own, whose pages may connect with a token:
	// https://dashboard.example. A browser sends its cookie along from any page, so that
	// with a session only the gateway's own pages may.
	Origins []string
}

// ServeSocket upgrades the connection and serves it until the client closes it, its
// rights end or the hub does. The caller has taken a seat. The error is one from
// before anything was written.
func (h *Hub) ServeSocket(w http.ResponseWriter, r *http.Request, socket Socket) error {
	if err := mayUpgrade(r, socket.Origins); err != nil {
		return err
	}
	who, err := socket.Who()
	if err != nil {
		return err
	}
	// mayUpgrade has looked at the origin.
	conn, err := websocket.Accept(w, r, &websocket.AcceptOptions{InsecureSkipVerify: true})
	if err != nil {
		return nil // the library has answered
	}
	defer func() { _ = conn.CloseNow() }()
	conn.SetReadLimit(maxRequest)
	c := connection{hub: h, conn: conn, feed: h.Listen(who)}
	c.serve(context.WithoutCancel(r.Context()), socket.Who)
	return nil
}

// mayUpgrade refuses what is no WebSocket handshake, and pages of elsewhere.
func mayUpgrade(r *http.Request, origins []string) error {
	if r.Method != http.MethodGet || r.ProtoMajor != 1 || !strings.EqualFold(r.Header.Get("Upgrade"), "websocket") {
		return wattline.Invalid(wattline.FieldError{Field: "Upgrade", Reason: "must be websocket, over HTTP/1.1: this path is for WebSocket clients"})
	}
	if r.Header.Get("Sec-WebSocket-Version") != "13" {
		return wattline.Invalid(wattline.FieldError{Field: "Sec-WebSocket-Version", Reason: "must be 13"})
	}
	origin := r.Header.Get("Origin")
	own := "http://" + r.Host
	if https.Used(r) {
		own = "https://" + r.Host
	}
	_, withToken := r.Header["Authorization"]
	if origin == "" || strings.EqualFold(origin, own) || withToken && slices.Contains(origins, origin) {
		return nil
	}
	return wattline.Errorf(wattline.CodeForbidden,
		"pages of %.80q may not connect: they are not of %s (behind a proxy with TLS, set trusted_proxies), or have no token of their own", origin, own)
}

// connection is a WebSocket client.
type connection struct {
	hub  *Hub
	conn *websocket.Conn
	feed *Feed
}

// serve returns when nothing of the connection runs any more.
func (c *connection) serve(ctx context.Context, who func() (access.Principal, error)) {
	running, stop := context.WithCancel(ctx)
	defer stop()
	requests := make(chan []byte)
	s := session{
		feed: c.feed, who: who, write: func(messages []Message) error { return c.write(running, messages) },
		beat: func() error { return nil }, requests: requests,
		answer: func(request []byte) error { return c.answer(running, request) },
	}
	var group errgroup.Group
	ended, end := context.WithCancelCause(running)
	group.Go(func() error { end(c.read(running, requests)); return nil })
	group.Go(func() error { end(c.ping(ended)); return nil })
	why := s.run(ended)
	if cause := context.Cause(ended); cause != nil {
		why = cause
	}
	c.close(running, why)
	stop()
	_ = group.Wait() // none returns an error
}

// read passes on what the client says, as fast as it may speak.
func (c *connection) read(ctx context.Context, requests chan<- []byte) error {
	pace := rate.NewLimiter(requestsPerSecond, requestsBurst)
	for {
		kind, request, err := c.conn.Read(ctx)
		if err != nil {
			return errGone
		}
		if kind != websocket.MessageText {
			return wattline.Errorf(wattline.CodeUnsupportedMediaType, "messages must be text")
		}
		if err := pace.Wait(ctx); err != nil {
			return err
		}
		select {
		case requests <- request:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// errGone ends a connection that the client has closed, or that the library has for
// a fault of the client's.
var errGone = fmt.Errorf("the client has gone: %w", context.Canceled)

// ping finds a client that is not there any more.
func (c *connection) ping(ctx context.Context) error {
	for {
		if err := pause.For(ctx, c.hub.options.Heartbeat); err != nil {
			return err
		}
		waiting, stop := context.WithTimeout(ctx, c.hub.options.Stall)
		err := c.conn.Ping(waiting)
		stop()
		if err != nil {
			return fmt.Errorf("no answer to a ping: %w", err)
		}
	}
}

// close says why, as far as there is something to say, and leaves.
func (c *connection) close(ctx context.Context, why error) {
	status, reason := websocket.StatusNormalClosure, ""
	if closing := c.hub.closing(why); closing != nil {
		_ = c.write(ctx, []Message{*closing})
		known := wattline.AsError(why)
		status, reason = closeStatus(known.Code), known.Message
	}
	const longest = 120 // of a control frame
	_ = c.conn.Close(status, strings.ToValidUTF8(reason[:min(len(reason), longest)], ""))
}

// closeStatus is 4000 and the HTTP status, but where there is a code of RFC 6455.
func closeStatus(code wattline.Code) websocket.StatusCode {
	switch code {
	case wattline.CodeNoResponder:
		return websocket.StatusGoingAway
	case wattline.CodeUnsupportedMediaType:
		return websocket.StatusUnsupportedData
	default:
		return websocket.StatusCode(4000 + code.HTTPStatus())
	}
}

func (c *connection) send(ctx context.Context, text []byte) error {
	ctx, cancel := context.WithTimeout(ctx, c.hub.options.Stall)
	defer cancel()
	return c.conn.Write(ctx, websocket.MessageText, text)
}

// write sends a batch as one message.
func (c *connection) write(ctx context.Context, messages []Message) error {
	buffer := c.hub.buffer()
	defer c.hub.buffers.Put(buffer)
	text := append(*buffer, `{"type":"events","events":[`...)
	for i, message := range messages {
		if i > 0 {
			text = append(text, ',')
		}
		text = appendItem(text, message)
	}
	*buffer = append(text, "]}"...)
	return c.send(ctx, *buffer)
}

// appendItem adds a message as an object. Names, ids and subscriptions need no
// escaping.
func appendItem(text []byte, message Message) []byte {
	text = append(append(append(text, `{"event":"`...), message.Name...), '"')
	if message.ID != "" {
		text = append(append(append(text, `,"id":"`...), message.ID...), '"')
	}
	text = append(append(text, `,"data":`...), message.Data...)
	for i, name := range message.To {
		between := `","`
		if i == 0 {
			between = `,"subscriptions":["`
		}
		text = append(append(text, between...), name...)
	}
	if len(message.To) > 0 {
		text = append(text, `"]`...)
	}
	return append(text, '}')
}

func (c *connection) reply(ctx context.Context, reply Reply) error {
	text, err := json.Marshal(reply)
	if err != nil {
		return err
	}
	return c.send(ctx, text)
}
