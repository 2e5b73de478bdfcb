package truth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline/e2e/chaos/plan"
)

const promiseLost = "measurements lost without a reason"

// fate is why an answer of a plug became no reading.
type fate string

// The fates.
const (
	readBack fate = "read back after a command"
	killed   fate = "in flight when the collector was killed"
	cut      fate = "in flight when the network was cut"
	awry     fate = "in flight when the plug misbehaved or was renamed"
	full     fate = "kept out by a full disk"
	admitted fate = "given up by the collector, which said so"
	lost     fate = "lost without a reason"
)

// fatesToTell lists those that are no fault of anybody's.
func fatesToTell() []fate { return []fate{readBack, killed, cut, awry, full, admitted} }

const (
	// aroundFault is how long before a fault an answer may have been on its way, and
	// how long after it the collector may have been busy with it.
	aroundFault = 3 * time.Second
	// saidSoon is when the collector says at the latest that an answer did not come:
	// one poll, and whatever else the machine does first.
	saidSoon = 6 * time.Second
	// mostReads is how often a plug is read after it was switched, at most.
	mostReads = 3
)

// checkLost finds the fate of every measurement that a plug sent in full and that
// became no reading. Only faults, commands and what the collector admits account
// for one.
func checkLost(l Ledger, used map[string]map[int64]bool) (fates map[fate]int, broken []Violation) {
	fates = map[fate]int{}
	l.Faults = renamed(l)
	names := map[string][]string{}
	for name, plug := range l.Plugs {
		names[plug] = append(names[plug], name)
	}
	for _, plug := range sortedKeys(l.Answers) {
		o := owed{Ledger: l, plug: plug, names: names[plug]}
		for _, a := range l.Answers[plug] {
			if a.Switched {
				o.told = append(o.told, order{o.waited(a), mostReads})
			}
			if a.Switched || !a.Sent || used[plug][a.N] {
				continue
			}
			what := o.fateOf(a)
			fates[what]++
			if what == lost {
				lines := []string{fmt.Sprintf("its answer %d; those around it are", a.N)}
				for _, near := range around(l.Answers[plug], a.At) {
					lines = append(lines, fmt.Sprintf("        (became a reading: %t) %+v", used[plug][near.N], near))
				}
				broken = append(broken, Violation{promiseLost, plug, a.At, strings.Join(lines, "\n")})
			}
		}
	}
	return fates, broken
}

// renamed is the faults, with those of renaming until the collector knew the new name: it
// learns of it when the registry and the broker let it.
func renamed(l Ledger) []Fault {
	faults := slices.Clone(l.Faults)
	for i, f := range faults {
		if f.What == plan.Rename {
			if first, known := readSpan(l.Taken, f.How); known {
				faults[i].To = first.From
			}
		}
	}
	return faults
}

// owed is one plug whose answers are accounted for.
type owed struct {
	Ledger

	plug  string
	names []string
	// told is what the plug was told lately.
	told []order
}

// order is a command that was carried out: until when somebody waited for it, and
// how often the plug may still be read back.
type order struct {
	until time.Time
	left  int
}

func (o *owed) fateOf(a Answer) fate {
	if o.isReadBack(a) {
		return readBack
	}
	for _, cause := range []struct {
		fate    fate
		targets []string
	}{
		{killed, []string{plan.Agents}}, {cut, []string{plan.AllPlugs}}, {awry, []string{o.plug}}, {full, []string{plan.JournalDisk}},
	} {
		if slices.ContainsFunc(o.Faults, func(f Fault) bool {
			return f.What != plan.Clock && f.is(cause.targets...) && f.overlaps(a.At, a.At, aroundFault)
		}) {
			return cause.fate
		}
	}
	for _, name := range o.names {
		if slices.ContainsFunc(o.Admitted[name], func(s Span) bool { return !a.At.Before(s.From.Add(-saidSoon)) && !a.At.After(s.To) }) {
			return admitted
		}
	}
	return lost
}

// isReadBack takes an answer for the reading back of a command that is still waited
// for; of several, for that of the one that is not waited for much longer.
func (o *owed) isReadBack(a Answer) bool {
	o.told = slices.DeleteFunc(o.told, func(w order) bool { return w.left == 0 || a.At.After(w.until) })
	if len(o.told) == 0 {
		return false
	}
	soonest := 0
	for i, w := range o.told {
		if w.until.Before(o.told[soonest].until) {
			soonest = i
		}
	}
	o.told[soonest].left--
	return true
}

// waited is until when somebody waited for the outcome of what was carried out.
func (o *owed) waited(a Answer) (until time.Time) {
	for _, c := range o.Commands {
		if o.Plugs[c.Device] != o.plug || dutyOf(c) == mustNot || !c.takes(a) {
			continue
		}
		if _, end := c.window(); end.After(until) {
			until = end
		}
	}
	return until
}
