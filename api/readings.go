package api

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/packed"
)

// getReadings godoc
//
//	@Summary		Raw readings
//	@Description	In [from, to), in the order of devices and then of time. Without any selection, of all devices. Dates and words go by the installation's time zone. Ask for the following page with its cursor and all other parameters as they were; a period that ended "now" keeps its end. In any other format than JSON all of it comes at once, of any length; if it breaks off, the connection ends before the body does.
//	@ID				getReadings
//	@Tags			history
//	@Produce		json,text/csv,application/x-ndjson,application/vnd.apache.parquet,application/senml+json,application/sensml+json
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			row			query		string		false	"Row of an open-plan room: of the label row, the location (…/r1/c2) or the id (sp_w.r1.c2)"	example(1)
//	@Param			column		query		string		false	"Column of it"	example(2)
//	@Param			type		query		string		false	"Type in an id of IoToad: w for workstations, g or m for meeting rooms, p for printers; of the label type, the id or the kind"	Enums(w, g, m, p)
//	@Param			from		query		string		false	"RFC 3339 time, date, or such as -24h, today or last month, which without to is the whole of it; by default the midnight before to"	example(2026-03-29T00:00:00Z)
//	@Param			to			query		string		false	"The same, not included; now by default"	example(2026-03-30)
//	@Param			tz			query		string		false	"IANA time zone of dates; the installation's by default"	example(Europe/Madrid)
//	@Param			format		query		string		false	"Pages of JSON, or all in another format; by default what Accept names"	Enums(json, csv, ndjson, parquet, senml, sensml)
//	@Param			limit		query		int			false	"Most rows. A page of JSON has 1000 if it is not given, and at most 5000; other formats have all rows if it is not given"	minimum(1)	maximum(1000000000)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Param			after_device	query	string	false	"With after_time: the device of the last row that you have, of an answer that broke off or of the part before. The answer begins after it; CSV without the head"
//	@Param			after_time	query		string		false	"The time of that row"	example(2026-03-29T00:00:05.000Z)
//	@Success		200			{object}	wattline.ReadingsPage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: no such device"
//	@Failure		406			{object}	Problem	"not_acceptable"
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
	q := p.question(p.timezone("tz", g.options.Timezone))
	q.paged(p, c.Request)
	query := wattline.ReadingsQuery{From: q.from, To: q.to, Packed: q.whole()}
	if device, at, given := q.resume(p, "after_device", "after_time"); given {
		query.After = &wattline.ReadingPlace{Device: device, Time: at}
	}
	if err := p.err(); err != nil {
		return err
	}
	devices, err := g.view(c).choose(q.selector)
	if err != nil {
		return err
	}
	q.devices = idsOf(devices)
	query.Devices = q.devices
	s := stream[wattline.Reading]{question: q, table: readingsTable(), fetch: g.readingsOf(c, query, new(room))}
	if q.page.limit == 0 { // else what is asked for ahead might not be wanted
		s.parts = g.readingParts(c, query)
	}
	return answer(g, c, s, func(found page[wattline.Reading]) any {
		return wattline.ReadingsPage{Readings: found.items, Next: q.next(p, c.Request, found.next)}
	})
}

// room is memory for one page of readings after another.
type room []wattline.Reading

// readingsOf fetches the pages of a query.
func (g *Gateway) readingsOf(c *gin.Context, query wattline.ReadingsQuery, into *room) fetch[wattline.Reading] {
	by := g.actor(c) // now: the pages are fetched while the answer, and its header, is written
	return func(ctx context.Context, limit int, after string) (page[wattline.Reading], error) {
		found := wattline.ReadingsPage{Readings: []wattline.Reading{}}
		if len(query.Devices) == 0 {
			return page[wattline.Reading]{items: found.Readings}, nil
		}
		asked := query
		if asked.Cursor, asked.Limit = after, limit; after != "" {
			asked.After = nil
		}
		err := g.askHistory(ctx, wattline.VerbReadings, bus.Ask{Body: asked, Actor: by}, &found)
		for i := range found.Readings {
			unnumber(&found.Readings[i])
		}
		got := page[wattline.Reading]{items: found.Readings, next: found.Next}
		if len(found.Packed) > 0 {
			got.unpack = func() (_ []wattline.Reading, err error) {
				*into, err = packed.Decode((*into)[:0], found.Packed, limit)
				return *into, err
			}
			got.count = func() int { return packed.Count(found.Packed) }
		}
		return got, err
	}
}

// readingParts cuts a query between its devices, so that each part has about two pages
// where the devices are read every five seconds, or all the pages of one device. The pages
// are unpacked one at a time, into the same room.
func (g *Gateway) readingParts(c *gin.Context, query wattline.ReadingsQuery) (parts []fetch[wattline.Reading]) {
	devices := query.Devices
	if query.After != nil {
		devices = slices.DeleteFunc(slices.Clone(devices), func(id string) bool { return id < query.After.Device })
	}
	const usual = 5 * time.Second
	each := max(1, int(2*wattline.MaxHistoryPage*usual/query.To.Sub(query.From.Time)))
	into := new(room)
	for some := range slices.Chunk(devices, each) {
		part := query
		part.Devices = some
		parts = append(parts, g.readingsOf(c, part, into))
		query.After = nil // which is in the first part, or before it
	}
	return parts
}

// ask puts a query to any live instance of a component.
func (g *Gateway) ask(ctx context.Context, component, verb string, ask bus.Ask) (json.RawMessage, error) {
	ask.Topic = wattline.Topic{Kind: wattline.TopicQuery, Component: component, Verb: verb}
	ask.Timeout = g.options.Limits.QueryTimeout
	return g.bus.Ask(ctx, ask)
}
