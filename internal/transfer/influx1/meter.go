package influx1

import (
	"time"

	"github.com/wattline/wattline"
)

const (
	// maxGap is three polls of the older system: beyond, nobody was watching.
	maxGap = 15 * time.Second
	// maxPlausibleW is what a plug of 16 A can give.
	maxPlausibleW wattline.Milli = 4_000_000
)

// meter makes the readings of one device, fed with its rows in the order of time.
//
// The older system kept no counter. The energy is the power integrated, by the
// mean of two neighbours, as long as they are not more than maxGap apart; what was
// used in a gap is not known, and not in it.
type meter struct {
	device string
	relay  wattline.Relay // the last one known; empty before
	// firstRelay is the first one that will be known.
	firstRelay wattline.Relay

	last *wattline.Reading
	rest wattline.Milli // integrated and not a whole mWh yet, see integrate
}

// next takes a row; ok is false for one without a power, which makes no reading.
func (m *meter) next(r row) (reading wattline.Reading, ok bool) {
	if r.relay.Valid {
		m.relay = wattline.RelayOf(r.relay.V)
	}
	if !r.power.Valid {
		return reading, false
	}
	reading = wattline.Reading{Device: m.device, Time: wattline.AtMilli(r.at), PowerW: wattline.Milli(r.power.V)}
	reading.Relay = m.relayAt(reading.PowerW)
	if reading.PowerW < 0 || reading.PowerW > maxPlausibleW {
		reading.Quality |= wattline.QualityImplausible
	}
	if m.last != nil {
		m.follow(&reading)
	}
	m.last = &reading
	return reading, true
}

// follow counts on from the last reading.
func (m *meter) follow(reading *wattline.Reading) {
	reading.EnergyWh = m.last.EnergyWh
	elapsed := reading.Time.Sub(m.last.Time.Time)
	if elapsed > maxGap {
		reading.Quality |= wattline.QualityAfterGap
		m.rest = 0
		return
	}
	reading.CoversS = wattline.Milli(elapsed.Milliseconds())
	used := m.integrate(m.last.PowerW, reading.PowerW, elapsed)
	reading.EnergyWh += used
}

// integrate is the energy of a while in whole mWh; the rest, in mW by half a
// millisecond, waits for the next.
func (m *meter) integrate(before, after wattline.Milli, elapsed time.Duration) wattline.Milli {
	perMilliwattHour := 2 * wattline.Milli(time.Hour.Milliseconds())
	m.rest += (bounded(before) + bounded(after)) * wattline.Milli(elapsed.Milliseconds())
	used := m.rest / perMilliwattHour
	m.rest %= perMilliwattHour
	return used
}

func bounded(power wattline.Milli) wattline.Milli { return min(max(power, 0), maxPlausibleW) }

// relayAt is the last status, at or before the reading. Before any, power says that
// the relay was on, and without power it is taken to have stood as it does when it
// is first known; on, if it never is.
func (m *meter) relayAt(power wattline.Milli) wattline.Relay {
	switch {
	case m.relay != "":
		return m.relay
	case power > 0 || m.firstRelay == "":
		return wattline.RelayOn
	}
	return m.firstRelay
}
