package bench_test

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/testserver"
)

const readyWithin = 60 * time.Second

// emulate runs an office of plugs in a process of its own.
func emulate(b *testing.B, plugs int) []wattline.Device {
	b.Helper()
	list := filepath.Join(b.TempDir(), "devices.json")
	program := exec.CommandContext(b.Context(), "sh", "-c", `exec "$0" emulator --plugs "$1" --json --log-level error > "$2"`,
		binary, strconv.Itoa(plugs), list)
	testserver.Program(b, program)
	var devices []wattline.Device
	testserver.Eventually(b, readyWithin, func() error {
		text, err := os.ReadFile(list)
		if err != nil {
			return err
		}
		return json.Unmarshal(text, &devices)
	})
	for i := range devices {
		devices[i].Protected = wattline.ProtectionNone
	}
	return devices
}

// system is a running wattline up.
type system struct {
	url    string
	broker string
	pid    int
	// running is its process.
	running *testserver.RunningProgram
}

type systemOptions struct {
	devices []wattline.Device
	poll    time.Duration
	// broker is an outside one; empty is the embedded one.
	broker string
	// folder is the data folder; empty is a new one.
	folder string
	// elsewhere has nobody poll the devices: they belong to another site.
	elsewhere bool
	// more is appended to the configuration.
	more string
}

// adminToken is put into the data folder, where the start makes it the admin's.
const adminToken = "wl_BENCHTESTTOKENOFNOVALUEQQQ"

// up runs everything in one process of its own and waits until all devices are up.
func up(b *testing.B, options systemOptions) system {
	b.Helper()
	folder := cmp.Or(options.folder, b.TempDir())
	listen := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(b))
	brokerAt := fmt.Sprintf("127.0.0.1:%d", testserver.FreePort(b))
	var text strings.Builder
	fmt.Fprintf(&text, "listen: %s\nsite: hq\ndata: %s\npoll: %v\n", listen, folder, options.poll)
	if options.broker == "" {
		fmt.Fprintf(&text, "broker_listen: %s\n", brokerAt)
		options.broker = "mqtt://" + brokerAt
	} else {
		fmt.Fprintf(&text, "broker: %s\n", options.broker)
	}
	text.WriteString("switch_on_per_s: 0\nlimits: {requests_per_s: 0}\n" + options.more + "devices:\n") // what is measured is not the pace
	site, wanted := "hq", "up"
	if options.elsewhere {
		site, wanted = "elsewhere", "unknown"
	}
	for _, d := range options.devices {
		fmt.Fprintf(&text, "  - {id: %q, kind: %q, location: %q, address: %q, site: %s}\n", d.ID, d.Kind, d.Location, d.Address, site)
	}
	if err := os.WriteFile(filepath.Join(folder, "admin.token"), []byte(adminToken), 0o600); err != nil {
		b.Fatal(err)
	}
	file := filepath.Join(folder, "wattline.yaml")
	if err := os.WriteFile(file, []byte(text.String()), 0o600); err != nil {
		b.Fatal(err)
	}
	command := exec.CommandContext(b.Context(), binary, "up", "-c", file, "--log-level", "warn")
	running := testserver.Program(b, command)
	s := system{url: "http://" + listen, broker: options.broker, pid: command.Process.Pid, running: running}
	testserver.Eventually(b, readyWithin, func() error {
		select {
		case <-running.Ended():
			b.Fatalf("wattline ended: %s", running.Output())
		default:
		}
		return s.all(wanted, len(options.devices))
	})
	return s
}

// all tells whether so many devices are in a state.
func (s system) all(state string, devices int) error {
	response, err := get(s.url + "/api/v1/devices?limit=1000&state=" + state)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	var page struct {
		Devices []json.RawMessage `json:"devices"`
	}
	if err := json.NewDecoder(response.Body).Decode(&page); err != nil {
		return err
	}
	if want := min(devices, 1000); len(page.Devices) < want {
		return fmt.Errorf("%d of %d devices are %s", len(page.Devices), want, state)
	}
	return nil
}

func get(url string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(context.Background(), http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	return (&http.Client{Timeout: readyWithin}).Do(request)
}

// do sends a request and takes how long the whole answer took.
func do(b *testing.B, client *http.Client, method, url, body string) time.Duration {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), method, url, bytes.NewReader([]byte(body)))
	if err != nil {
		b.Fatal(err)
	}
	if body != "" {
		request.Header.Set("Content-Type", "application/json")
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	answer, err := io.ReadAll(response.Body)
	took := time.Since(began)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatalf("%s %s: %s %s %v", method, url, response.Status, answer, err)
	}
	return took
}

// usage is what a process has taken so far.
type usage struct {
	cpu      time.Duration
	resident int64
}

// usageOf reads /proc (proc(5)); the clock there has 100 ticks a second.
func usageOf(b *testing.B, pid int) usage {
	b.Helper()
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(after)
	user, _ := strconv.ParseInt(fields[11], 10, 64)
	system, _ := strconv.ParseInt(fields[12], 10, 64)
	pages, _ := strconv.ParseInt(fields[21], 10, 64)
	return usage{cpu: time.Duration(user+system) * 10 * time.Millisecond, resident: pages * int64(os.Getpagesize())}
}

// scraped is the sum of a metric's samples that have the name, and the labels
// if any are given.
func (s system) scraped(b *testing.B, name, labels string) float64 {
	b.Helper()
	sum := 0.0
	for line := range strings.Lines(s.metrics(b)) {
		if !strings.HasPrefix(line, name+"{") && !strings.HasPrefix(line, name+" ") || !strings.Contains(line, labels) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(strings.TrimSpace(line), ' ')+1:len(strings.TrimRight(line, "\n"))], 64)
		if err != nil {
			b.Fatal(err)
		}
		sum += value
	}
	return sum
}

func (s system) metrics(b *testing.B) string {
	b.Helper()
	response, err := get(s.url + "/metrics")
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		b.Fatal(err)
	}
	return string(text)
}

// quantile sorts and picks.
func quantile(durations []time.Duration, q float64) time.Duration {
	slices.Sort(durations)
	return durations[min(int(q*float64(len(durations))), len(durations)-1)]
}

func ratio(a, b time.Duration) string { return fmt.Sprintf("%.2f", float64(a)/float64(b)) }
