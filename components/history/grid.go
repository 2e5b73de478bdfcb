package history

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/wattline/wattline"
)

// Bounds of one question.
const (
	maxWindows = 40_000
	maxGroups  = 10_000
	maxRows    = 1_000_000
	maxName    = 255 // a location, or a label's value
)

// question is what consumption and aggregate have in common.
type question struct {
	groups   []wattline.Group
	from, to wattline.Time
	window   wattline.Window // none: the whole range
	timezone string
	cursor   string
	after    *wattline.RowPlace // instead of a cursor
	limit    int
}

// grid is rows of an answer: windows times groups, by window and then by group.
type grid struct {
	groups []wattline.Group // sorted by name, the devices of each sorted and once
	edges  []time.Time      // one more than there are windows
}

func (g grid) windows() int { return len(g.edges) - 1 }
func (g grid) rows() int    { return g.windows() * len(g.groups) }

// window is the i-th of the grid's.
func (g grid) window(i int) span { return span{g.edges[i], g.edges[i+1]} }

// devices are those of all groups, each once, sorted.
func (g grid) devices() []string {
	var devices []string
	for _, group := range g.groups {
		devices = append(devices, group.Devices...)
	}
	return distinct(devices)
}

// groupsOf tells for each device in which groups it is.
func (g grid) groupsOf() map[string][]int {
	groups := map[string][]int{}
	for i, group := range g.groups {
		for _, device := range group.Devices {
			groups[device] = append(groups[device], i)
		}
	}
	return groups
}

// gridOf is the whole of a question's answer, and the row with which the page begins:
// whole.rows() where nothing comes after the row that was named.
func gridOf(q question, found wattline.Faults) (whole grid, row int, err error) {
	zone, found := q.check(found)
	if len(found) > 0 {
		return grid{}, 0, wattline.Invalid(found...)
	}
	cuts, more := edges(q.window, q.from.Time, q.to.Time, zone, maxWindows)
	if more {
		return grid{}, 0, invalid("window", "makes more than %d windows of this range: ask for a longer window or a shorter range", maxWindows)
	}
	whole = grid{edges: cuts, groups: make([]wattline.Group, len(q.groups))}
	for i, group := range q.groups {
		whole.groups[i] = wattline.Group{Name: group.Name, Devices: distinct(group.Devices)}
	}
	slices.SortFunc(whole.groups, func(a, b wattline.Group) int { return cmp.Compare(a.Name, b.Name) })
	if whole.rows() > maxRows {
		return grid{}, 0, invalid("groups", "make %d rows with these windows, and %d are the most: ask for fewer groups, a longer window or a shorter range",
			whole.rows(), maxRows)
	}
	switch {
	case q.cursor != "":
		place, ok := cursorPlace(q.cursor)
		if row = whole.rowAfter(place); !ok || row < 0 {
			return grid{}, 0, invalid("cursor", cursorReason)
		}
	case q.after != nil:
		if row = whole.rowAfter(*q.after); row < 0 {
			return grid{}, 0, invalid("after.start", "must be the start of a row of this query, with its own from, to, window and tz")
		}
	}
	return whole, row, nil
}

// rowAfter is the number of the row after a named one. Groups come and go with their
// devices: where there is no such group, it is the row after where that would be. It is
// negative where no window begins there.
func (g grid) rowAfter(place wattline.RowPlace) int {
	window, begins := slices.BinarySearchFunc(g.edges[:g.windows()], place.Start.Time, func(edge, at time.Time) int {
		return wattline.At(edge).Compare(at)
	})
	if !begins {
		return -1
	}
	group, is := slices.BinarySearchFunc(g.groups, place.Group, func(g wattline.Group, name string) int {
		return cmp.Compare(g.Name, name)
	})
	if is {
		group++
	}
	return window*len(g.groups) + group
}

// placeCursor is a row's place as text.
func placeCursor(place wattline.RowPlace) string {
	return strconv.FormatInt(place.Start.UnixMilli(), 10) + "." + place.Group
}

func cursorPlace(cursor string) (place wattline.RowPlace, ok bool) {
	ms, group, dotted := strings.Cut(cursor, ".")
	at, err := strconv.ParseInt(ms, 10, 64)
	if err != nil || !dotted || at < 0 || at > latestCursor {
		return place, false
	}
	return wattline.RowPlace{Group: group, Start: wattline.AtMilli(at)}, true
}

const cursorReason = "is not one of this query's"

// check adds every fault of a question to those found already.
func (q question) check(found wattline.Faults) (*time.Location, wattline.Faults) {
	zone, err := time.LoadLocation(q.timezone)
	if err != nil || q.timezone == "" || q.timezone == "Local" {
		found.Add("tz", "must be an IANA name such as Europe/Madrid")
	}
	if q.window != "" && !q.window.Valid() {
		found.Add("window", "must be quarter, hour, day, week, month or year")
	}
	if !q.from.Before(q.to.Time) {
		found.Add("from", "must come before to")
	}
	if q.cursor != "" && q.after != nil {
		found.Add("after", "does not go with cursor")
	}
	if q.limit < 0 || q.limit > wattline.MaxHistoryPage {
		found.Add("limit", "must lie between 1 and %d", wattline.MaxHistoryPage)
	}
	if len(q.groups) == 0 || len(q.groups) > maxGroups {
		found.Add("groups", "must be 1 to %d", maxGroups)
	}
	names, devices := map[string]bool{}, 0
	for i, group := range q.groups {
		if names[group.Name] {
			found.Add(fmt.Sprintf("groups[%d].name", i), "is given twice")
		}
		names[group.Name] = true
		if len(group.Name) > maxName {
			found.Add(fmt.Sprintf("groups[%d].name", i), "must be at most %d bytes", maxName)
		}
		devices += len(group.Devices)
		for j, device := range group.Devices {
			if err := wattline.CheckID(device); err != nil {
				found.Check(fmt.Sprintf("groups[%d].devices[%d]", i, j), err)
			}
		}
	}
	if devices > maxDevices {
		found.Add("groups", "have more than %d devices", maxDevices)
	}
	return zone, found
}

// page is the part of the grid that begins with a row: whole windows, or where a
// window has begun already or is too long for one page, some groups of it.
func (g grid) page(row, limit int) grid {
	window, group := row/len(g.groups), row%len(g.groups)
	if group > 0 || limit < len(g.groups) {
		return grid{
			groups: g.groups[group:min(group+limit, len(g.groups))],
			edges:  g.edges[window : window+2],
		}
	}
	return grid{groups: g.groups, edges: g.edges[window:min(window+limit/len(g.groups)+1, len(g.edges))]}
}

// shrink is the longest page, halved again and again, of which the cost is at most
// so much; one row is the least.
func (g grid) shrink(cost func(grid) int, most int) grid {
	for g.rows() > 1 && cost(g) > most {
		if g.windows() > 1 {
			g.edges = g.edges[:(g.windows()+1)/2+1]
		} else {
			g.groups = g.groups[:(len(g.groups)+1)/2]
		}
	}
	return g
}

// next is the cursor of the page that follows one that began with a row.
func (g grid) next(row int, page grid) string {
	if row+page.rows() >= g.rows() {
		return ""
	}
	return placeCursor(wattline.RowPlace{
		Group: page.groups[len(page.groups)-1].Name, Start: wattline.At(page.edges[page.windows()-1]),
	})
}

func distinct(devices []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(devices)))
}

func invalid(field, format string, args ...any) error {
	return wattline.Invalid(wattline.FieldError{Field: field, Reason: fmt.Sprintf(format, args...)})
}
