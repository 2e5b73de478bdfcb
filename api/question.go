package api

import (
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/export"
)

// question is what the routes of the history have in common.
type question struct {
	selector wattline.Selector
	zone     *time.Location
	from, to wattline.Time
	devices  []string // those that the answer is of; none where it is of no device
	page     paging
}

// paging is how much of an answer is wanted, and how.
type paging struct {
	format export.Format
	limit  int    // the most rows; 0 is all of them
	after  string // the component's cursor
	// resumed says that the rows go on after one that the client has already.
	resumed bool
}

// question reads the selection and the period.
func (p *params) question(zone *time.Location) question {
	q := question{selector: p.selection(), zone: zone}
	q.selector.Type = p.gridType()
	q.from, q.to = p.period(zone, wattline.At(time.Now()))
	return q
}

// paged reads the format and the place in the answer. A later page keeps the
// period of the first one.
func (q *question) paged(p *params, r *http.Request) {
	q.page.format = p.format(r)
	if q.whole() {
		q.page.limit = p.integer("limit", 1, maxPart, 0)
	} else {
		q.page.limit = p.integer("limit", 1, wattline.MaxHistoryPage, wattline.MaxPage)
	}
	at, more := p.cursor(r)
	if more && q.whole() {
		p.fail("cursor", "is for pages of JSON; %s goes on after a row that is named", q.page.format)
	}
	if !more {
		return
	}
	if from, to, err := at.period(); err != nil {
		p.fail("cursor", cursorReason)
	} else {
		q.from, q.to, q.page.after = from, to, at.After
	}
}

// whole tells whether all rows are wanted at once.
func (q *question) whole() bool { return q.page.format != formatJSON }

// maxPart is the most rows that a part of a long answer can be asked to have. Without a
// limit there is none.
const maxPart = 1_000_000_000

// resume reads the two parameters that name the last row that a client has, of an
// answer that broke off or of the part before; given where they are there.
func (q *question) resume(p *params, name, at string) (named string, instant wattline.Time, given bool) {
	named, nameGiven := p.named(name)
	text, atGiven := p.text(at)
	if !nameGiven && !atGiven {
		return "", wattline.Time{}, false
	}
	instant, err := wattline.ParseTime(text)
	switch {
	case !nameGiven || !atGiven:
		p.fail(name, "goes together with %s", at)
	case err != nil:
		p.fail(at, "%s", err)
	}
	q.page.resumed = true
	return named, instant, true
}

// afterRow is the place of the last row of consumption or aggregates that the client
// has, or nil. The group is as the format shows it.
func (q *question) afterRow(p *params) *wattline.RowPlace {
	group, start, given := q.resume(p, "after_group", "after_start")
	if !given {
		return nil
	}
	return &wattline.RowPlace{Group: q.page.format.TextOf(group), Start: start}
}

// next is the cursor for the page that follows, or empty where the component
// gave none.
func (q *question) next(p *params, r *http.Request, after string) string {
	if after == "" {
		return ""
	}
	return cursor{Query: p.digest(r), From: q.from, To: q.to, After: after}.String()
}

// page is a part of an answer, and the component's cursor for what follows. Some come
// packed: unpack makes the items then, which hold until it is called for another page,
// and count is how many that will be.
type page[T any] struct {
	items  []T
	next   string
	unpack func() ([]T, error)
	count  func() int
}

// size is how many rows the page has. Any goroutine may ask.
func (p page[T]) size() int {
	if p.unpack == nil {
		return len(p.items)
	}
	return p.count()
}

// rows are the page's items.
func (p page[T]) rows() ([]T, error) {
	if p.unpack == nil {
		return p.items, nil
	}
	return p.unpack()
}

// fetch asks for the page after a cursor.
type fetch[T any] func(ctx context.Context, limit int, after string) (page[T], error)

// askHistory puts a query to a live history component and reads its answer.
func (g *Gateway) askHistory(ctx context.Context, verb string, ask bus.Ask, into any) error {
	body, err := g.ask(ctx, wattline.RoleHistory, verb, ask)
	if err != nil {
		return byParameters(err)
	}
	return decodeReply(body, into)
}

// byParameters names the faults of a query by the parameters that it was made of:
// after_start for after.start.
func byParameters(err error) error {
	named := *wattline.AsError(err)
	names := strings.NewReplacer("after.device", "after_device", "after.time", "after_time", "after.start", "after_start")
	named.Message, named.Fields = names.Replace(named.Message), slices.Clone(named.Fields)
	for i := range named.Fields {
		named.Fields[i].Field = names.Replace(named.Fields[i].Field)
	}
	return &named
}

// answer writes one page as JSON, which a client may keep and ask about again, or all
// of them in another format.
func answer[T any](g *Gateway, c *gin.Context, s stream[T], one func(page[T]) any) error {
	c.Writer.Header().Add("Vary", "Accept")
	if s.whole() {
		return s.serve(g, c)
	}
	found, err := s.fetch(c.Request.Context(), s.page.limit, s.page.after)
	if err != nil {
		return err
	}
	body, err := json.Marshal(one(found))
	if err != nil {
		return err
	}
	return writeTagged(c, digestOf(body), jsonType, body)
}
