package api

import (
	"context"
	"strconv"
	"strings"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// getAggregate godoc
//
//	@Summary		One operation over the readings, per window and group
//	@Description	In [from, to), per window of the calendar of tz and per group, in the order of windows and then of groups; without a window, the whole period is one. Selection, grouping, pages and formats are those of consumption. An operation takes the readings of all devices of the group alike. It is one of count, sum, mean, median, mode, min, max, spread, stddev, first, last, percentile (with p), top, bottom and sample (with n), distinct and integral, in small letters or capitals. power takes them all. voltage and current take all but integral. energy takes count, first, last, sample, and spread, which is the energy used. relay takes count, distinct, first, last, mode, sample, mean, which is the share of the observed time on, and integral, the hours on. The integral of power is the energy in Wh used while observed. value is missing where there is nothing to make it of. median, mode, percentile, stddev, distinct, top, bottom and sample have to look at every reading: a row that takes too many is refused, with what would be accepted; so is one of which readings are past their retention. Few of these are answered at once, and one more is busy.
//	@ID				getAggregate
//	@Tags			history
//	@Produce		json,text/csv,application/x-ndjson,application/vnd.apache.parquet,application/senml+json,application/sensml+json
//	@Param			field		query		string		true	"Of what"	Enums(power, voltage, current, energy, relay)
//	@Param			op			query		string		true	"Operation"	example(percentile)
//	@Param			p			query		number		false	"For percentile: the percentage"	minimum(0)	maximum(100)	example(95)
//	@Param			n			query		int			false	"For top, bottom and sample: how many readings; for distinct: at most how many values, 100 by default"	minimum(1)	maximum(1000)
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			row			query		string		false	"Row of an open-plan room: of the label row, the location (…/r1/c2) or the id (sp_w.r1.c2)"	example(1)
//	@Param			column		query		string		false	"Column of it"	example(2)
//	@Param			type		query		string		false	"Type in an id of IoToad: w for workstations, g or m for meeting rooms, p for printers; of the label type, the id or the kind"	Enums(w, g, m, p)
//	@Param			from		query		string		false	"RFC 3339 time, date, or such as -24h, today or last month, which without to is the whole of it; by default the midnight before to"	example(2026-03-29)
//	@Param			to			query		string		false	"The same, not included; now by default"	example(2026-03-30)
//	@Param			window		query		string		false	"Calendar window; the whole period by default"	Enums(quarter, hour, day, week, month, year)
//	@Param			group_by	query		string		false	"device, kind, location:N for its first N levels (1 to 16), label:NAME, or all"	default(device)	example(location:2)
//	@Param			tz			query		string		false	"IANA time zone of the windows and of dates; the installation's by default"	example(Europe/Madrid)
//	@Param			format		query		string		false	"Pages of JSON, or all in another format; by default what Accept names"	Enums(json, csv, ndjson, parquet, senml, sensml)
//	@Param			limit		query		int			false	"Most rows, of which some have several values. A page of JSON has 1000 if it is not given, and at most 5000; other formats have all rows if it is not given"	minimum(1)	maximum(1000000000)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Param			after_group	query		string		false	"With after_start: the group of the last row that you have, as the format shows it, of an answer that broke off or of the part before. The answer begins after it; CSV without the head"
//	@Param			after_start	query		string		false	"The start of that row"	example(2026-03-29T00:00:00.000Z)
//	@Success		200			{object}	wattline.AggregatePage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: no such device"
//	@Failure		406			{object}	Problem	"not_acceptable"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/aggregate [get]
func (g *Gateway) getAggregate(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	operation := p.operation()
	q, err := g.windowed(c, p, "")
	if err != nil {
		return err
	}
	query := wattline.AggregateQuery{
		Field: operation.Field, Op: operation.Op, P: operation.P, N: operation.N,
		Groups: q.groups, From: q.from, To: q.to, Window: q.window, Timezone: q.zone.String(), After: q.after,
	}
	by := g.actor(c) // now: the pages are fetched while the answer, and its header, is written
	fetch := func(ctx context.Context, limit int, after string) (page[wattline.Aggregate], error) {
		found := wattline.AggregatePage{Rows: []wattline.Aggregate{}}
		if len(q.groups) == 0 {
			return page[wattline.Aggregate]{items: found.Rows}, nil
		}
		if query.Cursor, query.Limit = after, limit; after != "" {
			query.After = nil
		}
		err := g.askHistory(ctx, wattline.VerbAggregate, bus.Ask{Body: query, Actor: by}, &found)
		return page[wattline.Aggregate]{items: found.Rows, next: found.Next}, err
	}
	s := stream[wattline.Aggregate]{question: q.question, table: aggregateTable(operation), fetch: fetch}
	return answer(g, c, s, func(found page[wattline.Aggregate]) any {
		return wattline.AggregatePage{Rows: found.items, Next: q.next(p, c.Request, found.next)}
	})
}

// operation is the parameters field, op, p and n.
func (p *params) operation() wattline.Operation {
	var o wattline.Operation
	field, _ := p.text("field")
	op, _ := p.text("op")
	o.Field, o.Op = wattline.Field(field), wattline.Op(strings.ToLower(op))
	if value, given := p.text("p"); given {
		percent, err := wattline.ParseMilli(value)
		if exact, _ := strconv.ParseFloat(value, 64); err != nil || exact < 0 || exact > 100 { // not as rounded
			p.fail("p", "must be a number between 0 and 100")
		}
		o.P = &percent
	}
	o.N = p.integer("n", 1, wattline.MaxAggregateN, 0)
	if len(p.faults) == 0 {
		p.faults = append(p.faults, o.Faults()...)
	}
	return o
}
