package truth

import (
	"fmt"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

const promiseEnergy = "energy off by more than the meter's step"

// step is what a plug's counter does not tell: where in its watt-hour it stands.
const step wattline.Milli = 1000

// energy is what all devices used between their first and last readings.
type energy struct{ read, true wattline.Milli }

// checkEnergy holds each device's energy against what went through its plug. The
// counter's step leaves 1 Wh open at each end and at each power cut, and a cut
// takes with it what was used since the last reading.
func checkEnergy(l Ledger) (sum energy, broken []Violation) {
	ends := map[string][]wattline.Reading{}
	for _, r := range l.Taken {
		ends[r.Device] = append(ends[r.Device], r)
	}
	for _, device := range sortedKeys(ends) {
		readings := ends[device]
		first, last := readings[0], readings[len(readings)-1]
		read := last.EnergyWh - first.EnergyWh
		went, err := l.Energy(l.Plugs[device], first.Time.Time, last.Time.Time)
		allowed := 2 * step
		for _, f := range l.Faults {
			if err != nil || !l.cuts(f, device) || f.To.Before(first.Time.Time) || f.From.After(last.Time.Time) {
				continue
			}
			var gone wattline.Milli
			gone, err = l.Energy(l.Plugs[device], lastBefore(readings, f.From), f.From)
			allowed += step + gone
		}
		sum.read, sum.true = sum.read+read, sum.true+went
		if off := max(read-went, went-read); err != nil || off > allowed {
			broken = append(broken, Violation{
				promiseEnergy, device, last.Time.Time,
				fmt.Sprintf("the readings say %v Wh, %v Wh went through the plug, at most %v may differ (%v)", read, went, allowed, err),
			})
		}
	}
	return sum, broken
}

// cuts tells whether a fault takes the mains from a device's plug.
func (l Ledger) cuts(f Fault, device string) bool {
	return f.What == plan.Fault && f.Target == l.Plugs[device] && strings.HasPrefix(f.How, "power-cut")
}

func lastBefore(readings []wattline.Reading, at time.Time) time.Time {
	last := readings[0].Time.Time
	for _, r := range readings {
		if r.Time.Before(at) {
			last = r.Time.Time
		}
	}
	return last
}
