package bench_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/testserver"
)

const (
	ingested      = 600_000
	ingestDevices = 300
	// batchReadings is how many readings the hook writes at once when there are many.
	batchReadings = 5000
	// ahead bounds what is published and not stored yet, so that the broker's queue
	// and the hook's memory hold it and nothing has to be asked for again.
	ahead = 15_000
	// pollSeconds is how often each plug is read.
	pollSeconds = 10
)

// BenchmarkIngest measures what it costs to take readings from MQTT and have them
// confirmed by the store, against a bare loop that does nothing but hand the same
// readings to the same kind of store in batches of the same size.
//
// To the archive it is the CPU of the process. InfluxDB does the greater part of
// the work itself, so there it is the CPU of the writer and of the server.
func BenchmarkIngest(b *testing.B) {
	b.Run("archive", func(b *testing.B) {
		ours := ingest(b, ingestOptions{settings: "store: archive\n", devices: ingestDevices})
		floor := bareLoop(b, ingestDevices, "append", b.TempDir())
		ingestRow("MQTT to the archive, readings", ours, floor, "≥ 0.5 of the floor")
	})
	b.Run("influx", func(b *testing.B) {
		server := testserver.Influx(b)
		token := filepath.Join(b.TempDir(), "influx.token")
		if err := os.WriteFile(token, []byte(server.Token()), 0o600); err != nil {
			b.Fatal(err)
		}
		ours := ingest(b, ingestOptions{
			settings: fmt.Sprintf("store: influx\ninflux: {url: %q, org: %q, bucket: %q, token_file: %q}\n",
				server.URL(), server.Org(), server.Bucket(), token),
			server: server.PID(), devices: ingestDevices,
		})
		before := usageOf(b, server.PID()).cpu
		floor := bareLoop(b, ingestDevices, "lines", server.URL()+"/api/v2/write?precision=ms&org="+server.Org()+"&bucket="+server.NewBucket()+" "+server.Token())
		floor += usageOf(b, server.PID()).cpu - before
		ingestRow("MQTT to InfluxDB, readings", ours, floor, "≥ 0.6 of the floor")
	})
}

func ingestRow(what string, ours, floor time.Duration, limit string) {
	perSecond := func(cpu time.Duration) string { return fmt.Sprintf("%.0f per CPU-second", ingested/cpu.Seconds()) }
	results.row(what, perSecond(ours), perSecond(floor), fmt.Sprintf("%.2f", float64(floor)/float64(ours)), limit)
}

// numbered is the n-th reading of the stream: all devices in turn, every ten seconds.
func numbered(n, devices int) wattline.Reading {
	watts := wattline.Milli(45_000 + n*7919%30_000)
	energy := wattline.Milli(1_000_000 + n/devices*167)
	return wattline.Reading{
		Device: fmt.Sprintf("plug-%05d", n%devices), Time: wattline.At(ingestStart().Add(time.Duration(n/devices) * 10 * time.Second)),
		PowerW: watts, VoltageV: wattline.Milli(229_500 + n%1000), CurrentA: watts / 230, EnergyWh: energy,
		MeterWh: energy / 1000 * 1000, Relay: wattline.RelayOn, RSSIdBm: -61, CoversS: 10_000, Stream: "bench", Seq: uint64(n + 1),
	}
}

// ingestStart lets the newest reading lie near now.
func ingestStart() time.Time {
	const fewest = 100
	return time.Now().UTC().Truncate(time.Hour).Add(-(ingested/fewest + 1) * 10 * time.Second)
}

type ingestOptions struct {
	settings string // of the store
	server   int    // the process that is the store, if there is one
	devices  int
}

// ingest publishes the readings to a hook in a process of its own, and takes the
// CPU of that process, and of the server if there is one, until all are stored.
func ingest(b *testing.B, options ingestOptions) time.Duration {
	b.Helper()
	broker := testserver.Mosquitto(b, testserver.MosquittoOptions{Lines: []string{"max_queued_messages 0", "set_tcp_nodelay true"}})
	folder := b.TempDir()
	file := filepath.Join(folder, "wattline.yaml")
	text := "site: hq\ndata: " + folder + "\nbroker: " + broker.URL() + "\n" + options.settings
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		b.Fatal(err)
	}
	client := publisher(b, broker.Addr())
	stored, hooked := follow(b, client)
	command := exec.CommandContext(b.Context(), binary, "run", "hook", "history", "-c", file, "--log-level", "warn")
	running := testserver.Program(b, command)
	testserver.Eventually(b, readyWithin, func() error {
		if !hooked.Load() {
			return fmt.Errorf("no hook is there: %s", running.Output())
		}
		return nil
	})
	cpu := func() time.Duration {
		used := usageOf(b, command.Process.Pid).cpu
		if options.server != 0 {
			used += usageOf(b, options.server).cpu
		}
		return used
	}
	source := replayer{client: client, stored: stored, site: "hq", devices: options.devices, running: running}
	source.publish(b, 0, options.devices) // each device's first one makes its series
	before := cpu()
	source.publish(b, options.devices, options.devices+ingested)
	return cpu() - before
}

// replayer publishes what a collector of many devices would.
type replayer struct {
	client  mqtt.Client
	stored  *atomic.Uint64
	site    string
	devices int
	// singly publishes each reading by itself too.
	singly  bool
	running *testserver.RunningProgram
}

// publish returns when all readings from one number up to another are stored.
func (r replayer) publish(b *testing.B, from, to int) {
	b.Helper()
	together := r.devices / pollSeconds // what is read within a second
	for n := from; n < to; n += together {
		for uint64(n) > r.stored.Load()+ahead {
			<-time.After(5 * time.Millisecond)
		}
		end := min(n+together, to)
		for i := n; r.singly && i < end; i++ {
			r.publishOne(b, numbered(i, r.devices))
		}
		r.client.Publish("wattline/pack/"+r.site+"/bench", 0, false, packOf(b, n, end, r.devices))
	}
	testserver.Eventually(b, 2*time.Minute, func() error {
		if got := r.stored.Load(); got < uint64(to) {
			return fmt.Errorf("%d of %d readings are stored: %s", got, to, r.running.Output())
		}
		return nil
	})
}

func (r replayer) publishOne(b *testing.B, reading wattline.Reading) {
	b.Helper()
	payload, err := json.Marshal(reading)
	if err != nil {
		b.Fatal(err)
	}
	r.client.Publish("wattline/data/"+r.site+"/"+reading.Device, 1, true, payload).Wait()
}

// packOf is a pack of the readings from one number up to another.
func packOf(b *testing.B, from, to, devices int) []byte {
	b.Helper()
	readings := make([]wattline.Reading, 0, to-from)
	for n := from; n < to; n++ {
		readings = append(readings, numbered(n, devices))
	}
	payload, err := json.Marshal(wattline.Pack{From: readings[0].Seq, Packed: packed.Append(nil, readings)})
	if err != nil {
		b.Fatal(err)
	}
	return payload
}

func publisher(b *testing.B, addr string) mqtt.Client {
	b.Helper()
	options := mqtt.NewClientOptions().AddBroker("tcp://" + addr).SetClientID("bench-publisher").SetOrderMatters(false)
	client := mqtt.NewClient(options)
	if token := client.Connect(); token.Wait() && token.Error() != nil {
		b.Fatal(token.Error())
	}
	b.Cleanup(func() { client.Disconnect(0) })
	return client
}

// follow listens to how far the hook has got, and to its presence.
func follow(b *testing.B, client mqtt.Client) (stored *atomic.Uint64, hooked *atomic.Bool) {
	b.Helper()
	stored, hooked = &atomic.Uint64{}, &atomic.Bool{}
	heard := func(_ mqtt.Client, m mqtt.Message) {
		var said wattline.Stored
		if json.Unmarshal(m.Payload(), &said) == nil && said.Seq > 0 {
			stored.Store(said.Seq)
		}
		if strings.Contains(string(m.Payload()), `"hook"`) {
			hooked.Store(true)
		}
	}
	for _, topic := range []string{"wattline/stored/+/bench", "wattline/presence/+"} {
		if token := client.Subscribe(topic, 1, heard); token.Wait() && token.Error() != nil {
			b.Fatal(token.Error())
		}
	}
	return stored, hooked
}

// bareLoop runs one of the floors in a process of its own, which prints its CPU time.
func bareLoop(b *testing.B, devices int, kind, target string) time.Duration {
	b.Helper()
	self, err := os.Executable()
	if err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), self, "-helper", kind)
	command.Env = append(os.Environ(), "BENCH_TARGET="+target, fmt.Sprint("BENCH_DEVICES=", devices))
	command.Stderr = os.Stderr
	printed, err := command.Output()
	if err != nil {
		b.Fatalf("%s: %v: %s", kind, err, printed)
	}
	took, err := time.ParseDuration(strings.TrimSpace(string(printed)))
	if err != nil {
		b.Fatal(err)
	}
	return took
}
