package quarters

import (
	"context"
	"math"
	"sync"
	"time"
)

// grace is how long after its end an hour is left unsealed, so that readings on
// their way do not come late.
const grace = 2 * time.Minute

// settled is up to where everything may be sealed: the end of the last hour that
// ended a grace ago. Sealing by the hour writes each record four times less often.
func settled(now int64) int64 {
	ms := now - grace.Milliseconds()
	return ms - ms%hourMS
}

// maxUntended bounds what is remembered of late readings; past it, all days are
// gone through.
const maxUntended = 100_000

// deviceDay names a record.
type deviceDay struct {
	device string
	day    Day
}

// gate keeps apart the writing of readings and the sealing of what they belong
// to.
//
// A device is held by one party at a time: a writer from before it un-seals to
// after its late readings are written, a sealer from before it reads the readings
// to after the record is kept. Readings that are not late are not held up; what
// makes them safe is that a sealer goes no further than was settled when the
// longest-running write began, and that a write which begins later knows how far
// the sealer goes.
type gate struct {
	mu sync.Mutex
	// frontier: nothing from there on is sealed, or being sealed. It is beyond
	// everything until the records have been looked at.
	frontier int64
	writes   map[*write]struct{}
	held     map[string]chan struct{} // closed when let go
	// untended are records that Upkeep has to look at. lost is set when there were
	// too many.
	untended map[deviceDay]untended
	lost     bool
}

// untended is a record that late readings were written for, or that cannot be read.
type untended struct {
	open Set  // these are not sealed; of others nothing is known here
	anew bool // it is to be made anew, whatever it says
}

// write is one that has begun at an instant.
type write struct{ begun int64 }

func newGate() *gate {
	return &gate{
		frontier: math.MaxInt64, writes: map[*write]struct{}{},
		held: map[string]chan struct{}{}, untended: map[deviceDay]untended{},
	}
}

// enter begins a write. Readings before late may belong to what is sealed.
func (g *gate) enter(now int64) (w *write, late int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	w = &write{begun: now}
	g.writes[w] = struct{}{}
	return w, max(g.frontier, settled(now))
}

func (g *gate) leave(w *write) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.writes, w)
}

// limit is up to where may be sealed now. From its return on, writes that begin
// take heed of it.
func (g *gate) limit(now int64) int64 {
	g.mu.Lock()
	defer g.mu.Unlock()
	for w := range g.writes {
		now = min(now, w.begun)
	}
	limit := settled(now)
	g.frontier = max(g.frontier, limit)
	return limit
}

// know sets the frontier for the first time.
func (g *gate) know(frontier int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.frontier == math.MaxInt64 {
		g.frontier = frontier
	}
}

func (g *gate) known() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.frontier != math.MaxInt64
}

// hold waits until nobody holds any of the devices, and holds them.
func (g *gate) hold(ctx context.Context, devices []string) (release func(), err error) {
	mine := make(chan struct{})
	for {
		busy := g.tryHold(devices, mine)
		if busy == nil {
			return func() { g.release(devices, mine) }, nil
		}
		select {
		case <-busy:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
}

// tryHold holds all the devices, or returns what to wait for.
func (g *gate) tryHold(devices []string, mine chan struct{}) (busy <-chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, device := range devices {
		if holder, ok := g.held[device]; ok {
			return holder
		}
	}
	for _, device := range devices {
		g.held[device] = mine
	}
	return nil
}

func (g *gate) release(devices []string, mine chan struct{}) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, device := range devices {
		delete(g.held, device)
	}
	close(mine)
}

// unsure are those quarter-hours that are not known to be open.
func (g *gate) unsure(of map[deviceDay]Set) map[deviceDay]Set {
	g.mu.Lock()
	defer g.mu.Unlock()
	var unsure map[deviceDay]Set
	for one, set := range of {
		if rest := set.Without(g.untended[one].open); rest != (Set{}) {
			if unsure == nil {
				unsure = map[deviceDay]Set{}
			}
			unsure[one] = rest
		}
	}
	return unsure
}

// opened notes quarter-hours that are not sealed, of devices that the caller holds.
func (g *gate) opened(all map[deviceDay]Set) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for one, set := range all {
		known := g.untended[one]
		known.open = known.open.Or(set)
		g.note(one, known)
	}
}

// distrust notes that a record has to be made anew, and tells whether that is
// news.
func (g *gate) distrust(one deviceDay) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	known := g.untended[one]
	news := !known.anew
	known.anew = true
	g.note(one, known)
	return news
}

func (g *gate) note(one deviceDay, known untended) {
	if _, ok := g.untended[one]; !ok && len(g.untended) >= maxUntended {
		clear(g.untended)
		g.lost = true
	}
	g.untended[one] = known
}

// tended takes back what was noted of a day of devices that the caller holds, but
// for those quarter-hours that will not be looked at by themselves.
func (g *gate) tended(devices []string, day Day, remain Set) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, device := range devices {
		one := deviceDay{device, day}
		rest := g.untended[one].open.And(remain)
		if rest == (Set{}) {
			delete(g.untended, one)
		} else {
			g.untended[one] = untended{open: rest}
		}
	}
}

// neglected are the devices that Upkeep has to look at, by day.
func (g *gate) neglected() map[Day][]string {
	g.mu.Lock()
	defer g.mu.Unlock()
	byDay := map[Day][]string{}
	for one := range g.untended {
		byDay[one.day] = append(byDay[one.day], one.device)
	}
	return byDay
}

func (g *gate) isAnew(one deviceDay) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.untended[one].anew
}

// hasLost tells whether track is lost.
func (g *gate) hasLost() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.lost
}

// takeLost tells whether track was lost since it was asked last.
func (g *gate) takeLost() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	lost := g.lost
	g.lost = false
	return lost
}
