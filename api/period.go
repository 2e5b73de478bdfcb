package api

import (
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/calendar"
)

// period is the parameters from and to, in the zone's calendar.
func (p *params) period(zone *time.Location, now wattline.Time) (from, to wattline.Time) {
	first, _ := p.text("from")
	last, _ := p.text("to")
	found, faults := calendar.Clock{Now: now.Time, Zone: zone}.Period(first, last)
	for _, fault := range faults {
		p.fail(fault.Field, "%s", hinted(p.values.Get(fault.Field), fault.Reason))
	}
	return found.From, found.To
}

// hinted says what most likely went wrong with an offset.
func hinted(value, reason string) string {
	if date, _, cut := strings.Cut(value, "T"); cut && date != "" && strings.Contains(value, " ") {
		return reason + "; a + in the query must be written %2B"
	}
	return reason
}
