package influx

import (
	"testing"
	"time"

	"github.com/wattline/wattline"
)

func BenchmarkEncode(b *testing.B) {
	batch := make([]wattline.Reading, 1000)
	for i := range batch {
		batch[i] = wattline.Reading{
			Device: "desk-123", Time: wattline.At(time.Now()), PowerW: wattline.Milli(61_753 + i), VoltageV: 230_117, CurrentA: 268,
			EnergyWh: 16_323_456, MeterWh: 16_323_000, Relay: wattline.RelayOn, RSSIdBm: -61, CoversS: 5000, Stream: "c3v6qkfy7jmx5gmd4zq2hbtr5e", Seq: 7,
		}
	}
	b.ReportAllocs()
	s := &Store{}
	for b.Loop() {
		lines := s.takeLines(len(batch))
		lines.encode(batch, time.Now())
		s.lines.Put(lines)
	}
}
