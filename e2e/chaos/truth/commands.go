package truth

import (
	"fmt"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// What is promised of commands.
const (
	promiseDone    = "commands done that no plug carried out"
	promiseCarried = "switchings that nobody's command accounts for"
	promiseLate    = "commands that fired late"
	promiseRelay   = "relays that are not shown as they are"
)

// duty is what a command's outcome says of the plug.
type duty int

const (
	mustNot duty = iota // it was not carried out
	may                 // it may have been, once
	must                // it was, once
)

// dutyOf: where nothing was answered, and where the answer is that the outcome is
// unknown, anything may have happened until the deadline.
func dutyOf(c Command) duty {
	switch c.known() {
	case wattline.OutcomeDone:
		return must
	case "", wattline.OutcomeTimeout, wattline.OutcomeFailed:
		return may
	}
	return mustNot
}

// window is when a command may have moved the relay: a deadline ends it, and so
// does the answer that it is done.
func (c Command) window() (from, to time.Time) {
	if c.Outcome == wattline.OutcomeDone {
		return c.Asked, c.Told
	}
	return c.Asked, c.Deadline
}

// takes tells whether a switching can be this command's. The plug's times are cut
// to milliseconds.
func (c Command) takes(a Answer) bool {
	from, to := c.window()
	return a.On == c.On && !a.At.Before(from.Truncate(time.Millisecond)) && !a.At.After(to)
}

// leftOver counts what checkCommands could not pair and is in order all the same.
type leftOver struct {
	// repeats are switchings that changed nothing: a request that was sent again
	// because its connection broke.
	repeats int
	// found are commands that are done without a switching of their own: the plug was
	// found in the position asked for when it was read back, after a connection broke.
	found int
}

// checkCommands pairs what each plug carried out with what it was told. Every
// command that is done must have a switching of its own, every switching a command
// that is done or of unknown outcome.
func checkCommands(l Ledger) (left leftOver, broken []Violation) {
	byPlug := map[string][]Command{}
	for _, c := range l.Commands {
		if plug, known := l.Plugs[c.Device]; known && dutyOf(c) != mustNot {
			byPlug[plug] = append(byPlug[plug], c)
		}
	}
	for _, plug := range sortedKeys(l.Answers) {
		switched := slices.DeleteFunc(slices.Clone(l.Answers[plug]), func(a Answer) bool { return !a.Switched })
		p := pairing{commands: byPlug[plug], switched: switched}
		p.pair()
		broken = append(broken, p.judge(l, plug, &left)...)
	}
	return left, broken
}

// pairing is one plug's commands and switchings. of is the command of each
// switching, by index; -1 is none.
type pairing struct {
	commands []Command
	switched []Answer
	of       []int
}

// pair finds a pairing that leaves no command without a switching that must have
// one, as far as there is any, and then no switching without a command: a matching
// in a bipartite graph, grown by augmenting paths, which never leaves out again
// what it has once taken in.
func (p *pairing) pair() {
	p.of = make([]int, len(p.switched))
	for i := range p.of {
		p.of[i] = -1
	}
	for _, wanted := range []duty{must, may} {
		for c := range p.commands {
			if dutyOf(p.commands[c]) == wanted {
				p.grow(c, make([]bool, len(p.switched)))
			}
		}
	}
}

func (p *pairing) grow(c int, tried []bool) bool {
	for i, a := range p.switched {
		if tried[i] || !p.commands[c].takes(a) {
			continue
		}
		tried[i] = true
		if p.of[i] < 0 || p.grow(p.of[i], tried) {
			p.of[i] = c
			return true
		}
	}
	return false
}

// judge tells what the pairing could not explain.
func (p *pairing) judge(l Ledger, plug string, left *leftOver) (broken []Violation) {
	paired := map[int]bool{}
	for _, c := range p.of {
		paired[c] = true
	}
	for i, c := range p.commands {
		switch {
		case dutyOf(c) != must || paired[i]:
		case l.found(plug, c):
			left.found++
		default:
			broken = append(broken, Violation{
				promiseDone, c.Device, c.Told,
				fmt.Sprintf("%+v; the plug was switched %s", c, p.near(c.Asked)),
			})
		}
	}
	for i, a := range p.switched {
		switch {
		case p.of[i] >= 0:
		case i > 0 && p.switched[i-1].On == a.On:
			left.repeats++
		default:
			broken = append(broken, blame(a, plug, commandsNear(l, plug, a.At)))
		}
	}
	return broken
}

// found tells whether a plug was found as a command wanted it, and told so, after
// it was given and before its outcome was told, while it was not easily reached.
func (l Ledger) found(plug string, c Command) bool {
	from, to := c.window()
	return slices.ContainsFunc(l.Answers[plug], func(a Answer) bool { return !a.Switched && a.Sent && c.takes(a) }) &&
		slices.ContainsFunc(l.Faults, func(f Fault) bool {
			return f.is(plug, plan.AllPlugs) && f.What != plan.Clock && f.overlaps(from, to, aroundFault)
		})
}

// blame says what is wrong with a switching that no command accounts for: it came
// late if one that may have been carried out was overdue by then.
func blame(a Answer, plug string, near []Command) Violation {
	v := Violation{promiseCarried, plug, a.At, fmt.Sprintf("it was switched %v; the commands then were", wattline.RelayOf(a.On))}
	for _, c := range near {
		v.Text += fmt.Sprintf("\n        %s %v of %s from %s: told %q %s at %s, overdue at %s",
			c.Device, wattline.RelayOf(c.On), c.Client, clock(c.Asked), c.Outcome, c.Code, clock(c.Told), clock(c.Deadline))
		if c.On == a.On && dutyOf(c) == may && c.Deadline.Before(a.At) {
			v.Promise = promiseLate
		}
	}
	return v
}

// commandsNear is what a plug was told in the minute before an instant, whatever
// came of it.
func commandsNear(l Ledger, plug string, at time.Time) (near []Command) {
	for _, c := range l.Commands {
		if l.Plugs[c.Device] == plug && c.Asked.Before(at) && at.Sub(c.Asked) < time.Minute {
			near = append(near, c)
		}
	}
	return near
}

func (p *pairing) near(at time.Time) (times []string) {
	for _, a := range p.switched {
		if a.At.Sub(at).Abs() < time.Minute {
			times = append(times, fmt.Sprintf("%v at %s", wattline.RelayOf(a.On), clock(a.At)))
		}
	}
	return times
}
