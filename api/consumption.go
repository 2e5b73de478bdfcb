package api

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// getConsumption godoc
//
//	@Summary		Energy and power per calendar window
//	@Description	In [from, to), per window of the calendar of tz and per group, in the order of windows and then of groups. Windows at the ends are cut to the period. Without any selection, of all devices. Devices known to have no meter are left out. coverage says how much of a window was observed; a window of which nothing is known has no energy_wh. A query of too many windows is refused with what would be accepted.
//	@ID				getConsumption
//	@Tags			history
//	@Produce		json
//	@Param			device		query		[]string	false	"Device; may be repeated"	collectionFormat(multi)
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			from		query		string		false	"RFC 3339 time or date; by default the midnight before to"	example(2026-03-29)
//	@Param			to			query		string		false	"RFC 3339 time or date; now by default"	example(2026-03-30)
//	@Param			window		query		string		false	"Calendar window"	Enums(quarter, hour, day, week, month)	default(hour)
//	@Param			group_by	query		string		false	"device, kind, or location:N for its first N levels (1 to 16)"	default(device)	example(location:2)
//	@Param			tz			query		string		false	"IANA time zone of the windows and of dates; the installation's by default"	example(Europe/Madrid)
//	@Param			limit		query		int			false	"Length of the page"	minimum(1)	maximum(1000)	default(1000)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Success		200			{object}	wattline.ConsumptionPage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		404			{object}	Problem	"not_found: no such device"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/consumption [get]
func (g *Gateway) getConsumption(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	selector := p.selection()
	zone := p.timezone("tz", g.options.Timezone)
	from, to := p.period(zone, wattline.At(time.Now()))
	window := wattline.Window(p.enum("window", "hour", "quarter", "hour", "day", "week", "month"))
	groupOf := p.grouping("group_by")
	limit := p.limit(wattline.MaxPage)
	at, more := p.cursor(c.Request)
	if err := p.err(); err != nil {
		return err
	}
	if more {
		if from, to, err = at.period(); err != nil {
			return err
		}
	}
	devices, err := g.shadow.choose(selector)
	if err != nil {
		return err
	}
	groups := groupsOf(g.shadow.metered(devices), groupOf)
	if err := g.options.Limits.checkWindows(window, to.Sub(from.Time), len(groups)); err != nil {
		return err
	}
	page := wattline.ConsumptionPage{Rows: []wattline.Consumption{}}
	if len(groups) == 0 {
		return writeJSON(c, page)
	}
	err = g.askHistory(c, wattline.VerbConsumption, wattline.ConsumptionQuery{
		Groups: groups, From: from, To: to, Window: window, Timezone: zone.String(), Cursor: at.After, Limit: limit,
	}, &page)
	if err != nil {
		return err
	}
	page.Next = p.next(c, cursor{From: from, To: to, After: page.Next})
	return writeJSON(c, page)
}

// grouping is the parameter that says which name a device is counted under.
func (p *params) grouping(name string) func(wattline.Device) string {
	byDevice := func(d wattline.Device) string { return d.ID }
	value, given := p.text(name)
	if !given || value == "device" {
		return byDevice
	}
	if value == "kind" {
		return func(d wattline.Device) string { return d.Kind }
	}
	const deepest = 16
	levels, isLocation := strings.CutPrefix(value, "location:")
	depth, err := strconv.Atoi(levels)
	if !isLocation || err != nil || depth < 1 || depth > deepest || strconv.Itoa(depth) != levels {
		p.fail(name, "must be device, kind or location:N with N from 1 to %d", deepest)
		return byDevice
	}
	return func(d wattline.Device) string { return wattline.LocationAt(d.Location, depth) }
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
	}
	return time.Second
}

// checkWindows refuses a query of too many windows before anybody works on it,
// and says what would be accepted.
func (l Limits) checkWindows(window wattline.Window, period time.Duration, groups int) error {
	most := min(l.Windows, l.Rows/max(groups, 1))
	windows := int(period/shortest(window)) + 1
	if windows <= most {
		return nil
	}
	longest := time.Duration(most) * shortest(window)
	return wattline.Invalid(wattline.FieldError{Field: "window", Reason: fmt.Sprintf(
		"of a %s makes %d windows of this period, each with %d groups; at most %d windows are answered: take a longer window, "+
			"fewer groups, or a period of up to %d hours", window, windows, groups, most, int(longest.Hours()))})
}
