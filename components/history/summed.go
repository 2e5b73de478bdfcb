package history

import "github.com/wattline/wattline"

// summed is a cell made of the summaries of its devices.
type summed struct {
	operation wattline.Operation

	count int64
	// stats are the field's; first and last say whose its First and Last are.
	stats       wattline.Stats
	first, last valued
	// known: something is known of what was used, energy; observed is the part of
	// it that was, in watched of the windows.
	known, watched   bool
	energy, observed wattline.Milli
	// covered is the time that the readings speak for, on the part with the relay on.
	covered, on wattline.Milli
}

func (s *summed) add(device string, w *wattline.Summary, u use) {
	if u.known {
		s.known = true
		s.energy += u.energy
		s.observed += u.observed
		s.watched = s.watched || u.covered > 0
	}
	if w == nil {
		return
	}
	stats := statsOf(s.operation.Field, w)
	first := valued{stats.First, w.First.Time, device}
	last := valued{stats.Last, w.Last.Time, device}
	if s.count == 0 {
		s.first, s.last, s.stats = first, last, stats
	} else {
		s.stats.Sum += stats.Sum
		s.stats.Min, s.stats.Max = min(s.stats.Min, stats.Min), max(s.stats.Max, stats.Max)
		if first.at.Before(s.first.at.Time) || first.at.Equal(s.first.at.Time) && device < s.first.device {
			s.first = first
		}
		if last.at.After(s.last.at.Time) || last.at.Equal(s.last.at.Time) && device < s.last.device {
			s.last = last
		}
	}
	s.count += w.Count
	s.covered += w.CoveredS
	s.on += w.Values.OnS
}

// statsOf is what a summary says of a field; of energy only the ends.
func statsOf(field wattline.Field, w *wattline.Summary) wattline.Stats {
	switch field {
	case wattline.FieldPower:
		return w.Values.Power
	case wattline.FieldVoltage:
		return w.Values.Voltage
	case wattline.FieldCurrent:
		return w.Values.Current
	case wattline.FieldEnergy:
		return wattline.Stats{First: w.First.EnergyWh, Last: w.Last.EnergyWh}
	case wattline.FieldRelay: // has times alone
	}
	return wattline.Stats{}
}

func (s *summed) result(row *wattline.Aggregate) {
	row.Count = s.count
	switch s.operation.Op {
	case wattline.OpCount:
		row.Value = new(float64(s.count))
	case wattline.OpIntegral:
		row.Value = s.integral()
	case wattline.OpMean:
		row.Value = s.mean()
	case wattline.OpSpread:
		row.Value = s.spread()
	default:
		if s.count > 0 {
			row.Value = number(s.one())
		}
	}
}

// one is a result that is a value itself.
func (s *summed) one() wattline.Milli {
	switch s.operation.Op {
	case wattline.OpSum:
		return s.stats.Sum
	case wattline.OpMin:
		return s.stats.Min
	case wattline.OpMax:
		return s.stats.Max
	case wattline.OpFirst:
		return s.first.value
	}
	return s.last.value
}

// integral is in Wh, of the relay in hours.
func (s *summed) integral() *float64 {
	const secondsPerHour = 3600
	switch {
	case s.operation.Field == wattline.FieldRelay && s.covered > 0:
		return new(s.on.Float() / secondsPerHour)
	case s.operation.Field == wattline.FieldPower && s.watched:
		return number(s.observed)
	}
	return nil
}

func (s *summed) mean() *float64 {
	switch {
	case s.operation.Field == wattline.FieldRelay && s.covered > 0:
		return new(float64(s.on) / float64(s.covered))
	case s.operation.Field != wattline.FieldRelay && s.count > 0:
		return new(float64(s.stats.Sum) / float64(1000*s.count)) // one division is rounded once: 2.264, not 2.2640000000000002
	}
	return nil
}

func (s *summed) spread() *float64 {
	switch {
	case s.operation.Field == wattline.FieldEnergy && s.known:
		return number(s.energy)
	case s.operation.Field != wattline.FieldEnergy && s.count > 0:
		return number(s.stats.Max - s.stats.Min)
	}
	return nil
}
