package api

import (
	"context"
	"errors"
	"iter"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
)

// outcome is a page, or why there is none.
type outcome[T any] struct {
	page page[T]
	err  error
}

// pagesAhead is how many pages of a part wait to be taken, besides the one that is asked
// for: enough that two are asked for at most times.
const pagesAhead = 3

// pages hands out all pages in their order, until the last one, an error or the end of
// the context. While the pages of one part are taken, those of the next are asked for.
func (s stream[T]) pages(ctx context.Context, running *sync.WaitGroup, first page[T]) iter.Seq[outcome[T]] {
	start := func(fetch fetch[T], first *page[T]) <-chan outcome[T] {
		out := make(chan outcome[T], pagesAhead)
		running.Go(func() {
			defer close(out)
			fetch.all(ctx, s.page.limit, first, out)
		})
		return out
	}
	return func(yield func(outcome[T]) bool) {
		next := start(s.parts[0], &first)
		for i := range s.parts {
			current := next
			if i+1 < len(s.parts) {
				next = start(s.parts[i+1], nil)
			}
			for got := range current {
				if !yield(got) {
					return
				}
			}
		}
	}
}

// rows hands out the rows of pages, as many as are wanted at most, until the reader may
// not have them any more.
func (s stream[T]) rows(pages iter.Seq[outcome[T]]) iter.Seq2[[]T, error] {
	return func(yield func([]T, error) bool) {
		left := s.page.limit
		for got := range pages {
			items, err := got.page.rows()
			if err := errors.Join(got.err, err, s.standing()); err != nil {
				yield(nil, err)
				return
			}
			if left > 0 {
				items = items[:min(left, len(items))]
			}
			if !yield(items, nil) || left > 0 && left == len(items) {
				return
			}
			left -= min(left, len(items))
		}
	}
}

// pageRows is how many rows the next page is to have where so many are wanted; 0 is all.
func pageRows(wanted int) int {
	if wanted > 0 {
		return min(wanted, wattline.MaxHistoryPage)
	}
	return wattline.MaxHistoryPage
}

// all sends one page after another of a part, from the first one if that is there, until
// there are as many rows as are wanted. It never asks for more: one question may keep the
// history busy for seconds, also when nobody waits for its answer any more.
func (f fetch[T]) all(ctx context.Context, wanted int, first *page[T], out chan<- outcome[T]) {
	now := outcome[T]{}
	if first != nil {
		now.page = *first
	} else {
		now = f.follow(ctx, pageRows(wanted), "")
	}
	for {
		select {
		case out <- now:
		case <-ctx.Done():
			return
		}
		if now.err != nil || now.page.next == "" {
			return
		}
		if wanted > 0 {
			if wanted -= now.page.size(); wanted <= 0 {
				return
			}
		}
		now = f.follow(ctx, pageRows(wanted), now.page.next)
	}
}

// The pauses between the tries for one page: half a minute in all.
const (
	firstPause = time.Second
	lastPause  = 16 * time.Second
)

// follow asks for a page that is not the first of all. An answer that broke off costs its
// client more than a wait, so what may pass is tried again.
func (f fetch[T]) follow(ctx context.Context, rows int, after string) (got outcome[T]) {
	for wait := firstPause; ; wait *= 2 {
		got.page, got.err = f(ctx, rows, after)
		switch {
		case got.err == nil && after != "" && got.page.next == after:
			got.err = errors.New("the history gives the same page again and again")
			return got
		case got.err == nil || wait > lastPause || !passing(got.err):
			return got
		}
		if pause.For(ctx, wait) != nil {
			return got
		}
	}
}

func passing(err error) bool {
	code := wattline.AsError(err).Code
	return code == wattline.CodeTimeout || retryAfter(code) != ""
}
