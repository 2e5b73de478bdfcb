package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/calendar"
	"github.com/wattline/wattline/internal/export"
)

// stream is an answer of any length, written as its pages come. Further pages are
// asked for while one is written; no more than a handful is held.
type stream[T any] struct {
	question

	table export.Table[T]
	fetch fetch[T]
	// parts make up the same answer, one after another, and are asked for two at a time;
	// none where the answer cannot be cut, or has a limit.
	parts []fetch[T]
	// standing is an error once who asked may no longer have it; any goroutine may ask.
	standing func() error
}

// serve writes all pages. What goes wrong before the first one is an error like
// any other. After it, the connection is dropped before the body's end, so that
// no client takes what it has for all there is.
func (s stream[T]) serve(g *Gateway, c *gin.Context) error {
	if !c.Request.ProtoAtLeast(1, 1) {
		return wattline.Invalid(wattline.FieldError{
			Field: "format", Reason: "needs HTTP/1.1, in which a broken answer is noticed; behind nginx, set proxy_http_version 1.1",
		})
	}
	leave, err := g.places.answers.Take(holder(g.who(c)))
	if err != nil {
		return err
	}
	defer leave()
	rights, inView := g.standing(c), g.view(c).holding(s.devices)
	s.standing = func() error { return cmp.Or(rights(), inView()) }
	if len(s.parts) == 0 {
		s.parts = []fetch[T]{s.fetch}
	}
	first, err := s.parts[0](c.Request.Context(), pageRows(s.page.limit), "")
	if err != nil {
		return err
	}
	if first.items, err = first.rows(); err != nil {
		return err
	}
	first.unpack = nil
	c.Header("Content-Type", s.contentType())
	c.Header("Content-Disposition", `attachment; filename="`+s.fileName()+`"`)
	c.Header(periodHeader, s.from.String()+"/"+s.to.String())
	c.Status(http.StatusOK)
	if c.Request.Method == http.MethodHead {
		return nil
	}
	if err := s.write(c, first, g.options.Limits.StreamStall); err != nil {
		g.streams.broke(c, err)
		panic(http.ErrAbortHandler)
	}
	return nil
}

// periodHeader has the period of a long answer as an ISO 8601 interval. Who goes on
// with an answer that broke off asks for the same one, however it was said at first.
const periodHeader = "Wattline-Period"

func (s stream[T]) contentType() string {
	kind := s.page.format.MediaType()
	switch {
	case s.page.format == export.CSV && s.page.resumed:
		return kind + "; charset=utf-8; header=absent"
	case s.page.format.Lines():
		return kind + "; charset=utf-8"
	}
	return kind
}

// fileName is the question's in short: readings_2026-03-01_2026-04-01.csv.
func (s stream[T]) fileName() string {
	return fmt.Sprintf("%s_%s_%s.%s", s.table.Name, inFileName(s.from, s.zone), inFileName(s.to, s.zone), s.page.format)
}

func inFileName(at wattline.Time, zone *time.Location) string {
	local := at.In(zone)
	if calendar.Start(wattline.WindowDay, local, zone).Equal(local) {
		return local.Format(time.DateOnly)
	}
	return local.Format("2006-01-02T150405")
}

// write writes the pages as they come. Nothing of it runs any more when it returns.
func (s stream[T]) write(c *gin.Context, first page[T], stall time.Duration) error {
	ctx, cancel := context.WithCancelCause(c.Request.Context())
	control := http.NewResponseController(c.Writer)
	var running sync.WaitGroup
	pages := s.pages(ctx, &running, first)
	running.Go(func() { s.guard(ctx, cancel, control) })
	defer running.Wait()
	defer cancel(nil)
	rows, err := export.NewWriter(progress{ctx, c.Writer, control, stall}, s.table, export.Options{
		Format: s.page.format, Continued: s.page.resumed,
	})
	if err != nil {
		return err
	}
	for items, err := range s.rows(pages) {
		if err != nil {
			return err
		}
		if err := errors.Join(rows.Write(items), supported(control.Flush())); err != nil {
			return err
		}
	}
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return rows.Close()
}

// standingEvery is how often a long answer looks whether its reader may still have it,
// besides at each page.
const standingEvery = time.Second

// guard ends an answer whose reader loses the right to it, also while a write waits for
// a slow client.
func (s stream[T]) guard(ctx context.Context, cancel context.CancelCauseFunc, control *http.ResponseController) {
	tick := time.NewTicker(standingEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := s.standing(); err != nil {
			cancel(err)
			_ = control.SetWriteDeadline(time.Now()) // whatever comes of it, nothing more is written
			return
		}
	}
}

// supported passes over what a recorder in a test cannot do.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// progress lets a client take its time as long as it takes something: each piece
// has a deadline of its own. Nothing is written any more once the context has ended.
type progress struct {
	ctx     context.Context //nolint:containedctx // it is that of the one answer
	to      io.Writer
	control *http.ResponseController
	stall   time.Duration
}

func (p progress) Write(piece []byte) (int, error) {
	if err := supported(p.control.SetWriteDeadline(time.Now().Add(p.stall))); err != nil {
		return 0, err
	}
	if p.ctx.Err() != nil { // looked at after the deadline is set, which is brought forward after the end
		return 0, context.Cause(p.ctx)
	}
	return p.to.Write(piece)
}
