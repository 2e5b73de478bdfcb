package plan

import (
	"cmp"
	"math"
	"math/rand/v2"
	"slices"
	"time"
)

// draw is the randomness of a plan.
type draw struct{ *rand.Rand }

func newDraw(seed uint64) draw { return draw{rand.New(rand.NewPCG(seed, 110))} }

// shortest is what a step lasts at least.
const shortest = 200 * time.Millisecond

// span is a length between two, short ones as likely as long ones of ten times
// the length.
func (d draw) span(least, most time.Duration) time.Duration {
	if most <= least {
		return most
	}
	factor := math.Exp(d.Float64() * math.Log(float64(most)/float64(least)))
	return time.Duration(float64(least) * factor).Round(time.Millisecond)
}

// slot is a stretch of time that one step has for itself.
type slot struct{ from, length time.Duration }

// slots divides a run into so many stretches of random length.
func (d draw) slots(length time.Duration, n int) []slot {
	weights := make([]float64, n)
	sum := 0.0
	for i := range weights {
		weights[i] = 0.3 + d.ExpFloat64()
		sum += weights[i]
	}
	slots := make([]slot, n)
	at := time.Duration(0)
	for i, weight := range weights {
		slots[i] = slot{at, time.Duration(float64(length) * weight / sum)}
		at += slots[i].length
	}
	return slots
}

// within puts a step of a length between two somewhere into a slot, so that a
// fifth of the slot is left after it.
func (d draw) within(s slot, least, most time.Duration) (at, length time.Duration) {
	room := s.length * 4 / 5
	length = d.span(least, min(most, room))
	at = s.from + time.Duration(d.Float64()*float64(room-length))
	return at.Round(time.Millisecond), length
}

// kills of one process. A store is away for longer, once for as long as there is
// room; the broker loses its own data once.
func (d draw) kills(process string, o Options) (steps []Step) {
	most := o.Down
	store := process == Influxd || process == Archive
	if store {
		most = o.StoreDown
	}
	slots := d.slots(o.Length, o.Kills)
	longest := 0
	for i, s := range slots {
		if s.length > slots[longest].length {
			longest = i
		}
		at, length := d.within(s, shortest, most)
		steps = append(steps, Step{At: at, For: length, What: Kill, Target: process})
	}
	if store && len(steps) > 0 {
		steps[longest].At = slots[longest].from
		steps[longest].For = min(o.StoreDown, slots[longest].length*4/5)
	}
	if process == Broker && len(steps) > 0 {
		steps[d.IntN(len(steps))].What = Erase
	}
	return steps
}

// fills of the disks. The journal needs more room at its beginning, and later only
// while a store is away: its disk is full at once, and then in the longer outages
// of InfluxDB.
func (d draw) fills(kills []Step, o Options) (steps []Step) {
	if o.Fills > 0 {
		steps = append(steps, Step{At: o.Down / 2, For: d.span(o.Down/2, o.Down), What: Fill, Target: JournalDisk})
	}
	for _, outage := range longestOf(kills, Influxd, o.Fills-1) {
		if outage.At < 3*o.Down {
			continue
		}
		steps = append(steps, Step{
			At: outage.At + outage.For/10, For: outage.For * 7 / 10, What: Fill, Target: JournalDisk,
		})
	}
	for _, s := range d.slots(o.Length, o.Fills) {
		at, length := d.within(s, o.Down/2, 3*o.Down)
		steps = append(steps, Step{At: at, For: length, What: Fill, Target: HookDisk})
	}
	return steps
}

// cuts of the cables, of each kind in turn. The first at the plugs is a stall, as
// long as there is room for, so that commands are overdue when they go on.
func (d draw) cuts(o Options) (steps []Step) {
	cables := Cables()
	perCable := map[string]int{}
	for i := range o.Cuts {
		perCable[cables[i%len(cables)]]++
	}
	kinds := []What{Sever, Stall, Delay}
	next := d.IntN(len(kinds))
	for _, cable := range cables {
		for i, s := range d.slots(o.Length, perCable[cable]) {
			at, length := d.within(s, shortest, 2*o.Down)
			step := Step{At: at, For: length, What: kinds[next%len(kinds)], Target: cable}
			if i == 0 && cable == AllPlugs {
				room := s.length * 4 / 5
				step.What, step.For = Stall, min(2*o.Down, room)
				step.At = s.from + (room-step.For)/2
			}
			if step.What == Delay {
				step.How = d.span(20*time.Millisecond, 800*time.Millisecond).String()
			}
			steps = append(steps, step)
			next++
		}
	}
	return steps
}

// plugFaults are what plugs do, the ways in which they vanish twice.
func plugFaults() []string {
	return []string{
		"power-cut", "hang", "offline", "garbage:p=0.5", "refuse", "power-cut", "latency:delay=1500ms", "hang:p=0.5",
		"offline", "reset", "drip:delay=5ms", "refuse", "device-error", "short", "wrong-json:p=0.5", "spike",
	}
}

// faults: no plug has more than one, so that they never overlap.
func (d draw) faults(o Options) (steps []Step) {
	hows := plugFaults()
	order := d.Perm(len(o.Plugs))
	for i := range min(o.Faults, len(o.Plugs)) {
		length := min(d.span(min(3*time.Second, o.Down), 3*o.Down), o.Length/2)
		at := time.Duration(d.Float64() * float64(o.Length-length)).Round(time.Millisecond)
		how := hows[i%len(hows)]
		if how == "power-cut" {
			how += ":for=" + length.String()
		}
		steps = append(steps, Step{At: at, For: length, What: Fault, Target: o.Plugs[order[i]], How: how})
	}
	return steps
}

// renames: no device has more than one.
func (d draw) renames(o Options) (steps []Step) {
	order := d.Perm(len(o.Plugs))
	for i := range min(o.Renames, len(o.Plugs)) {
		plug := o.Plugs[order[i]]
		at := time.Duration((0.1 + 0.8*d.Float64()) * float64(o.Length)).Round(time.Millisecond)
		steps = append(steps, Step{At: at, What: Rename, Target: plug, How: plug + ".renamed"})
	}
	return steps
}

// longestOf is the n longest steps on a target, in the order of their times.
func longestOf(steps []Step, target string, n int) []Step {
	var of []Step
	for _, s := range steps {
		if s.Target == target {
			of = append(of, s)
		}
	}
	slices.SortFunc(of, func(a, b Step) int { return cmp.Compare(b.For, a.For) })
	of = of[:max(0, min(n, len(of)))]
	slices.SortFunc(of, func(a, b Step) int { return cmp.Compare(a.At, b.At) })
	return of
}
