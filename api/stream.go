package api

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/calendar"
	"github.com/wattline/wattline/internal/export"
)

// stream is an answer of any length, written as its pages come. The next page is
// asked for while one is written; no more than these two are held.
type stream[T any] struct {
	question

	table export.Table[T]
	fetch fetch[T]
	// unchanged is an error once who asked may no longer have it.
	unchanged func() error
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
	if !g.streams.begin() {
		return wattline.Errorf(wattline.CodeBusy, "%d long answers are under way already; try again when one has ended, or ask for pages", g.options.Limits.Streams)
	}
	defer g.streams.end()
	s.unchanged = func() error { return g.unchanged(c) }
	first, err := s.fetch(c.Request.Context(), wattline.MaxHistoryPage, "")
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
	case s.page.format.Resumable():
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

// outcome is a page, or why there is none.
type outcome[T any] struct {
	page page[T]
	err  error
}

// pages hands out one page after another until the last one, an error or the end
// of the context. The channel is closed when nothing runs any more.
func (s stream[T]) pages(ctx context.Context, first page[T]) <-chan outcome[T] {
	out := make(chan outcome[T])
	go func() {
		defer close(out)
		for now := (outcome[T]{page: first}); ; {
			select {
			case out <- now:
			case <-ctx.Done():
				return
			}
			if now.err != nil || now.page.next == "" {
				return
			}
			now = s.follow(ctx, now.page.next)
		}
	}()
	return out
}

// The pauses between the tries for one page: half a minute in all.
const (
	firstPause = time.Second
	lastPause  = 16 * time.Second
)

// follow asks for a later page. The client cannot ask for the rest alone, so what
// may pass is tried again.
func (s stream[T]) follow(ctx context.Context, after string) (got outcome[T]) {
	for pause := firstPause; ; pause *= 2 {
		got.page, got.err = s.fetch(ctx, wattline.MaxHistoryPage, after)
		switch {
		case got.err == nil && got.page.next == after:
			got.err = errors.New("the history gives the same page again and again")
			return got
		case got.err == nil || pause > lastPause || !passing(got.err):
			return got
		}
		select {
		case <-time.After(pause):
		case <-ctx.Done():
			return got
		}
	}
}

func passing(err error) bool {
	code := wattline.AsError(err).Code
	return code == wattline.CodeTimeout || retryAfter(code) != ""
}

// write writes the pages as they come. Nothing of it runs any more when it returns.
func (s stream[T]) write(c *gin.Context, first page[T], stall time.Duration) error {
	ctx, cancel := context.WithCancel(c.Request.Context())
	pages := s.pages(ctx, first)
	defer func() {
		cancel()
		for range pages { // until nothing runs any more
		}
	}()
	control := http.NewResponseController(c.Writer)
	rows, err := export.NewWriter(progress{c.Writer, control, stall}, s.table, export.Options{
		Format: s.page.format, Continued: s.page.resumed,
	})
	if err != nil {
		return err
	}
	for got := range pages {
		if got.err != nil {
			return got.err
		}
		if err := s.unchanged(); err != nil {
			return err
		}
		items, err := got.page.rows()
		if err != nil {
			return err
		}
		if err := rows.Write(items); err != nil {
			return err
		}
		if err := supported(control.Flush()); err != nil {
			return err
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return rows.Close()
}

// supported passes over what a recorder in a test cannot do.
func supported(err error) error {
	if errors.Is(err, http.ErrNotSupported) {
		return nil
	}
	return err
}

// progress lets a client take its time as long as it takes something: each piece
// has a deadline of its own.
type progress struct {
	io.Writer

	control *http.ResponseController
	stall   time.Duration
}

func (p progress) Write(piece []byte) (int, error) {
	if err := supported(p.control.SetWriteDeadline(time.Now().Add(p.stall))); err != nil {
		return 0, err
	}
	return p.Writer.Write(piece)
}
