// Package plan draws up what a chaos run does to a site and when: a pure function
// of its options, the seed among them.
package plan

import (
	"fmt"
	"slices"
	"time"
)

// What is done.
type What string

// The things that are done.
const (
	Kill   What = "kill"   // SIGKILL; started again when the time is over
	Erase  What = "erase"  // a kill of the broker that takes what it had on disk
	Sever  What = "sever"  // a cable's connections are reset, and new ones too
	Stall  What = "stall"  // nothing passes a cable; afterwards what was held goes on
	Delay  What = "delay"  // what comes back over a cable is late
	Fill   What = "fill"   // a disk has no room left
	Fault  What = "fault"  // a plug misbehaves as How says
	Clock  What = "clock"  // a plug's own clock is off by How
	Rename What = "rename" // a device gets How for its name, at the same address
)

// The processes that are killed.
const (
	Broker   = "broker"
	Influxd  = "influxd"
	Gateway  = "gateway"
	Agents   = "agents"   // collector and controller, which share the queue of each plug
	Registry = "registry" // its configuration is read anew where a device is renamed
	Archive  = "archive"  // hook and history on the archive, which belongs to one process
	Hook     = "hook"     // of InfluxDB, with a gateway that tells how it does
	History  = "history"  // of InfluxDB
)

// The disks that are filled.
const (
	JournalDisk = "journal disk"
	HookDisk    = "hook disk"
)

// AllPlugs is the target of a cable between the collector and the plugs, all
// those at once that are reached by one.
const AllPlugs = "plugs"

// Processes lists those that are killed.
func Processes() []string {
	return []string{Broker, Influxd, Gateway, Agents, Registry, Archive, Hook, History}
}

// Cable names the connection of a process with a server.
func Cable(from, to string) string { return from + "–" + to }

// Cables lists the connections that are cut, stalled and delayed.
func Cables() []string {
	return []string{
		Cable(Agents, Broker), Cable(Hook, Influxd), Cable(Gateway, Broker), AllPlugs, Cable(Hook, Broker),
		Cable(Archive, Broker), Cable(Registry, Broker), Cable(History, Broker), Cable(History, Influxd),
	}
}

// Step is one thing that is done.
type Step struct {
	// At is when, counted from the beginning, and For how long it lasts; what does
	// not last has 0.
	At, For time.Duration
	What    What
	// Target is a process, a cable, a disk, a plug or a device.
	Target string
	How    string
}

// String is a line for logs.
func (s Step) String() string {
	text := fmt.Sprintf("%7.2fs %s %s", s.At.Seconds(), s.What, s.Target)
	if s.How != "" {
		text += " " + s.How
	}
	if s.For > 0 {
		text += fmt.Sprintf(" for %.2fs", s.For.Seconds())
	}
	return text
}

// Options say how much is done.
type Options struct {
	Seed   uint64
	Length time.Duration
	// Kills is how often each process is killed, Cuts how often a cable is cut,
	// stalled or delayed, Faults how many plugs misbehave, Renames how many devices
	// are renamed, Fills how often each disk is filled.
	Kills, Cuts, Faults, Renames, Fills int
	// Down is the longest that a process is down, or a cable cut; StoreDown that of
	// a store.
	Down, StoreDown time.Duration
	// Plugs are the emulated ones, by id, which is also their device's first name.
	// Those with a number that Cabled accepts are reached by a cable.
	Plugs []string
}

// Make draws up the steps in the order of their times. Steps on one target never
// overlap, and all is over before Length.
func Make(o Options) []Step {
	d := newDraw(o.Seed)
	var steps []Step
	for _, process := range Processes() {
		steps = append(steps, d.kills(process, o)...)
	}
	steps = append(steps, d.fills(steps, o)...)
	steps = append(steps, d.cuts(o)...)
	steps = append(steps, d.faults(o)...)
	steps = append(steps, d.renames(o)...)
	for i, plug := range o.Plugs {
		if ahead := i%3 - 1; ahead != 0 {
			steps = append(steps, Step{What: Clock, Target: plug, How: fmt.Sprintf("%ds", ahead)})
		}
	}
	slices.SortStableFunc(steps, func(a, b Step) int { return int(a.At - b.At) })
	return steps
}

// Cabled tells whether the plug of that index is reached by a cable; the others
// show the collector how a plug itself refuses or falls silent.
func Cabled(index int) bool { return index%2 == 1 }
