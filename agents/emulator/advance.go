package emulator

import "math"

// The plug needs no timers to be right: whatever looks at it first brings it up
// to the present, passing through what fell due in between in its order.

// happening is something that falls due.
type happening int

const (
	nothingDue happening = iota
	countdownFires
	rebootBegins
	returns
)

// advance brings everything up to the present. The caller holds p.mu.
func (p *Plug) advance() { p.advanceTo(p.clock.ms()) }

func (p *Plug) advanceTo(now int64) {
	if p.faultEnds != 0 && p.faultEnds <= now {
		p.fault, p.faultEnds = Fault{}, 0
	}
	for {
		what, at, outlet := p.next(now)
		if what == nothingDue {
			break
		}
		p.integrate(at)
		p.happen(what, outlet)
	}
	p.integrate(now)
}

// next is the earliest that falls due up to now.
func (p *Plug) next(now int64) (what happening, at int64, outlet int) {
	at = math.MaxInt64
	consider := func(w happening, due int64, o int) {
		if due <= now && due < at {
			what, at, outlet = w, due, o
		}
	}
	if p.rebootAt != 0 {
		consider(rebootBegins, p.rebootAt, 0)
	}
	if p.darkUntil != 0 {
		consider(returns, p.darkUntil, 0)
	}
	for i := range p.outlets {
		if due, ok := p.outlets[i].rule.due(); ok {
			consider(countdownFires, due, i)
		}
	}
	return what, at, outlet
}

func (p *Plug) happen(what happening, outlet int) {
	switch what {
	case countdownFires:
		o := &p.outlets[outlet]
		o.rule.Enable = 0
		p.switchRelay(outlet, o.rule.Act == 1, ByCountdown)
	case rebootBegins:
		p.rebootAt = 0
		p.goDark(p.at+p.opts.RebootTime.Milliseconds(), false)
	case returns:
		p.darkUntil = 0
		p.restart()
	}
}

// integrate moves p.at on; time that goes back waits until it is met again.
func (p *Plug) integrate(to int64) {
	if to <= p.at {
		return
	}
	for i := range p.outlets {
		if o := &p.outlets[i]; o.fed() {
			o.integrate(p.at, to, p.cal)
		}
	}
	p.at = to
}

// goDark takes the plug off the network. Without mains the load stops too. The
// counters start from zero when it comes back: the meter keeps them in memory.
func (p *Plug) goDark(until int64, unpowered bool) {
	p.darkUntil = max(p.darkUntil, until)
	p.unpowered = p.unpowered || unpowered
	for i := range p.outlets {
		o := &p.outlets[i]
		o.rule = nil
		if unpowered {
			o.feed(p.at, false)
		}
	}
}

// restart is the plug booting: the relay is as it was, the counters are not.
// Statistics survive.
func (p *Plug) restart() {
	p.cal.bootMS = p.at
	p.cal.unsynced = p.cal.unsynced || p.noNTP
	for i := range p.outlets {
		o := &p.outlets[i]
		o.meter = 0
		o.onSince = p.at
		if p.unpowered {
			o.feed(p.at, o.relay)
		}
	}
	p.unpowered = false
}
