package year_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/wattline/wattline/agents/emulator"
)

// event is something that happens to a site at an instant.
type event struct {
	at   time.Time
	what string
	do   func(*site)
	// seen has it wait until somebody reads the plug: what was used before a plug is
	// erased, or taken away, is known to nobody if it was not read.
	seen bool
}

func byTime(a, b event) int { return a.at.Compare(b.at) }

// happens are resets and outages at random moments.
type happens struct {
	from, to        time.Time
	resets, outages int
	longestOutage   time.Duration
	random          *rand.Rand
	events          []event
	within          int // resets within outages
}

// outage is a time in which nobody reads the plug.
type outage struct {
	from, to time.Time
	number   int
}

// handedOver: another collector goes on after it, with an empty journal.
func (o outage) handedOver() bool { return o.number%4 == 1 }

// schedule draws what happens, a fifth of the resets within outages. There a plug
// loses its power or restarts, and nothing else; and not even that where a collector
// goes on without a journal, which knows nothing of the day on which it began.
func (h *happens) schedule() []event {
	var outages []outage
	for len(outages) < h.outages {
		length := h.length(2*time.Minute, h.longestOutage)
		from := h.moment(h.from, h.to.Add(-length))
		next := outage{from, from.Add(length), len(outages) + 1}
		if !slices.ContainsFunc(outages, func(o outage) bool {
			return next.from.Before(o.to.Add(time.Hour)) && o.from.Before(next.to.Add(time.Hour))
		}) {
			outages = append(outages, next)
			h.addOutage(next)
		}
	}
	for n := 0; n < h.resets; {
		at := h.moment(h.from, h.to)
		if o := outages[h.random.IntN(len(outages))]; n%10 < 2 {
			at = h.moment(o.from, o.to)
		}
		reset := h.reset(n)
		meets := func(o outage) bool { return !at.Add(reset.lasts).Before(o.from.Add(-time.Minute)) && at.Before(o.to) }
		met := slices.IndexFunc(outages, meets)
		switch {
		case met < 0:
			h.events = append(h.events, event{at, reset.what, reset.do, !reset.survivable})
			if reset.after != nil {
				h.events = append(h.events, event{at.Add(reset.lasts), "and its end", reset.after, true})
			}
		case reset.survivable && !outages[met].handedOver() && at.After(outages[met].from):
			h.within++
			h.add(at, reset.what+", unseen", func(s *site) { unseen(s, reset.do) })
		default:
			continue
		}
		n++
	}
	slices.SortStableFunc(h.events, byTime)
	return h.events
}

func (h *happens) moment(from, to time.Time) time.Time {
	return from.Add(time.Duration(h.random.Int64N(int64(to.Sub(from))))).Truncate(time.Millisecond)
}

// length has as many short ones as long ones, by their logarithm.
func (h *happens) length(shortest, longest time.Duration) time.Duration {
	span := math.Log(float64(longest) / float64(shortest))
	return time.Duration(float64(shortest) * math.Exp(span*h.random.Float64())).Truncate(time.Millisecond)
}

func (h *happens) add(at time.Time, what string, do func(*site)) {
	h.events = append(h.events, event{at: at, what: what, do: do})
}

func (h *happens) addOutage(o outage) {
	length := o.to.Sub(o.from)
	switch {
	case o.number%4 == 0:
		h.add(o.from, fmt.Sprintf("the plug cannot be reached for %v", length), func(s *site) {
			s.strike(emulator.Fault{Kind: emulator.Offline})
		})
		h.add(o.to, "the plug can be reached", func(s *site) { s.strike(emulator.Fault{}) })
	case o.handedOver():
		h.add(o.from, fmt.Sprintf("no collector for %v, then another one", length), func(s *site) { s.stop() })
		h.add(o.to, "another collector", func(s *site) { s.moveOn(); s.start() })
	default:
		h.add(o.from, fmt.Sprintf("no collector for %v", length), func(s *site) { s.stop() })
		h.add(o.to, "the collector is back", (*site).start)
	}
}

// reset is something that sets a counter back.
type reset struct {
	what string
	do   func(*site)
	// after is done when it has lasted so long.
	lasts time.Duration
	after func(*site)
	// survivable: the plug's statistics outlive it.
	survivable bool
}

// reset is the n-th: half of them are losses of power.
func (h *happens) reset(n int) reset {
	cut := h.length(2*time.Second, 8*time.Hour)
	fault := func(kind emulator.FaultKind, length time.Duration) func(*site) {
		return func(s *site) { s.strike(emulator.Fault{Kind: kind, For: length}) }
	}
	powerCut := fault(emulator.PowerCut, cut)
	switch n % 10 {
	case 5:
		return reset{what: "restart", do: func(s *site) { s.ask(`{"system":{"reboot":{"delay":1}}}`) }, survivable: true}
	case 6: // which hardware 1 does not show before it is asked for its days again
		return reset{what: "erased", do: func(s *site) { s.ask(`{"emeter":{"erase_emeter_stat":{}}}`) }, lasts: 24 * time.Hour}
	case 7:
		return reset{what: "factory reset", do: fault(emulator.FactoryReset, 30*time.Second)}
	case 8:
		swap := reset{what: "replaced", do: fault(emulator.Replaced, time.Minute)}
		if n%20 == 8 {
			swap.lasts, swap.after = 30*time.Hour, fault(emulator.PutBack, time.Minute)
		}
		return swap
	case 9:
		return reset{
			what: fmt.Sprintf("power cut for %v, and no time for 3 h", cut), do: func(s *site) { s.plug.SetNTP(false); powerCut(s) },
			lasts: cut + 3*time.Hour, after: func(s *site) { s.plug.SetNTP(true) },
		}
	}
	return reset{what: fmt.Sprintf("power cut for %v", cut), do: powerCut, survivable: true}
}

// unseen does something to a plug that may be out of reach, and stays so.
func unseen(s *site, do func(*site)) {
	fault := s.plug.Fault()
	do(s)
	if fault.Kind != emulator.NoFault {
		s.strike(fault)
	}
}
