package history

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// lane is a device's windows. It serves one device after another, so that a page
// takes the memory of one.
type lane struct {
	edges []time.Time
	// windows are nil where there are no readings; merged holds those that are made
	// of several of the store's spans.
	windows   []*wattline.Summary
	merged    []wattline.Summary
	following []*wattline.Point
}

func newLane(edges []time.Time) *lane {
	n := len(edges) - 1
	return &lane{
		edges: edges, windows: make([]*wattline.Summary, n), merged: make([]wattline.Summary, n), following: make([]*wattline.Point, n),
	}
}

// each calls visit with what a device did in each window.
//
// The counter at an edge is interpolated between the readings on either side if
// the later one observed the time between them. Otherwise all that was used
// meanwhile belongs to the window of the later one. Each edge has one value, so
// that what the windows used adds up to what the whole range did.
func (l *lane) each(series store.Series, visit func(window int, w *wattline.Summary, u use)) {
	l.summarize(series.Spans)
	l.lookAhead(series.After)
	last := series.Before
	for i, w := range l.windows {
		visit(i, w, useOf(w, span{l.edges[i], l.edges[i+1]}, last, l.following[i]))
		if w != nil {
			last = &w.Last
		}
	}
}

// summarize makes the windows of the store's spans.
func (l *lane) summarize(spans []store.Span) {
	clear(l.windows)
	i := 0
	for s := range spans {
		for i < len(l.windows)-1 && !spans[s].Start.Before(l.edges[i+1]) {
			i++
		}
		switch l.windows[i] {
		case nil:
			l.windows[i] = &spans[s].Summary
		case &l.merged[i]:
			l.merged[i] = l.merged[i].Merge(spans[s].Summary)
		default:
			l.merged[i] = l.windows[i].Merge(spans[s].Summary)
			l.windows[i] = &l.merged[i]
		}
	}
}

// lookAhead finds, for each window, the first reading after it.
func (l *lane) lookAhead(after *wattline.Point) {
	for i := len(l.windows) - 1; i >= 0; i-- {
		l.following[i] = after
		if w := l.windows[i]; w != nil {
			after = &w.First
		}
	}
}
