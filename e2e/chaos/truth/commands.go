package truth

import (
	"fmt"
	"slices"
	"time"

	"github.com/wattline/wattline"
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
	switch c.Outcome {
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
	if dutyOf(c) == must {
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

// checkCommands pairs what each plug carried out with what it was told. Every
// command that is done must have a switching of its own, every switching a command
// that is done or of unknown outcome. repeats counts the switchings left over that
// changed nothing: a request that was sent again because its connection broke.
func checkCommands(l Ledger) (repeats int, broken []Violation) {
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
		again, wrong := p.leftOver(l, plug)
		repeats += again
		broken = append(broken, wrong...)
	}
	return repeats, broken
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

// leftOver is what the pairing could not explain.
func (p *pairing) leftOver(l Ledger, plug string) (repeats int, broken []Violation) {
	paired := map[int]bool{}
	for _, c := range p.of {
		paired[c] = true
	}
	for i, c := range p.commands {
		if dutyOf(c) == must && !paired[i] {
			broken = append(broken, Violation{
				promiseDone, c.Device, c.Told,
				fmt.Sprintf("%+v; the plug was switched %s", c, p.near(c.Asked)),
			})
		}
	}
	for i, a := range p.switched {
		switch late, was := p.lateOf(l, plug, a); {
		case p.of[i] >= 0:
		case i > 0 && p.switched[i-1].On == a.On:
			repeats++
		case was:
			broken = append(broken, Violation{promiseLate, plug, a.At, fmt.Sprintf("%v after the deadline of %+v", a.At.Sub(late.Deadline), late)})
		default:
			broken = append(broken, Violation{promiseCarried, plug, a.At, fmt.Sprintf("%+v; commands then: %+v", a, p.commandsNear(a.At))})
		}
	}
	return repeats, broken
}

// lateOf is the last command that asked for a switching and whose deadline had
// passed by then.
func (p *pairing) lateOf(l Ledger, plug string, a Answer) (late Command, found bool) {
	for _, c := range l.Commands {
		if l.Plugs[c.Device] == plug && c.On == a.On && c.Deadline.Before(a.At) && a.At.Sub(c.Deadline) < time.Minute && c.Deadline.After(late.Deadline) {
			late, found = c, true
		}
	}
	return late, found
}

func (p *pairing) near(at time.Time) (times []string) {
	for _, a := range p.switched {
		if a.At.Sub(at).Abs() < time.Minute {
			times = append(times, fmt.Sprintf("%v at %s", wattline.RelayOf(a.On), clock(a.At)))
		}
	}
	return times
}

func (p *pairing) commandsNear(at time.Time) (near []Command) {
	for _, c := range p.commands {
		if c.Asked.Sub(at).Abs() < time.Minute {
			near = append(near, c)
		}
	}
	return near
}
