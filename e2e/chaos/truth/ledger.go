// Package truth holds what a chaos run collected against what Wattline promises.
// The checks are pure functions of a Ledger: what the plugs say that they did, what
// the stores have, what was asked and answered, and what was done to the site.
package truth

import (
	"fmt"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// Ledger is everything that a run collected. All times are by the one clock of the
// machine.
type Ledger struct {
	// Plugs is the plug behind each name that a device ever had.
	Plugs map[string]string
	// Answers are those of each plug, in their order, as it tells itself.
	Answers map[string][]Answer
	// Taken is what the collector's journal gave out, in the order of numbers.
	Taken []wattline.Reading
	// Stored is what each store has, in the order in which it gave it.
	Stored map[string][]wattline.Reading
	// Admitted is when the collector logged of a device that it does not answer,
	// until it logged that it answers again.
	Admitted map[string][]Span
	Commands []Command
	Sayings  []Saying
	// Shown is the readings that queries gave.
	Shown  []wattline.Reading
	Faults []Fault
	// Energy is what went through a plug, in thousandths of a watt-hour.
	Energy func(plug string, from, to time.Time) (wattline.Milli, error) `json:"-"`
}

// Span is a stretch of time, both ends included.
type Span struct{ From, To time.Time }

// Answer is what a plug answered to a question for its meter or to a command.
type Answer struct {
	N  int64
	At time.Time
	// Switched: the answer is to a command, else it is a measurement.
	Switched bool
	// On is the relay as it was left.
	On bool
	// Sent: it went out whole. Others may have arrived all the same.
	Sent                                bool
	PowerW, VoltageV, CurrentA, MeterWh wattline.Milli
}

// Command is one that somebody gave to one device, with what he was told.
type Command struct {
	ID, Client, Device string
	On                 bool
	// Asked is when it was given, Told when its outcome was, and Deadline when it
	// may no longer be carried out.
	Asked, Told, Deadline time.Time
	// Outcome is empty where no answer came at all.
	Outcome wattline.Outcome
	Code    wattline.Code
	// Door is the gateway that was asked; empty for a command by bare MQTT.
	Door string
	// Later is what that gateway said of it when all was over, and empty where it
	// was not asked. Forgotten: it did not know of it then.
	Later     wattline.Outcome
	Forgotten bool
}

// Fault is something that was done to the site.
type Fault struct {
	plan.Step

	From, To time.Time
}

// String is a line for people.
func (f Fault) String() string {
	text := fmt.Sprintf("%s %s", f.What, f.Target)
	if f.How != "" {
		text += " " + f.How
	}
	return fmt.Sprintf("%s from %s to %s", text, clock(f.From), clock(f.To))
}

// overlaps tells whether the fault, with some time around it, and a span have an
// instant in common.
func (f Fault) overlaps(from, to time.Time, around time.Duration) bool {
	return !f.From.Add(-around).After(to) && !f.To.Add(around).Before(from)
}

// is tells whether the fault is at one of some targets.
func (f Fault) is(targets ...string) bool {
	return slices.Contains(targets, f.Target)
}

// Violation is a promise that was broken.
type Violation struct {
	// Promise is the row of the table that it counts in.
	Promise string
	Device  string
	At      time.Time
	Text    string
}

func (v Violation) String() string {
	return fmt.Sprintf("%s: %s at %s: %s", v.Promise, v.Device, clock(v.At), v.Text)
}

func clock(at time.Time) string { return at.UTC().Format("15:04:05.000") }

// Around lists what was done to the site shortly before an instant, and at it.
func (l Ledger) Around(at time.Time) (lines []string) {
	const before, after = 15 * time.Second, 2 * time.Second
	for _, f := range l.Faults {
		if f.overlaps(at.Add(-before), at.Add(after), 0) && f.What != plan.Clock {
			lines = append(lines, f.String())
		}
	}
	return lines
}
