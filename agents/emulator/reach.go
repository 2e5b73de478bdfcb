package emulator

import (
	"context"
	"time"
)

// reach is how a plug meets whoever tries to connect.
type reach int

const (
	reachable reach = iota
	refusing
	dark
)

func (r reach) String() string {
	switch r {
	case refusing:
		return "refusing"
	case dark:
		return "dark"
	}
	return "reachable"
}

// recheck is how often a state that ends by itself is looked at again. The end
// is in emulated time, of which no timer knows.
const recheck = 20 * time.Millisecond

// reachNow also tells whether it may change without anyone's doing. The caller
// holds p.mu.
func (p *Plug) reachNow() (state reach, mayChange bool) {
	p.advance()
	mayChange = p.rebootAt != 0 || p.darkUntil != 0 || p.faultEnds != 0
	switch {
	case p.darkUntil != 0 || p.fault.Kind == Offline:
		return dark, mayChange
	case p.fault.Kind == Refuse:
		return refusing, mayChange
	}
	return reachable, mayChange
}

// Reachable is whether the plug answers its door: it has no fault of reach and
// is neither booting nor without mains.
func (p *Plug) Reachable() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	state, _ := p.reachNow()
	return state == reachable
}

// wake makes everything that waits look again. The caller holds p.mu.
func (p *Plug) wake() {
	close(p.changed)
	p.changed = make(chan struct{})
	past := time.Unix(1, 0)
	if p.listener != nil {
		_ = p.listener.SetDeadline(past)
	}
	if p.client != nil {
		_ = p.client.SetReadDeadline(past)
	}
}

func (p *Plug) wakeUp() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.wake()
}

// pause waits while the plug is in a state, at most until it may have changed.
func (p *Plug) pause(ctx context.Context, while reach) {
	p.mu.Lock()
	state, mayChange := p.reachNow()
	changed := p.changed
	p.mu.Unlock()
	if state != while {
		return
	}
	var timeout <-chan time.Time
	if mayChange {
		timer := time.NewTimer(recheck)
		defer timer.Stop()
		timeout = timer.C
	}
	select {
	case <-ctx.Done():
	case <-changed:
	case <-timeout:
	}
}

// wait lasts for d, or until the plug's faults change or ctx ends; then it is
// false.
func (p *Plug) wait(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-changed:
		return false
	case <-timer.C:
		return true
	}
}
