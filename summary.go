package wattline

// Point is an end of a summary: when its reading was taken, and where the
// energy counter stood.
type Point struct {
	Time     Time  `json:"time"`
	EnergyWh Milli `json:"energy_wh"`
	// CoversS is the reading's own: 0 says that a gap lies before it.
	CoversS Milli `json:"covers_s"`
}

// Summary is what is worth knowing of a device's readings over a span of time.
// The summaries of two neighbouring spans merge into that of both, so that
// quarter-hours make hours, days and months. The zero Summary is that of a span
// without readings.
type Summary struct {
	// Count is the number of readings.
	Count int64 `json:"count"`
	// CoveredS is the sum of the readings' covers_s: the time observed.
	CoveredS Milli `json:"covered_s"`
	// Gaps is the number of readings that cover nothing.
	Gaps int64 `json:"gaps"`
	// GapWh and GapS are the energy and the time between two readings of the
	// span of which the later covers nothing: used while nobody was reading. FellWh
	// is by how much the counter fell in those in which it began anew, and nothing is
	// taken to have been used: Last.EnergyWh less First.EnergyWh, and FellWh, is what
	// was used. None is negative. The gap before First is not among them; merging with
	// the span before adds it.
	GapWh  Milli `json:"gap_wh"`
	FellWh Milli `json:"fell_wh"`
	GapS   Milli `json:"gap_s"`
	// First and Last are the ends; meaningless where Count is 0.
	First Point `json:"first"`
	Last  Point `json:"last"`
	// MinW and MaxW bound the power; meaningless where Count is 0.
	MinW Milli `json:"min_w"`
	MaxW Milli `json:"max_w"`
	// Values is what else the readings measured; zero where it was not asked for.
	Values Values `json:"values,omitzero"`
}

// Values is what the readings of a Summary measured besides energy; meaningless
// where its Count is 0.
type Values struct {
	// OnS is the observed time with the relay on: the covers_s of the readings
	// that found it so, added up.
	OnS     Milli `json:"on_s"`
	Power   Stats `json:"power"`
	Voltage Stats `json:"voltage"`
	Current Stats `json:"current"`
}

// Stats is one quantity over the readings of a Summary, in its own unit.
type Stats struct {
	Sum   Milli `json:"sum"`
	Min   Milli `json:"min"`
	Max   Milli `json:"max"`
	First Milli `json:"first"`
	Last  Milli `json:"last"`
}

func statsOf(value Milli) Stats { return Stats{value, value, value, value, value} }

func (s Stats) merge(later Stats) Stats {
	return Stats{Sum: s.Sum + later.Sum, Min: min(s.Min, later.Min), Max: max(s.Max, later.Max), First: s.First, Last: later.Last}
}

func (v Values) merge(later Values) Values {
	return Values{
		OnS: v.OnS + later.OnS, Power: v.Power.merge(later.Power),
		Voltage: v.Voltage.merge(later.Voltage), Current: v.Current.merge(later.Current),
	}
}

// Summarize is the summary of a single reading.
func Summarize(r Reading) Summary {
	end := Point{Time: r.Time, EnergyWh: r.EnergyWh, CoversS: r.CoversS}
	s := Summary{Count: 1, CoveredS: r.CoversS, First: end, Last: end, MinW: r.PowerW, MaxW: r.PowerW}
	s.Values = Values{Power: statsOf(r.PowerW), Voltage: statsOf(r.VoltageV), Current: statsOf(r.CurrentA)}
	if r.Relay == RelayOn {
		s.Values.OnS = r.CoversS
	}
	if r.CoversS == 0 {
		s.Gaps = 1
	}
	return s
}

// AddGap adds a gap between two readings of the span: what the counter rose in it,
// in Wh and below 0 if it fell, and how many seconds it took.
func (s *Summary) AddGap(roseWh, tookS Milli) {
	s.GapWh += max(0, roseWh)
	s.FellWh += max(0, -roseWh)
	s.GapS += tookS
}

// Merge is the summary of this span and a later one together.
func (s Summary) Merge(later Summary) Summary {
	switch {
	case later.Count == 0:
		return s
	case s.Count == 0:
		return later
	}
	merged := Summary{
		Count:    s.Count + later.Count,
		CoveredS: s.CoveredS + later.CoveredS,
		Gaps:     s.Gaps + later.Gaps,
		GapWh:    s.GapWh + later.GapWh,
		FellWh:   s.FellWh + later.FellWh,
		GapS:     s.GapS + later.GapS,
		First:    s.First,
		Last:     later.Last,
		MinW:     min(s.MinW, later.MinW),
		MaxW:     max(s.MaxW, later.MaxW),
		Values:   s.Values.merge(later.Values),
	}
	if later.First.CoversS == 0 {
		merged.AddGap(later.First.EnergyWh-s.Last.EnergyWh, Milli(later.First.Time.Sub(s.Last.Time.Time).Milliseconds()))
	}
	return merged
}
