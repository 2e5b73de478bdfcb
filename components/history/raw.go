package history

import (
	"context"
	"fmt"
	"slices"
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
			return grid{}, h.refuse(counted, row, readings, operation)
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

// refuse says what would be accepted instead of a row of so many readings.
func (h *History) refuse(g grid, row int, readings float64, operation wattline.Operation) error {
	window, group := g.window(row/len(g.groups)), g.groups[row%len(g.groups)]
	share := float64(h.maxReadings) / readings
	longest := time.Duration(float64(window.end.Sub(window.start)) * share).Truncate(time.Minute)
	accepted := fmt.Sprintf("a window or period of up to %v", longest)
	if devices := int(float64(len(group.Devices)) * share); devices > 0 {
		accepted += fmt.Sprintf(", or groups of up to %d devices", devices)
	}
	return tooMany(operation, "about %.0f of group %.80q from %s to %s, and %d are the most: ask for %s",
		readings, group.Name, wattline.At(window.start), wattline.At(window.end), h.maxReadings, accepted)
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
