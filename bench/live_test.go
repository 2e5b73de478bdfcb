package bench_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"sync/atomic"
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

// BenchmarkLive has a thousand clients listen to all readings of three hundred plugs,
// which come over MQTT. Everything shares the machine: the gateway, who publishes and
// the clients.
func BenchmarkLive(b *testing.B) {
	devices := make([]wattline.Device, livePlugs)
	for i := range devices {
		devices[i] = wattline.Device{ID: fmt.Sprint("desk-", i), Kind: "workstation", Location: "hq/f1", Address: "192.0.2.1"}
	}
	s := up(b, systemOptions{
		devices: devices, poll: time.Minute, elsewhere: true,
		more: fmt.Sprintf("live: {connections: %d, connections_each: %d}\n", 2*liveSubscribers, 2*liveSubscribers),
	})
	run := &liveRun{sent: make([]atomic.Int64, liveReadings+1)}
	ctx, cancel := context.WithCancel(b.Context())
	var clients sync.WaitGroup
	clients.Add(liveSubscribers)
	ready := make(chan error, liveSubscribers)
	for range liveSubscribers {
		go func() {
			defer clients.Done()
			run.listen(ctx, s.url+"/api/v1/events?type=reading", ready)
		}()
	}
	for range liveSubscribers {
		if err := <-ready; err != nil {
			b.Fatal(err)
		}
	}
	late := lateness(ctx)
	before, encoded := usageOf(b, s.pid), s.scraped(b, "wattline_live_events_total", `type="reading"`)
	began := time.Now()
	run.publish(b, s.broker, devices)
	<-time.After(time.Second) // what is still on its way
	used := usageOf(b, s.pid)
	encoded = s.scraped(b, "wattline_live_events_total", `type="reading"`) - encoded
	share := 100 * (used.cpu - before.cpu).Seconds() / time.Since(began).Seconds()
	cancel()
	clients.Wait()
	floor := <-late
	name := fmt.Sprintf("Live, %d clients of %d plugs at 1 s: ", liveSubscribers, livePlugs)
	received := 0
	for _, count := range run.delays {
		received += count
	}
	results.row(name+"readings encoded, of those published", fmt.Sprintf("%.0f", encoded), fmt.Sprint(liveReadings), fmt.Sprintf("%.2f", encoded/liveReadings), "1.00")
	results.row(name+"readings received of those due", fmt.Sprintf("%.2f %%", 100*float64(received)/(liveReadings*liveSubscribers)), "–", "–", "100 %")
	results.row(name+"from publishing to the client, p50", fmt.Sprintf("%d ms", run.quantile(0.5)), "–", "–", "–")
	results.row(name+"from publishing to the client, p99", fmt.Sprintf("%d ms", run.quantile(0.99)), fmt.Sprintf("%d ms (a timer's lateness)", quantile(floor, 0.99).Milliseconds()), "–", "≤ 50 ms")
	results.row(name+"CPU of one core", fmt.Sprintf("%.0f %%", share), "–", "–", "–")
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

// liveRun is when each reading was sent, by its number, and how many took so many
// milliseconds.
type liveRun struct {
	sent []atomic.Int64

	mu     sync.Mutex
	delays [2000]int
}

// listen counts how long readings took until ctx ends.
func (r *liveRun) listen(ctx context.Context, url string, ready chan<- error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		ready <- err
		return
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := http.DefaultTransport.RoundTrip(request)
	if err == nil && response.StatusCode != http.StatusOK {
		err = fmt.Errorf("a client is answered %s", response.Status)
	}
	ready <- err
	if err != nil {
		return
	}
	defer response.Body.Close()
	var delays [2000]int
	number := []byte(`"seq":`)
	for lines := bufio.NewScanner(response.Body); lines.Scan(); {
		_, after, found := bytes.Cut(lines.Bytes(), number)
		if !found {
			continue
		}
		seq, err := strconv.Atoi(string(bytes.TrimRight(after, "}")))
		if err != nil {
			continue
		}
		took := time.Now().UnixMilli() - r.sent[seq].Load()
		delays[min(max(took, 0), int64(len(delays)-1))]++
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for ms, count := range delays {
		r.delays[ms] += count
	}
}

// publish has each plug give a reading a second, spread evenly.
func (r *liveRun) publish(b *testing.B, broker string, devices []wattline.Device) {
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
		r.sent[n].Store(now.UnixMilli())
		err := publisher.Publish(ctx, wattline.Topic{Kind: wattline.TopicData, Site: "elsewhere", Device: device}, wattline.Reading{
			Device: device, Time: wattline.At(now), PowerW: 61_753, VoltageV: 230_100, CurrentA: 271, EnergyWh: 16_323_000,
			MeterWh: 16_323_000, Relay: wattline.RelayOn, RSSIdBm: -60, CoversS: 1000, Stream: "bench", Seq: uint64(n),
		})
		if err != nil {
			b.Fatal(err)
		}
	}
}

func (r *liveRun) quantile(q float64) (ms int) {
	all := 0
	for _, count := range r.delays {
		all += count
	}
	left := int(q * float64(all))
	for ms, count := range r.delays {
		if left -= count; left < 0 {
			return ms
		}
	}
	return len(r.delays)
}
