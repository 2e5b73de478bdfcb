package emulator

import (
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"time"
)

// Plug is one emulated plug. Make it with NewPlug; Listen, then Run. All methods
// may be called concurrently. Methods that take an outlet count from 0 and panic
// on one that is not there; everything but a strip has outlet 0 alone.
type Plug struct {
	spec   Spec
	opts   Options
	traits traits
	self   identity
	clock  *clock
	dice   dice
	log    *slog.Logger
	turn   chan struct{} // held by who is being served
	// onSwitch hears of every relay moved; it must not block. Nil for none.
	onSwitch func()

	mu        sync.Mutex
	at        int64 // everything below is as of this emulated millisecond
	outlets   []outlet
	cal       calendar
	alias     string
	ledOff    int
	latitude  int64 // degrees × 10000
	longitude int64
	tzIndex   int64
	rebootAt  int64 // 0: none asked for
	darkUntil int64 // 0: not away
	unpowered bool  // away for want of mains
	noNTP     bool  // nobody tells it the time when it starts
	number    int   // of the unit that stands here
	hired     int   // how many units there have been besides the first
	removed   unit  // the one before
	fault     Fault
	faultEnds int64         // 0: until cleared
	rng       *rand.Rand    // of faults
	changed   chan struct{} // closed when fault or reach change
	asked     []byte        // the latest request and what it says
	request   request
	stats     Stats
	answers   answerLog
	door      *door // of the goroutine in Run, once it runs
	listener  *net.TCPListener
	datagrams net.PacketConn
	client    net.Conn // being served
	bound     string
	scratch   scratch
}

// Stats counts what a plug did since it was made.
type Stats struct {
	Connections int64 `json:"connections"`
	Requests    int64 `json:"requests"`  // understood
	Answers     int64 `json:"answers"`   // sent in full and unharmed
	Datagrams   int64 `json:"datagrams"` // answered over UDP
	Unanswered  int64 `json:"unanswered"`
	Faults      int64 `json:"faults"` // struck
}

// Reading is what a plug answered to one get_realtime.
type Reading struct {
	At        time.Time
	Outlet    int
	PowerMW   int64
	VoltageMV int64
	CurrentMA int64
	TotalWh   int64
}

// NewPlug makes a plug that is on from now on, or since Options.History.
func NewPlug(spec Spec, opts Options) (*Plug, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, err
	}
	return newPlug(spec, opts, newClock(opts.Now, opts.Speed))
}

func newPlug(spec Spec, opts Options, clock *clock) (*Plug, error) {
	spec = spec.withDefaults()
	if err := spec.check(); err != nil {
		return nil, err
	}
	outlets, err := spec.outlets(opts.Zone)
	if err != nil {
		return nil, err
	}
	zone := spec.Zone
	if zone == nil {
		zone = opts.Zone
	}
	born := clock.ms() - opts.History.Milliseconds()
	for i := range outlets {
		outlets[i].onSince, outlets[i].known = born, born
		outlets[i].feed(born, outlets[i].relay)
	}
	return &Plug{
		spec: spec, opts: opts, traits: spec.Model.traits(), self: newIdentity(spec, 0), clock: clock,
		dice: dice{spec.Seed, opts.Zone}, log: opts.Log.With("plug", spec.ID),
		turn: make(chan struct{}, 1), changed: make(chan struct{}),
		at: born, outlets: outlets, alias: spec.Alias, tzIndex: zoneIndex(zone),
		cal:     calendar{zone: zone, bootMS: born},
		rng:     rand.New(rand.NewPCG(spec.Seed, mix(spec.Seed, saltTrait, 0))),
		answers: answerLog{keep: opts.KeepAnswers},
	}, nil
}

// ID is the plug's name in the office.
func (p *Plug) ID() string { return p.spec.ID }

// Model is the hardware it pretends to be.
func (p *Plug) Model() Model { return p.spec.Model }

// DeviceID is the 40 digits by which the plug identifies itself.
func (p *Plug) DeviceID() string { return p.identity().deviceID }

// ChildID is the id by which a strip's outlet is addressed.
func (p *Plug) ChildID(outlet int) string { return p.identity().childID(outlet) }

func (p *Plug) identity() identity {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.self
}

// Outlets is 6 for a strip and 1 for everything else.
func (p *Plug) Outlets() int { return len(p.outlets) }

// TrueEnergy is what went through an outlet since the plug was made (with
// Options.History before, and what a state file carried over).
func (p *Plug) TrueEnergy(outlet int) Energy {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.outlets[outlet].truth
}

// TrueEnergyBetween is what went through an outlet in [from, to), both cut to
// the millisecond. It is ErrSpan for a span that ends in the future or begins
// before what is remembered: the making of the plug, the restart of its process,
// or the 1,024th last switching.
func (p *Plug) TrueEnergyBetween(outlet int, from, to time.Time) (Energy, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.outlets[outlet].between(from.UnixMilli(), to.UnixMilli(), p.at)
}

// MeterWh is the counter as the plug shows it.
func (p *Plug) MeterWh(outlet int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.outlets[outlet].meter.WholeWh()
}

// PowerMW is what an outlet's load takes now; 0 with the relay open.
func (p *Plug) PowerMW(outlet int) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.measure(outlet).PowerMW
}

// Relay is whether an outlet is switched on.
func (p *Plug) Relay(outlet int) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return p.outlets[outlet].relay
}

// RelayHistory is every change of an outlet's relay, oldest first, at most the
// last 1,024.
func (p *Plug) RelayHistory(outlet int) []RelayChange {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	return slices.Clone(p.outlets[outlet].changes)
}

// PressButton toggles an outlet's relay as a hand would; without mains it
// does nothing.
func (p *Plug) PressButton(outlet int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	if o := &p.outlets[outlet]; !p.unpowered {
		p.switchRelay(outlet, !o.relay, ByButton)
	}
}

// switchRelay moves a relay at p.at. The caller holds p.mu.
func (p *Plug) switchRelay(outlet int, on bool, by Cause) {
	if p.outlets[outlet].set(on, p.at, !p.unpowered, by) && p.onSwitch != nil {
		p.onSwitch()
	}
}

// SetClock puts the plug's own clock ahead of the true time (behind, if
// negative), or takes NTP from it: then it counts from the year 2000 and keeps
// no statistics.
func (p *Plug) SetClock(ahead time.Duration, synced bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	p.cal.offset, p.cal.unsynced = ahead, !synced
}

// Stats counts what the plug did.
func (p *Plug) Stats() Stats {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.stats
}

// String is for logs.
func (p *Plug) String() string { return fmt.Sprintf("%s (%s)", p.spec.ID, p.spec.Model) }
