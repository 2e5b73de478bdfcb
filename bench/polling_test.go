package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/kasa"
)

const pollRounds = 40

// BenchmarkPolling measures the plugs polled per second of CPU by the client
// against a bare loop over the same sockets: connect, one frame out, one frame
// in, decode, close. Every plug is met with a new connection, as at five seconds
// between two polls.
func BenchmarkPolling(b *testing.B) {
	devices := emulate(b, 100)
	client := kasa.NewClient(kasa.Options{IdleTimeout: -1})
	defer client.Close()
	var targets []kasa.Target
	for _, d := range devices {
		target, err := kasa.ParseAddress(d.Address)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := client.Read(b.Context(), target); err != nil {
			b.Fatal(err)
		}
		targets = append(targets, target)
	}
	var ours, floor time.Duration
	for range pollRounds {
		ours += cpuOf(func() {
			for _, target := range targets {
				if _, err := client.Read(b.Context(), target); err != nil {
					b.Fatal(err)
				}
			}
		})
		floor += cpuOf(func() {
			for _, d := range devices {
				barePoll(b, d.Address)
			}
		})
	}
	polls := float64(pollRounds * len(devices))
	perSecond := func(cpu time.Duration) string { return fmt.Sprintf("%.0f plugs per CPU-second", polls/cpu.Seconds()) }
	results.row("Polling, the client", perSecond(ours), perSecond(floor), ratio(ours, floor), "≤ 1.5")
}

func barePoll(b *testing.B, address string) {
	b.Helper()
	conn, err := (&net.Dialer{}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		b.Fatal(err)
	}
	defer conn.Close()
	frame := kasa.AppendFrame(nil, []byte(`{"system":{"get_sysinfo":{}},"emeter":{"get_realtime":{}}}`))
	if _, err := conn.Write(frame); err != nil {
		b.Fatal(err)
	}
	answer, err := kasa.ReadFrame(conn, kasa.MaxFrame)
	if err != nil {
		b.Fatal(err)
	}
	var decoded struct {
		System struct {
			Sysinfo struct {
				Relay *int `json:"relay_state"`
				RSSI  *int `json:"rssi"`
			} `json:"get_sysinfo"`
		} `json:"system"`
		Emeter struct {
			Realtime map[string]any `json:"get_realtime"`
		} `json:"emeter"`
	}
	if err := json.Unmarshal(answer, &decoded); err != nil {
		b.Fatal(err)
	}
}

// cpuOf is the CPU time, user and system, that this process takes for something.
func cpuOf(do func()) time.Duration {
	before := cpuTime()
	do()
	return cpuTime() - before
}

func cpuTime() time.Duration {
	var used syscall.Rusage
	_ = syscall.Getrusage(syscall.RUSAGE_SELF, &used)
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}
