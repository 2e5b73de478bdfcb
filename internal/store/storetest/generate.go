package storetest

import (
	"fmt"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// base is near where the generated readings lie: a weekend on which clocks
// change in Europe.
func base() time.Time { return time.Date(2026, 3, 28, 21, 0, 0, 0, time.UTC) }

const day = 24 * time.Hour

// poll is how often the generated devices are read.
const poll = 5 * time.Second

// History draws what a device measured: mostly poll by poll, with gaps from
// seconds to days, readings that never arrived, two collectors at once, meters
// that begin anew, and readings made of a plug's own day statistics.
func History(t *rapid.T, device string) []wattline.Reading {
	n := rapid.IntRange(0, 60).Draw(t, "readings of "+device)
	readings := make([]wattline.Reading, n)
	at := base().Add(time.Duration(rapid.Int64Range(0, 4*3_600_000).Draw(t, "begins")) * time.Millisecond)
	energy := rapid.Int64Range(0, 1<<40).Draw(t, "energy")
	for i := range readings {
		step, covers := nextStep(t)
		at = at.Add(step)
		energy += rapid.Int64Range(0, 1<<16).Draw(t, "used")
		if rapid.IntRange(0, 20).Draw(t, "begins anew") == 20 {
			energy = rapid.Int64Range(0, energy).Draw(t, "energy anew")
		}
		readings[i] = wattline.Reading{
			Device:   device,
			Time:     wattline.At(at),
			PowerW:   wattline.Milli(rapid.Int64Range(-1000, 4_000_000).Draw(t, "power")),
			VoltageV: wattline.Milli(rapid.Int64Range(0, 260_000).Draw(t, "voltage")),
			CurrentA: wattline.Milli(rapid.Int64Range(0, 16_000).Draw(t, "current")),
			EnergyWh: wattline.Milli(energy),
			MeterWh:  wattline.Milli(energy / 1000 * 1000),
			Relay:    rapid.SampledFrom([]wattline.Relay{wattline.RelayOn, wattline.RelayOff}).Draw(t, "relay"),
			RSSIdBm:  rapid.IntRange(-100, 0).Draw(t, "rssi"),
			CoversS:  wattline.Milli(covers.Milliseconds()),
			Quality:  wattline.Quality(rapid.IntRange(0, 15).Draw(t, "quality")),
		}
		if covers == 0 && rapid.Bool().Draw(t, "estimated") {
			at = at.Truncate(day).Add(day - time.Millisecond)
			readings[i].Time, readings[i].Quality = wattline.At(at), wattline.QualityEstimated
		}
	}
	return readings
}

// nextStep is how long after the reading before it one is taken, and how much of
// that it covers.
func nextStep(t *rapid.T) (step, covers time.Duration) {
	jitter := time.Duration(rapid.Int64Range(-400, 400).Draw(t, "jitter")) * time.Millisecond
	switch rapid.SampledFrom([]string{"poll", "poll", "poll", "poll", "gap", "lost", "slow", "doubled"}).Draw(t, "step") {
	case "gap":
		return time.Duration(rapid.Int64Range(15_000, 30*3_600_000).Draw(t, "gap")) * time.Millisecond, 0
	case "lost":
		return time.Duration(rapid.IntRange(2, 3000).Draw(t, "lost"))*poll + jitter, poll + jitter
	case "slow":
		long := time.Duration(rapid.Int64Range(1000, 3*3_600_000).Draw(t, "slow")) * time.Millisecond
		return long, long
	case "doubled":
		return 2*time.Second + jitter, poll
	}
	return poll + jitter, poll + jitter
}

// Batches deals readings out in the order in which they arrive: mostly that of
// time, some late, some more than once.
func Batches(t *rapid.T, readings []wattline.Reading) [][]wattline.Reading {
	var all [][]wattline.Reading
	arriving := readings
	if rapid.Bool().Draw(t, "out of order") {
		arriving = rapid.Permutation(readings).Draw(t, "order")
	}
	for len(arriving) > 0 {
		n := rapid.IntRange(1, len(arriving)).Draw(t, "batch")
		one := append([]wattline.Reading{}, arriving[:n]...)
		if again := rapid.IntRange(0, 3).Draw(t, "again"); again > 0 {
			for range again {
				one = append(one, rapid.SampledFrom(readings).Draw(t, "repeated"))
			}
		}
		all = append(all, one)
		arriving = arriving[n:]
	}
	return all
}

// instant draws one around the readings, often exactly that of a reading.
func instant(t *rapid.T, readings []wattline.Reading, label string) time.Time {
	if len(readings) > 0 && rapid.Bool().Draw(t, label+" at a reading") {
		return rapid.SampledFrom(readings).Draw(t, label).Time.Time
	}
	hours := rapid.Int64Range(-3, 60).Draw(t, label+" hour")
	if rapid.IntRange(0, 3).Draw(t, label+" far off") == 3 {
		hours *= 24
	}
	ms := rapid.SampledFrom([]int64{0, 0, 1, 899_999, 900_000, 1_234_567}).Draw(t, label+" ms")
	return base().Add(time.Duration(hours)*time.Hour + time.Duration(ms)*time.Millisecond)
}

func interval(t *rapid.T, readings []wattline.Reading) (from, to time.Time) {
	from, to = instant(t, readings, "from"), instant(t, readings, "to")
	if to.Before(from) {
		from, to = to, from
	}
	if from.Equal(to) {
		to = to.Add(time.Millisecond)
	}
	return from, to
}

func readingsQuestion(t *rapid.T, devices []string, readings []wattline.Reading) store.Query {
	query := store.Query{Devices: devices, Limit: rapid.IntRange(1, 100).Draw(t, "limit")}
	query.From, query.To = interval(t, readings)
	if rapid.Bool().Draw(t, "a later page") {
		query.After = store.Position{
			Device: rapid.SampledFrom(devices).Draw(t, "after"), Time: instant(t, readings, "after"),
		}
	}
	return query
}

// SummaryQuestion draws a question about devices, often at the very edges of
// their readings.
func SummaryQuestion(t *rapid.T, devices []string, readings []wattline.Reading) store.SummaryQuery {
	quarters := rapid.SampledFrom([]int{1, 2, 3, 4, 24, 32, 96, 7 * 96}).Draw(t, "quarters")
	query := store.SummaryQuery{
		Devices: devices, Every: time.Duration(quarters) * store.QuarterHour, Values: rapid.Bool().Draw(t, "values"),
	}
	query.From, query.To = interval(t, readings)
	return query
}

// deviceNames makes names that no other round of the test uses.
func deviceNames(t *rapid.T, round int64) []string {
	names := make([]string, rapid.IntRange(1, 3).Draw(t, "devices"))
	for i := range names {
		names[i] = fmt.Sprintf("r%d.plug_%c-1", round, 'a'+i)
	}
	return names
}
