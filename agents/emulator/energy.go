package emulator

import "github.com/wattline/wattline"

// Energy in microjoules: one milliwatt for one millisecond. An int64 holds 79
// years at the 3.7 kW of a plug.
type Energy int64

// Energies of a thousandth of a watt-hour and of a watt-hour.
const (
	MilliwattHour Energy = 3_600_000
	WattHour      Energy = 3_600_000_000
)

// WholeWh is the energy in watt-hours, cut to whole ones as the plugs' meters do.
func (e Energy) WholeWh() int64 { return int64(e / WattHour) }

// MilliWh is the energy in watt-hours, cut to whole thousandths.
func (e Energy) MilliWh() wattline.Milli { return wattline.Milli(e / MilliwattHour) }

// energyOf adds up what a load takes over [from, to), in milliseconds since the
// Unix epoch.
func energyOf(load Load, from, to int64) Energy {
	var sum Energy
	for at := from; at < to; {
		demand := load.At(at)
		end := min(max(demand.Until, at+1), to)
		sum += Energy(demand.PowerMW * (end - at))
		at = end
	}
	return sum
}
