package history

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// part is a page of a whole answer, the first or a later one.
type part struct {
	whole, page grid
	first       bool
}

// worstEstimate is by how much an estimate of readings may be wrong.
const worstEstimate = 4

// affordable shrinks a page so that about maxReadings have to be read for it. It
// refuses one of which a single row takes more, on the first page for all that
// follow, so that nobody gets half an answer.
func (h *History) affordable(ctx context.Context, of part, operation wattline.Operation) (grid, error) {
	counted := of.page
	if of.first {
		counted = of.whole
	}
	estimates, err := h.estimate(ctx, counted)
	if err != nil {
		return grid{}, err
	}
	for row, readings := range estimates {
		if readings > float64(h.maxReadings) {
			return grid{}, h.refuse(ctx, counted, row, operation)
		}
	}
	columns := len(counted.groups)
	return of.page.shrink(func(g grid) int {
		sum := 0.0
		for w := range g.windows() {
			for _, readings := range estimates[w*columns:][:len(g.groups)] {
				sum += readings
			}
		}
		return int(sum)
	}, h.maxReadings), nil
}

// refuse says what would be accepted instead of a row that takes too many readings.
func (h *History) refuse(ctx context.Context, g grid, row int, operation wattline.Operation) error {
	window, group := g.window(row/len(g.groups)), g.groups[row%len(g.groups)]
	shorter, err := h.shorter(ctx, span{g.edges[0], g.edges[len(g.edges)-1]}, group)
	if err != nil {
		return err
	}
	fewer, err := h.fewer(ctx, g, group)
	if err != nil {
		return err
	}
	accepted := strings.Join(append(shorter, fewer...), ", or ")
	return tooMany(operation, "group %.80q has more than %d from %s to %s: ask for %s",
		group.Name, h.maxReadings, wattline.At(window.start), wattline.At(window.end), cmp.Or(accepted, "less"))
}

// fewer offers a number of devices: so many of the group fit into each window.
func (h *History) fewer(ctx context.Context, g grid, group wattline.Group) (offer []string, err error) {
	each := grid{edges: g.edges}
	for _, device := range group.Devices {
		each.groups = append(each.groups, wattline.Group{Name: device, Devices: []string{device}})
	}
	if each.rows() > maxRows {
		return nil, nil
	}
	readings, err := h.estimate(ctx, each)
	if err != nil {
		return nil, err
	}
	if devices := int(float64(h.maxReadings) / slices.Max(readings)); devices > 0 {
		offer = append(offer, fmt.Sprintf("groups of up to %d devices", devices))
	}
	return offer, nil
}

// shorter offers a length of time, by the densest day of a group within a period: on
// others there may be next to nothing.
func (h *History) shorter(ctx context.Context, period span, group wattline.Group) (offer []string, err error) {
	days := grid{groups: []wattline.Group{group}, edges: utcDays(period)}
	perDay, err := h.estimate(ctx, days)
	if err != nil {
		return nil, err
	}
	most, perHour := 0.0, 0.0
	for i, readings := range perDay {
		most = max(most, readings)
		perHour = max(perHour, readings/days.window(i).end.Sub(days.window(i).start).Hours())
	}
	// A period of so many days touches one more.
	if whole := int(float64(h.maxReadings)/most) - 1; whole > 0 {
		offer = append(offer, fmt.Sprintf("a window or period of up to %d days", whole))
	} else if longest := time.Duration(float64(h.maxReadings) / perHour * float64(time.Hour)).Truncate(store.QuarterHour); longest > 0 {
		offer = append(offer, fmt.Sprintf("a window of up to %v", longest))
	}
	return offer, nil
}

// utcDays are the edges of a period's days.
func utcDays(period span) []time.Time {
	cuts, _ := edges(wattline.WindowDay, period.start, period.end, time.UTC, math.MaxInt)
	return cuts
}

func tooMany(o wattline.Operation, format string, args ...any) error {
	return invalid("op", "%s has to look at every reading: %s; %s take any number of them", o.Op, fmt.Sprintf(format, args...), cheap(o.Field))
}

// estimate is about how many readings each row has: those of each UTC day, shared
// out evenly over it.
func (h *History) estimate(ctx context.Context, g grid) ([]float64, error) {
	from, to := g.edges[0], g.edges[len(g.edges)-1]
	days := int(to.Sub(from)/wholeDay) + 2
	estimates := make([]float64, g.rows())
	groupsOf := g.groupsOf()
	for devices := range slices.Chunk(g.devices(), max(1, batchSpans/days)) {
		all, err := h.store.Summaries(ctx, store.SummaryQuery{Devices: devices, From: from, To: to, Every: wholeDay})
		if err != nil {
			return nil, h.storeError(err)
		}
		for _, series := range all {
			first := 0
			for _, s := range series.Spans {
				within := span{s.Start, earlier(s.Start.Truncate(wholeDay).Add(wholeDay), to)}
				for !g.edges[first+1].After(within.start) {
					first++
				}
				for w := first; w < g.windows() && g.edges[w].Before(within.end); w++ {
					share := within.overlap(g.window(w)).Seconds() / within.end.Sub(within.start).Seconds()
					for _, group := range groupsOf[series.Device] {
						estimates[w*len(g.groups)+group] += share * float64(s.Summary.Count)
					}
				}
			}
		}
	}
	return estimates, nil
}

// eachReading calls visit with every reading of a page's devices, by device and
// then time, and with the rows that it belongs to. It holds one page of the
// store's at a time.
func (h *History) eachReading(ctx context.Context, page grid, visit func(rows []int, r wattline.Reading) error) error {
	groupsOf := page.groupsOf()
	query := store.Query{Devices: page.devices(), From: page.edges[0], To: page.edges[len(page.edges)-1], Limit: store.MaxLimit}
	if len(query.Devices) == 0 {
		return nil
	}
	var device string
	var rows []int
	window := -1
	for {
		readings, err := h.store.Readings(ctx, query)
		if err != nil {
			return h.storeError(err)
		}
		for _, r := range readings {
			if r.Device != device {
				device, window, rows = r.Device, -1, rows[:0]
			}
			for window < 0 || !r.Time.Before(page.edges[window+1]) {
				window++
				rows = rows[:0]
				for _, group := range groupsOf[device] {
					rows = append(rows, window*len(page.groups)+group)
				}
			}
			if err := visit(rows, r); err != nil {
				return err
			}
		}
		if len(readings) < query.Limit {
			return nil
		}
		last := readings[len(readings)-1]
		query.After = store.Position{Device: last.Device, Time: last.Time.Time}
	}
}
