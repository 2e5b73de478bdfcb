package bench_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
)

// What is listened to, by how many, and for how long.
const (
	livePlugs       = 300
	liveSubscribers = 1000
	liveSeconds     = 15
	liveReadings    = livePlugs * liveSeconds // each plug once a second
)

// BenchmarkLive has a thousand clients listen to three hundred plugs, whose readings
// come over MQTT: each client to all of them, and each to one. Everything shares the
// machine: the gateway, who publishes and the clients.
func BenchmarkLive(b *testing.B) {
	b.Run("all", func(b *testing.B) { live(b, "each to all", "type=reading", livePlugs) })
	b.Run("one", func(b *testing.B) { live(b, "each to one", "type=reading&device=desk-%d", 1) })
}

func live(b *testing.B, name, query string, plugs int) {
	devices := make([]wattline.Device, livePlugs)
	for i := range devices {
		devices[i] = wattline.Device{ID: fmt.Sprint("desk-", i), Kind: "workstation", Location: "hq/f1", Address: "192.0.2.1"}
	}
	s := up(b, systemOptions{
		devices: devices, poll: time.Minute, elsewhere: true,
		more: fmt.Sprintf("live: {connections: %d, connections_each: %d}\n", 2*liveSubscribers, 2*liveSubscribers),
	})
	clients := startListeners(b, s.url+"/api/v1/events?"+query)
	ctx, cancel := context.WithCancel(b.Context())
	late := lateness(ctx)
	before, theirs := usageOf(b, s.pid), usageOf(b, clients.command.Process.Pid)
	encoded := s.scraped(b, "wattline_live_events_total", `type="reading"`)
	began := time.Now()
	publish(b, s.broker, devices)
	<-time.After(time.Second) // what is still on its way
	length := time.Since(began)
	used, clientsUsed := usageOf(b, s.pid), usageOf(b, clients.command.Process.Pid)
	encoded = s.scraped(b, "wattline_live_events_total", `type="reading"`) - encoded
	cancel()
	floor, all := <-late, clients.stop(b)
	share := func(before, after usage) string {
		return fmt.Sprintf("%.0f %%", 100*(after.cpu-before.cpu).Seconds()/length.Seconds())
	}
	name = fmt.Sprintf("Live, %d clients, %s of %d plugs at 1 s: ", liveSubscribers, name, livePlugs)
	due := float64(liveReadings) * liveSubscribers * float64(plugs) / livePlugs
	results.row(name+"readings encoded, of those published", fmt.Sprintf("%.0f", encoded), fmt.Sprint(liveReadings), fmt.Sprintf("%.2f", encoded/liveReadings), "1.00")
	results.row(name+"readings received of those due", fmt.Sprintf("%.2f %%", 100*float64(all.count())/due), "–", "–", "100 %")
	results.row(name+"from publishing to the client, p50", fmt.Sprintf("%d ms", all.quantile(0.5)), "–", "–", "–")
	results.row(name+"from publishing to the client, p99", fmt.Sprintf("%d ms", all.quantile(0.99)), fmt.Sprintf("%d ms (a timer's lateness)", quantile(floor, 0.99).Milliseconds()), "–", "≤ 50 ms")
	results.row(name+"CPU of one core", share(before, used), share(theirs, clientsUsed)+" (the clients)", "–", "–")
	results.row(name+"resident", fmt.Sprintf("%d MB", used.resident>>20), "–", "–", "–")
}

// lateness is by how much a timer of the same process is late, until ctx ends: what
// the machine itself makes of any delay.
func lateness(ctx context.Context) <-chan []time.Duration {
	done := make(chan []time.Duration, 1)
	go func() {
		const tick = 5 * time.Millisecond
		var late []time.Duration
		for ctx.Err() == nil {
			began := time.Now()
			time.Sleep(tick)
			late = append(late, time.Since(began)-tick)
		}
		done <- late
	}()
	return done
}

// publish has each plug give a reading a second, spread evenly.
func publish(b *testing.B, broker string, devices []wattline.Device) {
	b.Helper()
	publisher, err := bus.New(bus.Options{Instance: "bench", Brokers: []string{broker}, Metrics: telemetry.New()})
	if err != nil {
		b.Fatal(err)
	}
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- publisher.Run(ctx) }()
	defer func() {
		cancel()
		if err := <-ended; err != nil {
			b.Log(err)
		}
	}()
	if err := publisher.WaitConnected(ctx); err != nil {
		b.Fatal(err)
	}
	ticker := time.NewTicker(time.Second / livePlugs)
	defer ticker.Stop()
	for n := 1; n <= liveReadings; n++ {
		<-ticker.C
		device := devices[n%len(devices)].ID
		now := time.Now()
		err := publisher.Publish(ctx, wattline.Topic{Kind: wattline.TopicData, Site: "elsewhere", Device: device}, wattline.Reading{
			Device: device, Time: wattline.At(now), PowerW: 61_753, VoltageV: 230_100, CurrentA: 271, EnergyWh: 16_323_000,
			MeterWh: 16_323_000, Relay: wattline.RelayOn, RSSIdBm: -60, CoversS: 1000, Stream: "bench", Seq: uint64(n),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (h *heard) count() (all int) {
	for _, count := range h {
		all += count
	}
	return all
}

func (h *heard) quantile(q float64) (ms int) {
	left := int(q * float64(h.count()))
	for ms, count := range h {
		if left -= count; left < 0 {
			return ms
		}
	}
	return len(h)
}
