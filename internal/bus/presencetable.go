package bus

import (
	"cmp"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
)

const (
	maxInstances = 1024
	// tolerableSkew is how far a clock may be off before it is said.
	tolerableSkew = time.Second
	// skewsNeeded in a row: one message may have been held up on its way.
	skewsNeeded = 2
	// heldTogether is how soon one after the other messages may be heard that were
	// held up by the same stall, and longestHeld how long a stall can be before it
	// ends the connection. Both make the sender's clock seem late.
	heldTogether = wattline.PresenceHeartbeat / 2
	longestHeld  = wattline.PresenceTimeout
)

// presenceTable knows which instances are alive. Instances that ended without a
// word are kept as dead, so that what the broker still retains of them does not
// bring them back.
type presenceTable struct {
	mu       sync.Mutex
	entries  map[string]*presenceEntry
	epoch    uint64 // counts our connections
	rotation uint64

	// Silence says something only while we could have heard: the clock by which
	// instances expire stands still while there is no connection.
	listened  time.Duration // on the connections before
	listening time.Time     // since when on the present one; zero without one
}

type presenceEntry struct {
	presence wattline.Presence
	heard    time.Duration // by the clock of listening
	epoch    uint64        // the connection on which it was last heard live
	dead     bool
	skew     time.Duration
	skews    int       // live messages in a row that were off
	since    time.Time // when the first of them was heard
	told     bool      // that they were
}

// outcome is what an announcement changed.
type outcome struct {
	changed bool // something other than the clock
	arrived bool // it was not there, or is heard live for the first time on this connection
	skewed  bool // its clock was now found to be off
	skew    time.Duration
	full    bool // there was no room for it
}

func newPresenceTable() *presenceTable {
	return &presenceTable{entries: make(map[string]*presenceEntry)}
}

// connected begins a new connection.
func (t *presenceTable) connected(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.epoch++
	t.listening = now
}

// disconnected ends it.
func (t *presenceTable) disconnected(now time.Time) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.listened = t.clock(now)
	t.listening = time.Time{}
}

// clock is how long we have listened in all.
func (t *presenceTable) clock(now time.Time) time.Duration {
	if t.listening.IsZero() {
		return t.listened
	}
	return t.listened + now.Sub(t.listening)
}

// hear takes an announcement in. A retained one counts only for an instance
// that is not known to be alive, and only if it is newer than what is known of
// a dead one.
func (t *presenceTable) hear(p wattline.Presence, retained bool, now time.Time) outcome {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry := t.entries[p.Instance]
	if p.Status == wattline.PresenceOffline {
		if entry != nil && !p.Since.IsZero() && p.Since.Before(entry.presence.Since.Time) {
			return outcome{} // the last will of an earlier life, which the broker was slow to publish
		}
		delete(t.entries, p.Instance)
		return outcome{changed: entry != nil && !entry.dead}
	}
	if retained && entry != nil && (!entry.dead || !p.Clock.After(entry.presence.Clock.Time)) {
		return outcome{}
	}
	if entry == nil {
		if len(t.entries) >= maxInstances && !t.dropDead() {
			return outcome{full: true}
		}
		entry = &presenceEntry{dead: true}
		t.entries[p.Instance] = entry
	}
	result := outcome{
		changed: entry.dead || !sameButClock(entry.presence, p),
		arrived: entry.dead || (!retained && entry.epoch != t.epoch),
	}
	entry.presence, entry.heard, entry.dead = p, t.clock(now), false
	if !retained {
		entry.epoch = t.epoch
		result.skewed = entry.measure(now)
		result.skew = entry.skew
	}
	return result
}

// measure compares the clocks and reports when a skew becomes certain.
func (e *presenceEntry) measure(now time.Time) bool {
	if e.presence.Clock.IsZero() {
		return false
	}
	e.skew = e.presence.Clock.Sub(now)
	if e.skew.Abs() <= tolerableSkew {
		e.skews, e.told = 0, false
		return false
	}
	if e.skews++; e.skews == 1 {
		e.since = now
	}
	mayBeHeld := e.skew < 0 && e.skew > -longestHeld && now.Sub(e.since) < heldTogether
	if e.told || e.skews < skewsNeeded || mayBeHeld {
		return false
	}
	e.told = true
	return true
}

func sameButClock(a, b wattline.Presence) bool {
	return a.Status == b.Status && a.Version == b.Version && a.Since.Equal(b.Since.Time) &&
		a.Stream == b.Stream && a.Seq == b.Seq &&
		slices.Equal(a.Roles, b.Roles) && slices.Equal(a.Sites, b.Sites)
}

func (t *presenceTable) dropDead() bool {
	for instance, entry := range t.entries {
		if entry.dead {
			delete(t.entries, instance)
			return true
		}
	}
	return false
}

// expire ends the instances that were not heard of for too long, and returns
// them as offline.
func (t *presenceTable) expire(now time.Time) []wattline.Presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	clock := t.clock(now)
	var gone []wattline.Presence
	for _, entry := range t.entries {
		if !entry.dead && clock-entry.heard >= wattline.PresenceTimeout {
			entry.dead = true
			offline := entry.presence
			offline.Status = wattline.PresenceOffline
			gone = append(gone, offline)
		}
	}
	slices.SortFunc(gone, byInstance)
	return gone
}

func byInstance(a, b wattline.Presence) int { return cmp.Compare(a.Instance, b.Instance) }

// live are the instances that are alive, by name.
func (t *presenceTable) live() []wattline.Presence {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.liveLocked()
}

func (t *presenceTable) liveLocked() []wattline.Presence {
	var live []wattline.Presence
	for _, entry := range t.entries {
		if !entry.dead {
			live = append(live, entry.presence)
		}
	}
	slices.SortFunc(live, byInstance)
	return live
}

// isLive tells whether an instance is alive.
func (t *presenceTable) isLive(instance string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	entry := t.entries[instance]
	return entry != nil && !entry.dead
}

// pick takes the live instances of a role in turn.
func (t *presenceTable) pick(role, site string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	serving := slices.DeleteFunc(t.liveLocked(), func(p wattline.Presence) bool { return !p.Serves(role, site) })
	if len(serving) == 0 {
		return "", false
	}
	t.rotation++
	return serving[t.rotation%uint64(len(serving))].Instance, true
}

// worstSkew is the largest difference between a live instance's clock and ours.
func (t *presenceTable) worstSkew() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	var worst time.Duration
	for _, entry := range t.entries {
		if !entry.dead {
			worst = max(worst, entry.skew.Abs())
		}
	}
	return worst
}
