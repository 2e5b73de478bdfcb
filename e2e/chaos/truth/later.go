package truth

import (
	"fmt"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// What is promised of commands that somebody asks for later.
const (
	promiseEnded = "commands still pending when all was over"
	promiseStays = "outcomes that were told otherwise later"
	promiseKept  = "commands sent that their gateway knew nothing of later"
)

// known is the outcome as it is known in the end.
func (c Command) known() wattline.Outcome {
	if isOpen(c.Outcome) && !isOpen(c.Later) {
		return c.Later
	}
	return c.Outcome
}

// isOpen tells whether an outcome says nothing of what happened.
func isOpen(o wattline.Outcome) bool {
	return o == "" || o == wattline.OutcomeTimeout || o == wattline.OutcomePending
}

// toDisk is how long a gateway may take to put on disk what it knows of a command.
const toDisk = time.Second

// diedWithIt tells whether the gateway was killed before it had what it knew of a
// command on disk: at once, or while there was no room.
func (l Ledger) diedWithIt(c Command) bool {
	return slices.ContainsFunc(l.Faults, func(kill Fault) bool {
		if kill.What != plan.Kill || !kill.is(c.Door) || kill.From.Before(c.Asked) {
			return false
		}
		return kill.From.Sub(c.Told) < toDisk || slices.ContainsFunc(l.Faults, func(full Fault) bool {
			return full.What == plan.Fill && full.is(plan.HookDisk) && full.overlaps(c.Asked, c.Told, 0) && full.overlaps(kill.From, kill.From, toDisk)
		})
	})
}

// checkLater holds what was told at once against what was told when all was over.
// learned is how many outcomes became known in between.
func checkLater(l Ledger) (learned int, broken []Violation) {
	for _, c := range l.Commands {
		promise := ""
		switch {
		case c.Later == wattline.OutcomePending:
			promise = promiseEnded
		case c.Forgotten && !l.diedWithIt(c):
			promise = promiseKept
		case isOpen(c.Outcome) && !isOpen(c.Later):
			learned++
		case isOpen(c.Later) && l.diedWithIt(c):
		case c.Later != "" && c.Later != c.Outcome && !isOpen(c.Outcome):
			promise = promiseStays
		}
		if promise != "" {
			broken = append(broken, Violation{promise, c.Device, c.Told, fmt.Sprintf("%+v", c)})
		}
	}
	return learned, broken
}
