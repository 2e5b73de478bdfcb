package truth

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

const (
	promiseTrue  = "untrue statements"
	promiseShown = "readings shown that nobody took"
)

// Kind is what was asked.
type Kind string

// The kinds of sayings.
const (
	Ready   Kind = "ready"
	State   Kind = "state"
	Query   Kind = "query"
	Switch  Kind = "switch"
	Skewed  Kind = "clock skew" // an event; Device is the instance that it names
	Refused Kind = "refused"    // nobody listens at the door
)

// Saying is an answer about the state of the site.
type Saying struct {
	// Door is the process that said it.
	Door        string
	Kind        Kind
	Asked, Told time.Time
	Device      string
	// Broken are the parts that a ready says are not in order: empty for ready.
	Broken []string
	// Availability is a state's, and As when it was so.
	Availability wattline.Availability
	As           time.Time
	// Code is empty where no error was told.
	Code wattline.Code
}

// within tells whether it was asked and told during a fault.
func (s Saying) within(f Fault) bool { return !s.Asked.Before(f.From) && !s.Told.After(f.To) }

// checkSayings holds what was said while things were down against what was down.
func checkSayings(l Ledger) (broken []Violation) {
	for _, f := range l.Faults {
		switch {
		case f.is(plan.Broker):
			for _, door := range []string{plan.Gateway, plan.Hook} {
				broken = append(broken, l.checkReady(f, door, "broker")...)
			}
		case f.is(plan.Influxd):
			broken = append(broken, l.checkReady(f, plan.Hook, "store")...)
		case silences(f):
			broken = append(broken, l.checkState(f)...)
		}
	}
	for _, s := range l.Sayings {
		if s.Code != "" && !l.hasCause(s) {
			broken = append(broken, Violation{promiseTrue, s.Device, s.Told, fmt.Sprintf("%s was told %s by %s, for which there was no cause", s.Kind, s.Code, s.Door)})
		}
		if s.Kind == Skewed && s.Device != SkewedInstance {
			broken = append(broken, Violation{promiseTrue, s.Device, s.Told, "its clock is said to be off, which is this machine's"})
		}
	}
	return broken
}

// SkewedInstance announces itself with a clock that is off by more than a second.
const SkewedInstance = "skewed"

// checkReady: while something is down a door says so, as soon as it has noticed
// and until it is back. Whoever runs the plan waits for the first such word.
func (l Ledger) checkReady(f Fault, door, part string) (broken []Violation) {
	var first *Saying
	asked := 0
	for _, s := range l.Sayings {
		if s.Kind != Ready || s.Door != door || !s.within(f) {
			continue
		}
		asked++
		says := slices.Contains(s.Broken, part)
		switch {
		case says && first == nil:
			first = &s
		case !says && first != nil:
			broken = append(broken, Violation{
				promiseTrue, door, s.Told,
				fmt.Sprintf("it says that the %s is in order, and at %s it said that it is not; %v", part, clock(first.Told), f),
			})
		}
	}
	if first == nil && asked > 0 && !l.interrupted(f, door) {
		broken = append(broken, Violation{promiseTrue, door, f.To, fmt.Sprintf("it never said that the %s is not in order, asked %d times; %v", part, asked, f)})
	}
	return broken
}

// interrupted tells whether a door's process was down during a fault.
func (l Ledger) interrupted(f Fault, door string) bool {
	return slices.ContainsFunc(l.Faults, func(other Fault) bool { return other.is(door) && other.overlaps(f.From, f.To, 0) })
}

// silences tells whether a plug's fault leaves every poll unanswered.
func silences(f Fault) bool {
	kind, options, _ := strings.Cut(f.How, ":")
	return f.What == plan.Fault && !strings.Contains(options, "p=") &&
		slices.Contains([]string{"hang", "offline", "refuse", "reset", "short", "power-cut"}, kind)
}

// MustBeSaid tells whether somebody must say of a plug that it does not answer
// while a fault lasts. A power cut ends by itself, however soon that is.
func MustBeSaid(f Fault) bool { return silences(f) && !strings.HasPrefix(f.How, "power-cut") }

// seenSoon is how old the last answer of a plug may be that falls silent.
const seenSoon = 5 * time.Second

// checkState: of a plug that does not answer nobody says that it did meanwhile, and
// somebody says that it does not.
func (l Ledger) checkState(f Fault) (broken []Violation) {
	asked, told := 0, false
	for _, s := range l.Sayings {
		if s.Kind != State || s.Code != "" || l.Plugs[s.Device] != f.Target || !s.within(f) {
			continue
		}
		asked++
		if s.Availability != wattline.AvailabilityUp {
			told = true
		} else if s.As.After(f.From.Add(seenSoon)) {
			broken = append(broken, Violation{promiseTrue, s.Device, s.Told, fmt.Sprintf("%s says that it was up at %s; %v", s.Door, clock(s.As), f)})
		}
	}
	if asked > 0 && !told && MustBeSaid(f) {
		broken = append(broken, Violation{promiseTrue, f.Target, f.To, fmt.Sprintf("nobody said that it does not answer, asked %d times; %v", asked, f)})
	}
	return broken
}

// aftermath is for how long a fault may be the cause of an error: connections are
// made anew, and instances that are not heard of expire, within it.
const aftermath = 45 * time.Second

// hasCause tells whether an error was told because of something.
func (l Ledger) hasCause(s Saying) bool {
	var targets []string
	broker := []string{plan.Broker, plan.Cable(s.Door, plan.Broker), s.Door}
	switch s.Code {
	case wattline.CodeTimeout, wattline.CodeBusy:
		if s.Kind == Switch && s.Code == wattline.CodeBusy {
			return true // its turn to be switched on would have come too late
		}
		return slices.ContainsFunc(l.Faults, func(f Fault) bool { return f.What != plan.Clock && f.overlaps(s.Asked, s.Told, aftermath) })
	case wattline.CodeBrokerDown:
		targets = broker
	case wattline.CodeNoResponder:
		for _, who := range []string{plan.Agents, plan.Archive, plan.History} {
			targets = append(targets, who, plan.Cable(who, plan.Broker))
		}
		targets = append(targets, broker...)
	case wattline.CodeStoreDown:
		targets = []string{plan.Influxd, plan.Archive, plan.History, plan.Cable(plan.History, plan.Influxd)}
	case wattline.CodeDeviceUnreachable, wattline.CodeDeviceError:
		targets = []string{l.Plugs[s.Device], plan.AllPlugs, plan.Agents}
	case wattline.CodeNotFound:
		targets = []string{l.Plugs[s.Device], plan.Registry}
	default:
		return s.Code == wattline.CodeProtected
	}
	return s.Code == wattline.CodeDeviceError && l.contended(s) || slices.ContainsFunc(l.Faults, func(f Fault) bool {
		return f.is(targets...) && f.What != plan.Clock && f.overlaps(s.Asked, s.Told, aftermath)
	})
}

// contended tells whether somebody gave the device another command at the same
// time, so that it did not show what it was told.
func (l Ledger) contended(s Saying) bool {
	commands := 0
	for _, c := range l.Commands {
		if l.Plugs[c.Device] == l.Plugs[s.Device] && c.Asked.Before(s.Told) && c.Told.After(s.Asked) {
			commands++
		}
	}
	return commands > 1
}

// checkShown: whatever a query gave was taken, and is given as it was.
func checkShown(shown, taken []wattline.Reading) (broken []Violation) {
	known := make(map[identity]wattline.Reading, len(taken))
	for _, r := range taken {
		known[identityOf(r)] = r
	}
	for _, r := range shown {
		if had, ok := known[identityOf(r)]; !ok || !same(had, r) {
			broken = append(broken, Violation{promiseShown, r.Device, r.Time.Time, fmt.Sprintf("shown was %+v, taken was %+v", r, had)})
		}
	}
	return broken
}
