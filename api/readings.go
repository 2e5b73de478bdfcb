package api

import (
	"context"
	"encoding/json"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// getReadings godoc
//
//	@Summary		Raw readings
//	@Description	In [from, to), in the order of devices and then of time. Without any selection, of all devices. Dates are midnights in the installation's time zone. Ask for the following page with its cursor and all other parameters as they were; a period that ended "now" keeps its end.
//	@ID				getReadings
//	@Tags			history
//	@Produce		json
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			from		query		string		false	"RFC 3339 time or date; by default the midnight before to"	example(2026-03-29T00:00:00Z)
//	@Param			to			query		string		false	"RFC 3339 time or date; now by default"	example(2026-03-30)
//	@Param			limit		query		int			false	"Length of the page"	minimum(1)	maximum(1000)	default(1000)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Success		200			{object}	wattline.ReadingsPage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: no such device"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/readings [get]
func (g *Gateway) getReadings(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	selector := p.selection()
	from, to := p.period(g.options.Timezone, wattline.At(time.Now()))
	limit := p.limit(wattline.MaxPage)
	at, more := p.cursor(c.Request)
	if err := p.err(); err != nil {
		return err
	}
	if more {
		if from, to, err = at.period(); err != nil {
			return err
		}
	}
	devices, err := g.shadow.choose(selector)
	if err != nil {
		return err
	}
	page := wattline.ReadingsPage{Readings: []wattline.Reading{}}
	if len(devices) == 0 {
		return writeJSON(c, page)
	}
	err = g.askHistory(c, wattline.VerbReadings, wattline.ReadingsQuery{
		Devices: idsOf(devices), From: from, To: to, Cursor: at.After, Limit: limit,
	}, &page)
	if err != nil {
		return err
	}
	page.Next = p.next(c, cursor{From: from, To: to, After: page.Next})
	return writeJSON(c, page)
}

// next is the cursor for the page that follows, or empty where the component
// gave none.
func (p *params) next(c *gin.Context, at cursor) string {
	if at.After == "" {
		return ""
	}
	at.Query = p.digest(c.Request)
	return at.String()
}

// askHistory puts a query to a live history component and reads its answer.
func (g *Gateway) askHistory(c *gin.Context, verb string, query, into any) error {
	body, err := g.ask(c.Request.Context(), wattline.RoleHistory, verb, bus.Ask{Body: query, Actor: actor(c.Request)})
	if err != nil {
		return err
	}
	return decodeReply(body, into)
}

// ask puts a query to any live instance of a component.
func (g *Gateway) ask(ctx context.Context, component, verb string, ask bus.Ask) (json.RawMessage, error) {
	ask.Topic = wattline.Topic{Kind: wattline.TopicQuery, Component: component, Verb: verb}
	ask.Timeout = g.options.Limits.QueryTimeout
	return g.bus.Ask(ctx, ask)
}
