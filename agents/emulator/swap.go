package emulator

import (
	"errors"
	"fmt"
)

// unit is what belongs to the hardware and not to the place where it stands: it
// leaves with a plug that is replaced and comes back with it.
type unit struct {
	number int // 0 is the one that the office was made with
	alias  string
	stats  []ledger
}

// errNotReplaced: there is none that could be put back.
var errNotReplaced = errors.New("it was not replaced, so there is none to put back")

// replace takes the plug out of its socket and puts another one there, never used
// before, at the same address. The load and its truth belong to the place.
func (p *Plug) replace(length int64) {
	p.removed = p.unit()
	p.hired++
	p.put(unit{number: p.hired, alias: p.spec.Alias, stats: make([]ledger, len(p.outlets))}, length)
}

// putBack undoes the last replacement: the plug that was there before has its own
// statistics, which know nothing of the time between.
func (p *Plug) putBack(length int64) error {
	if p.removed.stats == nil {
		return errNotReplaced
	}
	back := p.removed
	p.removed = p.unit()
	p.put(back, length)
	return nil
}

func (p *Plug) unit() unit {
	own := unit{number: p.number, alias: p.alias, stats: make([]ledger, len(p.outlets))}
	for i := range p.outlets {
		own.stats[i] = p.outlets[i].stats
	}
	return own
}

func (p *Plug) put(u unit, length int64) {
	p.number, p.alias = u.number, u.alias
	p.self = newIdentity(p.spec, u.number)
	for i := range p.outlets {
		p.outlets[i].stats = u.stats[i]
	}
	p.goDark(p.at+length, true)
}

// forget is what a factory reset does at once; the plug then restarts.
func (p *Plug) forget() {
	p.alias, p.ledOff, p.latitude, p.longitude = p.spec.Alias, 0, 0, 0
	for i := range p.outlets {
		p.outlets[i].stats = ledger{}
		p.outlets[i].rule = nil
	}
}

// SetNTP gives or takes from the plug the servers that tell it the time. Without,
// its clock goes on until it restarts, and then counts from the year 2000, and no
// statistics are kept, until there are servers again.
func (p *Plug) SetNTP(reachable bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.advance()
	p.noNTP = !reachable
	if reachable {
		p.cal.offset, p.cal.unsynced = 0, false
	}
}

// strikeNow does what a fault does at once and leaves behind nothing else. It is
// false for a fault that lasts.
func (p *Plug) strikeNow(f Fault) (bool, error) {
	length := max(1, f.For.Milliseconds())
	if f.For == 0 {
		length = defaultPowerCut.Milliseconds()
	}
	switch f.Kind {
	case PowerCut:
		p.goDark(p.at+length, true)
	case FactoryReset:
		p.forget()
		p.goDark(p.at+length, false)
	case Replaced:
		p.replace(length)
	case PutBack:
		if err := p.putBack(length); err != nil {
			return true, fmt.Errorf("plug %s: %w", p.spec.ID, err)
		}
	default:
		return false, nil
	}
	return true, nil
}
