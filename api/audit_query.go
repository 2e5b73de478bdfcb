package api

import (
	"context"
	"math"
	"slices"
	"strconv"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/export"
)

// AuditPage is a page of the audit, the newest record first.
type AuditPage struct {
	Records []audit.Record `json:"records"`
	// Next is the cursor of the page that follows; absent on the last page.
	Next string `json:"next,omitempty"`
}

// getAudit godoc
//
//	@Summary		Who did or tried what
//	@Description	The newest first: commands to devices, changes of devices, tokens and users, sessions, and what was refused. Most have two records of one request: that it was attempted, and what became of it. An admin of a part of the devices sees the records of these. Each record has a hash over itself and all before it; `wattline audit verify` looks whether any was changed or removed.
//	@ID				getAudit
//	@Tags			access
//	@Produce		json,text/csv,application/x-ndjson,application/vnd.apache.parquet,application/senml+json,application/sensml+json
//	@Param			who		query		string	false	"Who did it"	example(token:research)
//	@Param			device	query		string	false	"Device"	example(desk-1)
//	@Param			action	query		string	false	"What was done"	example(command.off)
//	@Param			outcome	query		string	false	"What became of it"	Enums(attempted, done, refused, failed, unknown)
//	@Param			from	query		string	false	"RFC 3339 time, date, or such as -24h, today or last month, which without to is the whole of it; by default the midnight before to"	example(2026-03-29T00:00:00Z)
//	@Param			to		query		string	false	"The same, not included; now by default"	example(2026-03-30)
//	@Param			tz		query		string	false	"IANA time zone of dates; the installation's by default"	example(Europe/Madrid)
//	@Param			format	query		string	false	"Pages of JSON, or all in another format; by default what Accept names"	Enums(json, csv, ndjson, parquet, senml, sensml)
//	@Param			limit	query		int		false	"Most rows. A page of JSON has 1000 if it is not given, and at most 5000; other formats have all rows if it is not given"	minimum(1)	maximum(1000000000)
//	@Param			cursor	query		string	false	"next of the page before"
//	@Param			after_seq	query	int		false	"The seq of the last record that you have, of an answer that broke off or of the part before. The answer begins after it; CSV without the head"	minimum(1)
//	@Success		200		{object}	AuditPage
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		404		{object}	Problem	"not_found: no such device"
//	@Failure		406		{object}	Problem	"not_acceptable"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Router			/api/v1/audit [get]
func (g *Gateway) getAudit(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	q := question{zone: p.timezone("tz", g.options.Timezone)}
	q.from, q.to = p.period(q.zone, wattline.At(time.Now()))
	q.paged(p, c.Request)
	query := audit.Query{Who: p.name("who"), Device: p.name("device"), Action: p.name("action")}
	query.Outcome = audit.Status(p.enum("outcome", "", "attempted", "done", "refused", "failed", "unknown"))
	if query.Before = int64(p.integer("after_seq", 1, math.MaxInt, 0)); query.Before > 0 {
		q.page.resumed = true
	}
	if err := p.err(); err != nil {
		return err
	}
	if query.Devices, err = g.audits(c); err != nil {
		return err
	}
	if query.Devices != nil && query.Device != "" && !slices.Contains(query.Devices, query.Device) {
		return noDevice(query.Device)
	}
	query.From, query.To, q.devices = q.from, q.to, query.Devices
	s := stream[audit.Record]{question: q, table: auditTable(), fetch: g.auditPages(query)}
	return answer(g, c, s, func(found page[audit.Record]) any {
		return AuditPage{Records: found.items, Next: q.next(p, c.Request, found.next)}
	})
}

// audits are the devices whose records somebody may see; nil for all, and for what is
// of no device. Only an admin sees any.
func (g *Gateway) audits(c *gin.Context) ([]string, error) {
	who := g.who(c)
	if access.Decide(who, access.Administer, wattline.Device{}) == access.Allowed {
		return nil, nil
	}
	if who.Role != access.Admin {
		return nil, wattline.Errorf(wattline.CodeForbidden, "%s has the role %s for %s, which does not allow this", who.Name, who.Role, who.Scope)
	}
	if err := g.shadow.complete(); err != nil {
		return nil, err
	}
	ids := []string{}
	for _, device := range g.view(c).devices() {
		ids = append(ids, device.ID)
	}
	return ids, nil
}

// auditPages fetches pages whose cursor is the number of the last record.
func (g *Gateway) auditPages(query audit.Query) fetch[audit.Record] {
	return func(ctx context.Context, limit int, after string) (page[audit.Record], error) {
		query.Limit = limit + 1
		if after != "" {
			before, err := strconv.ParseInt(after, 10, 64)
			if err != nil || before < 1 {
				return page[audit.Record]{}, wattline.Invalid(wattline.FieldError{Field: "cursor", Reason: cursorReason})
			}
			query.Before = before
		}
		if g.options.Audit == nil {
			return page[audit.Record]{items: []audit.Record{}}, nil
		}
		ctx, cancel := context.WithTimeout(ctx, g.options.Limits.QueryTimeout)
		defer cancel()
		records, err := g.options.Audit.Records(ctx, query)
		if err != nil && ctx.Err() != nil {
			return page[audit.Record]{}, ctx.Err() // SQLite has words of its own for it
		}
		if err != nil || len(records) <= limit {
			return page[audit.Record]{items: records}, err
		}
		return page[audit.Record]{items: records[:limit], next: strconv.FormatInt(records[limit-1].Seq, 10)}, nil
	}
}

// name is the parameter of that name, as it is.
func (p *params) name(name string) string {
	value, _ := p.text(name)
	return value
}

func auditTable() export.Table[audit.Record] {
	type row = audit.Record
	text := func(name string, of func(*row) string) export.Column[row] {
		return export.Column[row]{Name: name, Kind: export.Text, Of: func(r *row) export.Value { return export.Of(of(r)) }}
	}
	return export.Table[row]{
		Name: "audit",
		Columns: []export.Column[row]{
			{Name: "seq", Unit: number, Kind: export.Integer, Of: func(r *row) export.Value { return export.Whole(r.Seq) }},
			{Name: "time", Kind: export.Moment, Subject: true, Of: func(r *row) export.Value { return export.At(r.Time) }},
			{Name: "who", Kind: export.Text, Subject: true, Of: func(r *row) export.Value { return export.Of(r.Who) }},
			text("address", func(r *row) string { return r.Address }),
			text("action", func(r *row) string { return r.Action }),
			text("device", func(r *row) string { return r.Device }),
			text("outcome", func(r *row) string { return string(r.Outcome) }),
			text("code", func(r *row) string { return string(r.Code) }),
			text("request_id", func(r *row) string { return r.RequestID }),
			text("detail", func(r *row) string { return r.Detail }),
			text("hash", func(r *row) string { return r.Hash }),
		},
		Subject: func(r *row) (string, wattline.Time) { return r.Who, r.Time },
	}
}
