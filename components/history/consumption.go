package history

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

// Bounds of one question.
const (
	maxWindows = 40_000
	maxGroups  = 10_000
	maxRows    = 1_000_000
	// maxSpans bounds what a page may have the store summarize, devices times
	// spans; batchSpans is how much of it is held at a time.
	maxSpans   = 20_000_000
	batchSpans = 200_000
)

// consumption answers with energy and power per window and group.
func (h *History) consumption(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.ConsumptionQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	plan, err := planOf(query)
	if err != nil {
		return nil, err
	}
	totals, err := h.totals(ctx, plan)
	if err != nil {
		return nil, err
	}
	return plan.page(totals), nil
}

// plan is a checked query, cut down to one page.
type plan struct {
	groups []wattline.Group // sorted by name
	// edges are those of the page's windows.
	edges []time.Time
	every time.Duration
	// first and limit are the page's rows, counted from the page's first window.
	first, limit int
	// firstWindow is the number of the page's first window in the whole range.
	firstWindow int
	rows        int // of the whole range
}

func planOf(query wattline.ConsumptionQuery) (plan, error) {
	zone, err := checkConsumption(query)
	if err != nil {
		return plan{}, err
	}
	cuts, more := edges(query.Window, query.From.Time, query.To.Time, zone, maxWindows)
	if more {
		return plan{}, invalid("window", "makes more than %d windows of this range: ask for a longer window or a shorter range", maxWindows)
	}
	p := plan{groups: slices.SortedFunc(slices.Values(query.Groups), byName), limit: query.Limit}
	p.rows = (len(cuts) - 1) * len(p.groups)
	if p.rows > maxRows {
		return plan{}, invalid("groups", "make %d rows with these windows, and %d are the most: ask for fewer groups, a longer window or a shorter range", p.rows, maxRows)
	}
	if p.limit == 0 {
		p.limit = defaultLimit
	}
	row, err := cursorRow(query.Cursor, p.rows)
	if err != nil {
		return plan{}, err
	}
	p.firstWindow = row / len(p.groups)
	p.first = row % len(p.groups)
	lastWindow := min((row+p.limit-1)/len(p.groups), len(cuts)-2)
	p.edges = cuts[p.firstWindow : lastWindow+2]
	p.every = every(p.edges)
	if p.spans() > store.MaxSpans {
		return plan{}, invalid("from", "lies too far before to for this zone: ask for a shorter range")
	}
	if spans := p.spans() * len(p.devices()); spans > maxSpans {
		return plan{}, invalid("groups", "have too many devices for these windows: %d devices times %d spans are more than %d", len(p.devices()), p.spans(), maxSpans)
	}
	return p, nil
}

// checkConsumption reports every fault of a query.
func checkConsumption(query wattline.ConsumptionQuery) (*time.Location, error) {
	var found []wattline.FieldError
	fail := func(field, format string, args ...any) {
		found = append(found, wattline.FieldError{Field: field, Reason: fmt.Sprintf(format, args...)})
	}
	zone, err := time.LoadLocation(query.Timezone)
	if err != nil || query.Timezone == "" || query.Timezone == "Local" {
		fail("tz", "must be an IANA name such as Europe/Madrid")
	}
	if !query.Window.Valid() {
		fail("window", "must be quarter, hour, day, week or month")
	}
	if !query.From.Before(query.To.Time) {
		fail("from", "must come before to")
	}
	if query.Limit < 0 || query.Limit > wattline.MaxPage {
		fail("limit", "must lie between 1 and %d", wattline.MaxPage)
	}
	if len(query.Groups) == 0 || len(query.Groups) > maxGroups {
		fail("groups", "must be 1 to %d", maxGroups)
	}
	names, devices := map[string]bool{}, 0
	for i, group := range query.Groups {
		if names[group.Name] {
			fail(fmt.Sprintf("groups[%d].name", i), "is given twice")
		}
		names[group.Name] = true
		devices += len(group.Devices)
		for j, device := range group.Devices {
			if err := wattline.CheckID(device); err != nil {
				fail(fmt.Sprintf("groups[%d].devices[%d]", i, j), "%v", err)
			}
		}
	}
	if devices > maxDevices {
		fail("groups", "have more than %d devices", maxDevices)
	}
	if len(found) > 0 {
		return nil, wattline.Invalid(found...)
	}
	return zone, nil
}

func byName(a, b wattline.Group) int {
	switch {
	case a.Name < b.Name:
		return -1
	case a.Name > b.Name:
		return 1
	}
	return 0
}

func cursorRow(cursor string, rows int) (int, error) {
	if cursor == "" {
		return 0, nil
	}
	row, err := strconv.Atoi(cursor)
	if err != nil || row <= 0 || row >= rows {
		return 0, invalid("cursor", "is not one of this query's")
	}
	return row, nil
}

func (p plan) spans() int {
	return int(p.edges[len(p.edges)-1].Sub(p.edges[0])/p.every) + 2
}

// devices are those of all groups, each once, sorted.
func (p plan) devices() []string {
	var devices []string
	for _, group := range p.groups {
		devices = append(devices, group.Devices...)
	}
	slices.Sort(devices)
	return slices.Compact(devices)
}

// totals asks the store, some devices at a time, and adds up: one total for each
// group and window.
func (h *History) totals(ctx context.Context, p plan) ([][]total, error) {
	groupsOf := map[string][]int{}
	totals := make([][]total, len(p.groups))
	for g, group := range p.groups {
		totals[g] = make([]total, len(p.edges)-1)
		for _, device := range distinct(group.Devices) {
			groupsOf[device] = append(groupsOf[device], g)
		}
	}
	batch := max(1, batchSpans/p.spans())
	for devices := range slices.Chunk(p.devices(), batch) {
		all, err := h.store.Summaries(ctx, store.SummaryQuery{
			Devices: devices, From: p.edges[0], To: p.edges[len(p.edges)-1], Every: p.every,
		})
		if err != nil {
			return nil, h.storeError(err)
		}
		for _, series := range all {
			for w, u := range usesOf(series, p.edges) {
				for _, g := range groupsOf[series.Device] {
					totals[g][w].add(u)
				}
			}
		}
	}
	return totals, nil
}

func distinct(devices []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(devices)))
}

// page picks the rows of the page: by window, and then by group.
func (p plan) page(totals [][]total) wattline.ConsumptionPage {
	page := wattline.ConsumptionPage{Rows: []wattline.Consumption{}}
	for i := p.first; i < (len(p.edges)-1)*len(p.groups) && len(page.Rows) < p.limit; i++ {
		w, g := i/len(p.groups), i%len(p.groups)
		group := p.groups[g]
		row := totals[g][w].row(group.Name, len(distinct(group.Devices)), span{p.edges[w], p.edges[w+1]})
		page.Rows = append(page.Rows, row)
	}
	if next := p.firstWindow*len(p.groups) + p.first + len(page.Rows); next < p.rows {
		page.Next = strconv.Itoa(next)
	}
	return page
}

func invalid(field, format string, args ...any) error {
	return wattline.Invalid(wattline.FieldError{Field: field, Reason: fmt.Sprintf(format, args...)})
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
