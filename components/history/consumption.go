package history

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strconv"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

// What one page may cost.
const (
	// batchSpans is how much of what the store summarizes for a page, devices times
	// spans, is held at a time.
	batchSpans = 100_000
	// maxReply is the bytes of a reply; rowBytes those of a row without its group.
	maxReply = 3 << 20
	rowBytes = 300
)

// consumption answers with energy and power per window and group.
func (h *History) consumption(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.ConsumptionQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	var found wattline.Faults
	if query.Window == "" {
		found.Add("window", "must not be empty")
	}
	whole, row, err := gridOf(question{
		query.Groups, query.From, query.To, query.Window, query.Timezone, query.Cursor, query.After, query.Limit,
	}, found)
	if err != nil {
		return nil, err
	}
	if row == whole.rows() {
		return wattline.ConsumptionPage{Rows: []wattline.Consumption{}}, nil
	}
	page := summarizable(whole.page(row, limitOf(query.Limit)), rowBytes)
	totals := make([]total, page.rows())
	err = h.summaries(ctx, page, false, func(row int, _ string, _ *wattline.Summary, u use) { totals[row].add(u) })
	if err != nil {
		return nil, err
	}
	answer := wattline.ConsumptionPage{Rows: make([]wattline.Consumption, 0, len(totals)), Next: whole.next(row, page)}
	for i := range totals {
		group := page.groups[i%len(page.groups)]
		answer.Rows = append(answer.Rows, totals[i].row(group.Name, len(group.Devices), page.window(i/len(page.groups))))
	}
	return answer, nil
}

func limitOf(asked int) int {
	if asked == 0 {
		return defaultLimit
	}
	return asked
}

// summarizable shrinks a page to what the store and a reply may take.
func summarizable(page grid, rowBytes int) grid {
	longest := 0
	for _, group := range page.groups {
		longest = max(longest, len(strconv.Quote(group.Name)))
	}
	page = page.shrink(func(g grid) int { return g.rows() * (rowBytes + longest) }, maxReply)
	return page.shrink(func(g grid) int { return g.spans() * len(g.devices()) }, store.MaxSpans)
}

// spans is about how many the store has to summarize for each device.
func (g grid) spans() int {
	return int(g.edges[len(g.edges)-1].Sub(g.edges[0])/every(g.edges)) + 2
}

// summaries asks the store, some devices at a time, and calls add with what each
// device did in each window, once for each row that it belongs to; w is nil where
// it has no readings.
func (h *History) summaries(ctx context.Context, page grid, values bool, add func(row int, device string, w *wattline.Summary, u use)) error {
	groupsOf, lane := page.groupsOf(), newLane(page.edges)
	for devices := range slices.Chunk(page.devices(), max(1, batchSpans/page.spans())) {
		all, err := h.store.Summaries(ctx, store.SummaryQuery{
			Devices: devices, From: page.edges[0], To: page.edges[len(page.edges)-1], Every: every(page.edges), Values: values,
		})
		if err != nil {
			return h.storeError(err)
		}
		for _, series := range all {
			groups := groupsOf[series.Device]
			lane.each(series, func(window int, w *wattline.Summary, u use) {
				for _, group := range groups {
					add(window*len(page.groups)+group, series.Device, w, u)
				}
			})
		}
	}
	return nil
}

// storeError hides what a store says from the asker, who can do nothing about it.
func (h *History) storeError(err error) error {
	var unavailable *store.UnavailableError
	switch {
	case errors.As(err, &unavailable):
		h.log.Warn("the store does not answer", "error", err)
		return wattline.Errorf(wattline.CodeStoreDown, "the store of the readings does not answer")
	case errors.Is(err, store.ErrMisconfigured):
		h.log.Error("the store is misconfigured", "error", err)
		return wattline.Errorf(wattline.CodeStoreDown, "the store of the readings is misconfigured; its log says how")
	}
	return err
}
