package api

import (
	"context"
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// getReadings godoc
//
//	@Summary		Raw readings
//	@Description	In [from, to), in the order of devices and then of time. Without any selection, of all devices. Dates are midnights in the installation's time zone. Ask for the following page with its cursor and all other parameters as they were; a period that ended "now" keeps its end. As CSV or NDJSON all of it comes at once, of any length; if it breaks off, the connection ends before the body does.
//	@ID				getReadings
//	@Tags			history
//	@Produce		json,text/csv,application/x-ndjson
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			from		query		string		false	"RFC 3339 time or date; by default the midnight before to"	example(2026-03-29T00:00:00Z)
//	@Param			to			query		string		false	"RFC 3339 time or date; now by default"	example(2026-03-30)
//	@Param			format		query		string		false	"Pages of JSON, or all as CSV or NDJSON; by default what Accept names"	Enums(json, csv, ndjson)
//	@Param			limit		query		int			false	"Length of the page"	minimum(1)	maximum(5000)	default(1000)
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
	q := p.question(g.options.Timezone)
	q.paged(p, c.Request)
	if err := p.err(); err != nil {
		return err
	}
	devices, err := g.view(c).choose(q.selector)
	if err != nil {
		return err
	}
	query := wattline.ReadingsQuery{Devices: idsOf(devices), From: q.from, To: q.to}
	fetch := func(ctx context.Context, limit int, after string) (page[wattline.Reading], error) {
		found := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		if len(devices) == 0 {
			return page[wattline.Reading]{items: found.Readings}, nil
		}
		query.Cursor, query.Limit = after, limit
		err := g.askHistory(ctx, wattline.VerbReadings, bus.Ask{Body: query, Actor: g.actor(c)}, &found)
		return page[wattline.Reading]{found.Readings, found.Next}, err
	}
	s := stream[wattline.Reading]{question: q, name: "readings", table: readingsTable(), fetch: fetch}
	return answer(g, c, s, func(found page[wattline.Reading]) any {
		return wattline.ReadingsPage{Readings: found.items, Next: q.next(p, c.Request, found.next)}
	})
}

// ask puts a query to any live instance of a component.
func (g *Gateway) ask(ctx context.Context, component, verb string, ask bus.Ask) (json.RawMessage, error) {
	ask.Topic = wattline.Topic{Kind: wattline.TopicQuery, Component: component, Verb: verb}
	ask.Timeout = g.options.Limits.QueryTimeout
	return g.bus.Ask(ctx, ask)
}
