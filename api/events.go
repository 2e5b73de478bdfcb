package api

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/access"
)

// streamEvents godoc
//
//	@Summary		Live events
//	@Description	Server-sent events: what happens from now on to the devices that you may see and that the parameters choose. The event names are the types; the data is JSON: of reading and state as in the state of a device, of command a result, of registry a change (added, changed, removed: also where a device comes into your view or leaves it), of alert its type and details.
//	@Description
//	@Description	Each event has an id. Whoever connects again with the last one, in the header Last-Event-ID as browsers do, gets what came meanwhile. Where that is not kept any more, the first event is gap: ask for the present state again, or have snapshot=true do it. A client that is too slow gets missed instead of values that newer ones have replaced. The last event of a stream that the gateway ends is closed, with the reason.
//	@ID				streamEvents
//	@Tags			live
//	@Produce		text/event-stream
//	@Param			location		query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind			query		string		false	"Kind"	example(printer)
//	@Param			label			query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			row				query	string		false	"Row of an open-plan room"	example(1)
//	@Param			column			query	string		false	"Column of it"	example(2)
//	@Param			device			query		[]string	false	"Device; several may be given"	collectionFormat(multi)
//	@Param			type			query		[]string	false	"Types of events; all unless given"	collectionFormat(multi)	Enums(registry, state, reading, command, alert)
//	@Param			snapshot		query		bool		false	"Begin with what there is, unless the stream is resumed"	default(false)
//	@Param			last_event_id	query		string		false	"As the header, for clients that cannot set it"
//	@Param			Last-Event-ID	header		string		false	"The id of the last event received"
//	@Success		200				{string}	string		"a stream of events without end"
//	@Failure		400				{object}	Problem		"invalid"
//	@Failure		403				{object}	Problem		"forbidden"
//	@Failure		429				{object}	Problem		"busy: too many live connections"
//	@Failure		503				{object}	Problem		"no_responder: the gateway ends"
//	@Router			/api/v1/events [get]
func (g *Gateway) streamEvents(c *gin.Context) error {
	stream, err := g.readStream(c)
	if err != nil {
		return err
	}
	return g.listening(c, func() error { return g.live.ServeEvents(c.Writer, c.Request, stream) })
}

func (g *Gateway) readStream(c *gin.Context) (live.Stream, error) {
	p, err := readParams(c.Request)
	if err != nil {
		return live.Stream{}, err
	}
	stream := live.Stream{Who: g.asker(c)}
	selector := p.selection()
	kinds := p.kinds()
	stream.Snapshot = p.boolean("snapshot")
	stream.After, _ = p.text("last_event_id")
	if header := c.GetHeader("Last-Event-ID"); header != "" {
		stream.After = header
	}
	if err := p.err(); err != nil {
		return live.Stream{}, err
	}
	stream.Filter, err = live.NewFilter(selector, kinds)
	return stream, err
}

// kinds are the types of events.
func (p *params) kinds() []live.Kind {
	var kinds []live.Kind
	for _, name := range p.list("type", len(live.Kinds())) {
		kind := live.Kind(name)
		if !slices.Contains(live.Kinds(), kind) {
			p.fail("type", "must be of %v", live.Kinds())
			return nil
		}
		kinds = append(kinds, kind)
	}
	return kinds
}

// openSocket godoc
//
//	@Summary		Live events over WebSocket
//	@Description	A WebSocket connection on which a client subscribes and unsubscribes while it is open, by selectors and types. Messages are JSON objects; both sides' are in the guide to live data. Browsers sign in with their session's cookie, from pages of the gateway's own origin alone; others with the header Authorization. The gateway closes with 4401 when the token or session ends, 4403 when its rights do, 4429 when the client is too slow, 1001 when the gateway ends.
//	@ID				openSocket
//	@Tags			live
//	@Produce		json
//	@Param			Upgrade					header	string	true	"websocket"
//	@Param			Sec-WebSocket-Version	header	string	true	"13"
//	@Success		101						"the connection is a WebSocket from here on"
//	@Failure		400						{object}	Problem	"invalid: not a WebSocket handshake"
//	@Failure		403						{object}	Problem	"forbidden: also for pages of another origin"
//	@Failure		429						{object}	Problem	"busy: too many live connections"
//	@Failure		503						{object}	Problem	"no_responder: the gateway ends"
//	@Router			/api/v1/live [get]
func (g *Gateway) openSocket(c *gin.Context) error {
	socket := live.Socket{Who: g.asker(c), Origins: g.options.Origins}
	return g.listening(c, func() error { return g.live.ServeSocket(c.Writer, c.Request, socket) })
}

// listening serves a live connection. It takes a seat among these, and not one of
// the requests at once. That not all devices are known yet is no reason to refuse it:
// they are added as they become known, and browsers that are refused never try again.
func (g *Gateway) listening(c *gin.Context, serve func() error) error {
	leave, err := g.live.Sit(g.who(c).Name)
	if err != nil {
		return err
	}
	defer leave()
	g.leave(c)
	return serve()
}

// asker tells by what holds now who made a request.
func (g *Gateway) asker(c *gin.Context) func() (access.Principal, error) {
	request := c.Request
	return func() (access.Principal, error) {
		who, err := g.options.Identities.Identify(request)
		if err == nil {
			err = decided(who, access.Enter, wattline.Device{})
		}
		return who, err
	}
}
