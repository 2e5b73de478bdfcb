package history

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/calendar"
	"github.com/wattline/wattline/internal/store"
)

// edges cuts [from, to) at the starts of the calendar's windows, nowhere if no
// window is given: the first edge
// is from, the last one to, and each is later than the one before. Every instant
// of the range lies in exactly one window, whatever the zone's clocks do. At
// most limit+1 edges are made; more says that the range has more windows.
func edges(window wattline.Window, from, to time.Time, zone *time.Location, limit int) (cuts []time.Time, more bool) {
	cuts = []time.Time{from.UTC()}
	if window == "" {
		return append(cuts, to.UTC()), false
	}
	for next := calendar.Next(window, from, zone); next.Before(to); next = calendar.Next(window, next, zone) {
		if len(cuts) > limit-1 {
			return nil, true
		}
		cuts = append(cuts, next.UTC())
	}
	return append(cuts, to.UTC()), false
}

// every is the longest span, among a few, that is cut at all inner edges.
func every(cuts []time.Time) time.Duration {
	const day = 24 * time.Hour
	for _, span := range []time.Duration{day, day / 4, time.Hour} {
		fits := true
		for _, cut := range cuts[1 : len(cuts)-1] {
			fits = fits && cut.Unix()%int64(span.Seconds()) == 0
		}
		if fits {
			return span
		}
	}
	return store.QuarterHour
}
