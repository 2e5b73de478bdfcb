package influx1

import (
	"fmt"
	"strings"

	"github.com/wattline/wattline"
)

// seam is how a device's imported counter meets the one that the store has.
type seam struct {
	// total is what the counter of the import, which begins at 0, ends at.
	total wattline.Milli
	// before and after are where the store's counter stands at the last reading
	// before the import and the first one after it; nil if there is none.
	before, after *wattline.Milli
	// again says that some of the import is in the store already. At the first such
	// reading the store's counter stands at stored, and that of the import at own.
	again       bool
	stored, own wattline.Milli
}

// base is where the counter of the import has to begin, which may be below 0. It ends
// where the reading after it begins, so that nothing is counted in between, and else
// goes on from the reading before it. It never falls: where that cannot be had, base
// is an error that says why.
func (s seam) base() (wattline.Milli, error) {
	var base wattline.Milli
	switch {
	case s.again:
		base = s.stored - s.own
	case s.after != nil:
		base = *s.after - s.total
	case s.before != nil:
		base = *s.before
	}
	meets := s.after == nil || base+s.total <= *s.after
	if meets && (s.before == nil || base >= *s.before) {
		return base, nil
	}
	var reasons []string
	if s.before != nil {
		reasons = append(reasons, fmt.Sprintf("%v Wh before it", *s.before))
	}
	if s.after != nil {
		reasons = append(reasons, fmt.Sprintf("%v Wh after it", *s.after))
	}
	return 0, fmt.Errorf("it comes to %v Wh, and the counter stands at %s: it would fall; give the id a device of its own in the map file",
		s.total, strings.Join(reasons, " and at "))
}
