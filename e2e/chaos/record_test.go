package chaos_test

import (
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/truth"
)

// record is what the clients and listeners of a run found out. Safe for concurrent
// use.
type record struct {
	mu       sync.Mutex
	sayings  []truth.Saying
	commands []truth.Command
	shown    []wattline.Reading
	taken    []wattline.Reading
	// sent is what was heard on the command topics, by who asked and what device.
	sent map[sentKey][]sentCommand
	// stored is the number up to which each hook says that it has stored.
	stored map[string]uint64
	// suffering are the plugs whose states are watched.
	suffering map[string]bool
	troubles  []string
}

type sentKey struct{ actor, device string }

type sentCommand struct {
	id               string
	issued, deadline time.Time
}

func newRecord() *record {
	return &record{
		sent: map[sentKey][]sentCommand{}, stored: map[string]uint64{}, suffering: map[string]bool{},
	}
}

func (r *record) say(s truth.Saying) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.sayings = append(r.sayings, s)
}

// said tells whether something of the kind was said since an instant.
func (r *record) said(since time.Time, is func(truth.Saying) bool) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range slices.Backward(r.sayings) {
		if s.Told.Before(since) {
			return false
		}
		if !s.Asked.Before(since) && is(s) {
			return true
		}
	}
	return false
}

func (r *record) command(commands ...truth.Command) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.commands = append(r.commands, commands...)
}

func (r *record) show(readings []wattline.Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.shown = append(r.shown, readings...)
}

func (r *record) take(readings []wattline.Reading) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.taken = append(r.taken, readings...)
}

func (r *record) lastTaken() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.taken) == 0 {
		return 0
	}
	return r.taken[len(r.taken)-1].Seq
}

func (r *record) hearCommand(device string, e wattline.Envelope) {
	r.mu.Lock()
	defer r.mu.Unlock()
	key := sentKey{e.Actor, device}
	r.sent[key] = append(r.sent[key], sentCommand{e.ID, e.IssuedAt.Time, e.Deadline.Time})
}

func (r *record) hearStored(hook string, seq uint64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stored[hook] = max(r.stored[hook], seq)
}

func (r *record) storedBy(hook string) uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stored[hook]
}

func (r *record) suffers(plug string, yes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.suffering, plug)
	if yes {
		r.suffering[plug] = true
	}
}

func (r *record) sufferers() (plugs []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for plug := range r.suffering {
		plugs = append(plugs, plug)
	}
	return plugs
}

// trouble is something that should not have happened, besides what is judged.
func (r *record) trouble(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.troubles = append(r.troubles, text)
}

// fill puts the record into a ledger. A command that was heard on its topic has the
// deadline that it had there.
func (r *record) fill(l *truth.Ledger) {
	r.mu.Lock()
	defer r.mu.Unlock()
	l.Taken, l.Shown, l.Sayings, l.Commands = r.taken, r.shown, r.sayings, r.commands
	for i, c := range l.Commands {
		// A later connection may have had the same port, and so the same name.
		for _, sent := range r.sent[sentKey{c.Client, c.Device}] {
			if sent.id == c.ID || c.ID == "" && !sent.issued.Before(c.Asked.Truncate(time.Millisecond)) && !sent.issued.After(c.Told) {
				l.Commands[i].ID, l.Commands[i].Deadline = sent.id, sent.deadline
			}
		}
	}
}
