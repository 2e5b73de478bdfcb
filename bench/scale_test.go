package bench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
)

// replayed is how many readings are replayed at least, and rounds how many of each
// device.
const (
	replayed = 20_000
	rounds   = 2
)

// BenchmarkScale measures what a reading costs a process that is everything but the
// collector, the broker among it, as there are more and more plugs: the readings are
// replayed, as a collector publishes them. What polling costs is in BenchmarkOffice.
func BenchmarkScale(b *testing.B) {
	before := 0.0
	for _, devices := range []int{100, 1_000, 10_000} {
		micros := replay(b, devices)
		what := fmt.Sprintf("Replayed readings of %d plugs, everything but polling in one process: CPU of one", devices)
		if before == 0 {
			results.row(what, fmt.Sprintf("%.0f µs", micros), "–", "–", "–")
		} else {
			results.row(what, fmt.Sprintf("%.0f µs", micros), fmt.Sprintf("%.0f µs", before), fmt.Sprintf("%.2f", micros/before), "≤ 1.05 of a tenth as many")
		}
		before = micros
	}
}

// replay returns the microseconds of CPU that a reading takes.
func replay(b *testing.B, devices int) float64 {
	b.Helper()
	declared := make([]wattline.Device, devices)
	for i := range declared {
		declared[i] = wattline.Device{
			ID: numbered(i, devices).Device, Kind: "workstation", Location: fmt.Sprintf("office/r%d", i/10), Address: fmt.Sprintf("192.0.2.1:%d", i+1),
		}
	}
	s := up(b, systemOptions{devices: declared, poll: time.Hour, elsewhere: true})
	client := publisher(b, strings.TrimPrefix(s.broker, "mqtt://"))
	stored, _ := follow(b, client)
	source := replayer{client: client, stored: stored, site: "elsewhere", devices: devices, singly: true, running: s.running}
	source.publish(b, 0, devices) // the first of each device makes its series
	count := max(replayed, rounds*devices)
	before := usageOf(b, s.pid).cpu
	source.publish(b, devices, devices+count)
	return (usageOf(b, s.pid).cpu - before).Seconds() * 1e6 / float64(count)
}
