package history

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Readings go when they reach their retention, and their quarter-hours stay. An
// operation that has to look at every reading would answer from the rest of them
// without a word, so it finds as many as the quarter-hours have counted, or is refused.

// widened is a grid with its ends moved out to quarter-hours: of one that an end cuts,
// nobody knows how much of what has gone was within.
func (g grid) widened() grid {
	g.edges = slices.Clone(g.edges)
	last := len(g.edges) - 1
	g.edges[0] = g.edges[0].Truncate(store.QuarterHour)
	g.edges[last] = g.edges[last].Add(store.QuarterHour - 1).Truncate(store.QuarterHour)
	return g
}

// holds tells whether an instant lies in one of the windows.
func (g grid) holds(at time.Time) bool {
	return !at.Before(g.edges[0]) && at.Before(g.edges[len(g.edges)-1])
}

// counted is how many readings the summaries have of each row of a page, widened.
func (h *History) counted(ctx context.Context, page grid) ([]int64, error) {
	counts := make([]int64, page.rows())
	err := h.summaries(ctx, page.widened(), false, func(row int, _ string, w *wattline.Summary, _ use) {
		if w != nil {
			counts[row] += w.Count
		}
	})
	return counts, err
}

// gone is a row of a page of which so many readings are not there any more.
type gone struct {
	whole, page grid
	row         int
	readings    int64
}

// refuseGone says of what readings are left and what would be accepted.
func (h *History) refuseGone(ctx context.Context, g gone, operation wattline.Operation) error {
	columns := len(g.page.groups)
	group, window := g.page.groups[g.row%columns], g.page.window(g.row/columns)
	end := g.whole.edges[len(g.whole.edges)-1]
	left, err := h.left(ctx, group, span{window.start, end})
	if err != nil {
		return err
	}
	return invalid("op", "%s has to look at every reading, and %d of group %.80q from %s to %s are no longer kept: ask for %s%s, which are made of quarter-hours",
		operation.Op, g.readings, group.Name, wattline.At(window.start), wattline.At(window.end), left, cheap(operation.Field))
}

// left is the part of a span from the first reading on that is kept, as an offer; empty
// where there is none. What is looked for is that of the device that was read first, for
// readings go by their age, with their whole quarter-hour.
func (h *History) left(ctx context.Context, group wattline.Group, within span) (string, error) {
	var oldest string
	var first time.Time
	one := grid{groups: []wattline.Group{group}, edges: []time.Time{within.start, within.end}}.widened()
	err := h.summaries(ctx, one, false, func(_ int, device string, w *wattline.Summary, _ use) {
		if w != nil && (oldest == "" || w.First.Time.Before(first)) {
			oldest, first = device, w.First.Time.Time
		}
	})
	if err != nil || oldest == "" {
		return "", err
	}
	kept, err := h.store.Readings(ctx, store.Query{Devices: []string{oldest}, From: first, To: within.end, Limit: 1})
	if err != nil {
		return "", h.storeError(err)
	}
	if len(kept) == 0 || kept[0].Time.Equal(first) {
		return "", nil
	}
	from := kept[0].Time.Add(store.QuarterHour - 1).Truncate(store.QuarterHour)
	if !from.Before(within.end) {
		return "", nil
	}
	return fmt.Sprintf("a period from %s on (the first reading kept is of %s), or for ", wattline.At(from), kept[0].Time), nil
}
