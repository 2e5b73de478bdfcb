package api

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// grouping is the parameter that says which name a device is counted under.
func (p *params) grouping(name string) func(wattline.Device) string {
	byDevice := func(d wattline.Device) string { return d.ID }
	value, given := p.text(name)
	if !given || value == "device" {
		return byDevice
	}
	switch value {
	case "kind":
		return func(d wattline.Device) string { return d.Kind }
	case "all":
		return func(wattline.Device) string { return "all" }
	}
	if label, isLabel := strings.CutPrefix(value, "label:"); isLabel && wattline.CheckID(label) == nil {
		return func(d wattline.Device) string { return d.Labels[label] }
	}
	const deepest = 16
	levels, isLocation := strings.CutPrefix(value, "location:")
	depth, err := strconv.Atoi(levels)
	if !isLocation || err != nil || depth < 1 || depth > deepest || strconv.Itoa(depth) != levels {
		p.fail(name, "must be device, kind, location:N with N from 1 to %d, label:NAME, or all", deepest)
		return byDevice
	}
	return func(d wattline.Device) string { return wattline.LocationAt(d.Location, depth) }
}

// window is a calendar window.
func (p *params) window(byDefault wattline.Window) wattline.Window {
	return wattline.Window(p.enum("window", string(byDefault), "quarter", "hour", "day", "week", "month", "year"))
}

// windowed is a question whose answer has rows by window and group.
type windowed struct {
	question
	window wattline.Window
	groups []wattline.Group
	after  *wattline.RowPlace // the rows begin behind it; nil for the first
}

// windowed reads all that is left of p. The groups are those of the devices that are
// chosen and have a meter. A question of too many windows is refused.
func (g *Gateway) windowed(c *gin.Context, p *params, byDefault wattline.Window) (windowed, error) {
	q := windowed{question: p.question(p.timezone("tz", g.options.Timezone)), window: p.window(byDefault)}
	groupOf := p.grouping("group_by")
	q.paged(p, c.Request)
	q.after = q.afterRow(p)
	if err := p.err(); err != nil {
		return q, err
	}
	devices, err := g.view(c).choose(q.selector)
	if err != nil {
		return q, err
	}
	q.devices = idsOf(devices)
	q.groups = groupsOf(g.shadow.metered(devices), groupOf)
	return q, g.options.Limits.checkWindows(q.window, q.to.Sub(q.from.Time), len(q.groups))
}

// groupsOf puts devices, which are in the order of ids, into groups in the order
// of names.
func groupsOf(devices []wattline.Device, groupOf func(wattline.Device) string) []wattline.Group {
	members := map[string][]string{}
	for _, device := range devices {
		name := groupOf(device)
		members[name] = append(members[name], device.ID)
	}
	groups := make([]wattline.Group, 0, len(members))
	for name, ids := range members {
		groups = append(groups, wattline.Group{Name: name, Devices: ids})
	}
	slices.SortFunc(groups, func(a, b wattline.Group) int { return cmp.Compare(a.Name, b.Name) })
	return groups
}

// shortest is the least that a window of a kind lasts: a day of 23 hours, a
// month of 28 days.
func shortest(window wattline.Window) time.Duration {
	const day = 23 * time.Hour
	switch window {
	case wattline.WindowQuarter:
		return 15 * time.Minute
	case wattline.WindowHour:
		return time.Hour
	case wattline.WindowDay:
		return day
	case wattline.WindowWeek:
		return 6*24*time.Hour + day
	case wattline.WindowMonth:
		return 27*24*time.Hour + day
	case wattline.WindowYear:
		return 364*24*time.Hour + day
	}
	return math.MaxInt64 // the whole period is one window
}

// checkWindows refuses a query of too many windows before anybody works on it,
// and says what would be accepted.
func (l Limits) checkWindows(window wattline.Window, period time.Duration, groups int) error {
	windows := int(period / shortest(window))
	if period%shortest(window) > 0 {
		windows++
	}
	most := min(l.Windows, l.Rows/max(groups, 1))
	if windows <= most {
		return nil
	}
	accepted := "a longer window"
	// A period that begins within a window has a part of one more.
	if fewer := l.Rows / (windows + 1); windows < l.Windows && fewer > 0 {
		accepted += fmt.Sprintf(", up to %d groups", fewer)
	}
	if longest := time.Duration(most-1) * shortest(window); longest > 0 {
		accepted += fmt.Sprintf(", or a period of up to %d hours", int(longest.Hours()))
	}
	return wattline.Invalid(wattline.FieldError{Field: "window", Reason: fmt.Sprintf(
		"%s makes %d windows of this period, each with %d groups; at most %d windows and %d rows are answered: take %s",
		window, windows, groups, l.Windows, l.Rows, accepted)})
}
