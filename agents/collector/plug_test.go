package collector

import (
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

var start = time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)

func measured(at time.Time, power, total wattline.Milli) kasa.Measurement {
	return kasa.Measurement{
		At: at, Info: &kasa.Info{HasMeter: true}, Relay: wattline.RelayOn, OnTime: 1000 * time.Hour,
		Meter: &kasa.Meter{PowerW: power, VoltageV: 230_000, CurrentA: 300, TotalWh: total},
	}
}

// socket is a plug with what goes through it, exactly: energies are in mW by half a
// millisecond, so that power that rises or falls evenly can be added up in whole
// numbers.
type socket struct {
	at      time.Time
	power   wattline.Milli
	truth   wattline.Milli
	counter wattline.Milli // since it last began
	closed  time.Time      // when its relay did
	mac     string
}

const halfMilliseconds = 2 * wattline.Milli(time.Hour/time.Millisecond)

// pass lets time go by, in which the power changes evenly to another.
func (s *socket) pass(length time.Duration, to wattline.Milli) {
	used := (s.power + to) * wattline.Milli(length.Milliseconds())
	s.truth, s.counter = s.truth+used, s.counter+used
	s.at, s.power = s.at.Add(length), to
}

// cut takes its mains for a time.
func (s *socket) cut(length time.Duration) {
	s.at = s.at.Add(length)
	s.closed, s.counter = s.at, 0
}

func (s *socket) erase() { s.counter = 0 }

func (s *socket) measure() kasa.Measurement {
	m := measured(s.at, s.power, s.counter/halfMilliseconds/meterStep*meterStep)
	m.OnTime = s.at.Sub(s.closed).Truncate(time.Second)
	m.Info = &kasa.Info{HasMeter: true, MAC: s.mac}
	return m
}

// used is what went through in truth, to the mWh.
func (s *socket) used() wattline.Milli { return s.truth / halfMilliseconds }

// watch reads a socket again and again, as a collector does.
type watch struct {
	*socket
	interval time.Duration
	last     *counted
	first    wattline.Milli // energy_wh less what was used
	flagged  wattline.Quality
}

func newWatch(s *socket, interval time.Duration) *watch { return &watch{socket: s, interval: interval} }

func (w *watch) read() counted {
	next := account(subject{device: "desk-1", interval: w.interval}, w.last, w.measure())
	if w.last == nil {
		w.first = next.EnergyWh - w.used()
	}
	w.last = &next
	w.flagged |= next.Quality
	return next
}

// off is by how much the energy counted is more than what was used.
func (w *watch) off() wattline.Milli { return w.last.EnergyWh - w.first - w.used() }
