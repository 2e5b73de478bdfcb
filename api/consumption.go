package api

import (
	"context"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// getConsumption godoc
//
//	@Summary		Energy and power per calendar window
//	@Description	In [from, to), per window of the calendar of tz and per group, in the order of windows and then of groups. Windows at the ends are cut to the period. Without any selection, of all devices. Devices known to have no meter are left out. coverage says how much of a window was observed; a window of which nothing is known has no energy_wh. A query of too many windows is refused with what would be accepted. In any other format than JSON all of it comes at once; if it breaks off, the connection ends before the body does.
//	@ID				getConsumption
//	@Tags			history
//	@Produce		json,text/csv,application/x-ndjson,application/vnd.apache.parquet,application/senml+json,application/sensml+json
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			row			query		string		false	"Row of an open-plan room: of the label row, the location (…/r1/c2) or the id (sp_w.r1.c2)"	example(1)
//	@Param			column		query		string		false	"Column of it"	example(2)
//	@Param			type		query		string		false	"Type in an id of IoToad: w for workstations, g or m for meeting rooms, p for printers; of the label type, the id or the kind"	Enums(w, g, m, p)
//	@Param			from		query		string		false	"RFC 3339 time, date, or such as -24h, today or last month, which without to is the whole of it; by default the midnight before to"	example(2026-03-29)
//	@Param			to			query		string		false	"The same, not included; now by default"	example(2026-03-30)
//	@Param			window		query		string		false	"Calendar window"	Enums(quarter, hour, day, week, month, year)	default(hour)
//	@Param			group_by	query		string		false	"device, kind, location:N for its first N levels (1 to 16), label:NAME, or all"	default(device)	example(location:2)
//	@Param			tz			query		string		false	"IANA time zone of the windows and of dates; the installation's by default"	example(Europe/Madrid)
//	@Param			format		query		string		false	"Pages of JSON, or all in another format; by default what Accept names"	Enums(json, csv, ndjson, parquet, senml, sensml)
//	@Param			limit		query		int			false	"Most rows. A page of JSON has 1000 if it is not given, and at most 5000; other formats have all rows if it is not given"	minimum(1)	maximum(1000000000)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Param			after_group	query		string		false	"With after_start: the group of the last row that you have, as the format shows it, of an answer that broke off or of the part before. The answer begins after it; CSV without the head"
//	@Param			after_start	query		string		false	"The start of that row"	example(2026-03-29T00:00:00.000Z)
//	@Success		200			{object}	wattline.ConsumptionPage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: no such device"
//	@Failure		406			{object}	Problem	"not_acceptable"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/consumption [get]
func (g *Gateway) getConsumption(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	q, err := g.windowed(c, p, wattline.WindowHour)
	if err != nil {
		return err
	}
	query := wattline.ConsumptionQuery{Groups: q.groups, From: q.from, To: q.to, Window: q.window, Timezone: q.zone.String(), After: q.after}
	by := g.actor(c) // now: the pages are fetched while the answer, and its header, is written
	fetch := func(ctx context.Context, limit int, after string) (page[wattline.Consumption], error) {
		found := wattline.ConsumptionPage{Rows: []wattline.Consumption{}}
		if len(q.groups) == 0 {
			return page[wattline.Consumption]{items: found.Rows}, nil
		}
		if query.Cursor, query.Limit = after, limit; after != "" {
			query.After = nil
		}
		err := g.askHistory(ctx, wattline.VerbConsumption, bus.Ask{Body: query, Actor: by}, &found)
		return page[wattline.Consumption]{items: found.Rows, next: found.Next}, err
	}
	s := stream[wattline.Consumption]{question: q.question, table: consumptionTable(), fetch: fetch}
	return answer(g, c, s, func(found page[wattline.Consumption]) any {
		return wattline.ConsumptionPage{Rows: found.items, Next: q.next(p, c.Request, found.next)}
	})
}
