package emulator_test

import (
	"fmt"
	"runtime"
	"testing"
	"time"

	"github.com/wattline/wattline/agents/emulator"
)

// What a plug costs the process per poll, without the network.
func BenchmarkAnswer(b *testing.B) {
	for _, model := range emulator.Models() {
		b.Run(string(model), func(b *testing.B) {
			clock := clockAt(monday(9))
			plug := newPlug(b, emulator.Spec{Model: model, Profile: emulator.Workstation}, emulator.Options{Now: clock.Now})
			b.ReportAllocs()
			for b.Loop() {
				clock.Forward(5 * time.Second)
				if _, ok := plug.Answer([]byte(both)); !ok {
					b.Fatal("no answer")
				}
			}
		})
	}
}

// What a poll costs both ends together.
func BenchmarkExchange(b *testing.B) {
	for _, model := range []emulator.Model{emulator.HS110HW1, emulator.HS110HW4} {
		b.Run(string(model), func(b *testing.B) {
			plug := startPlug(b, emulator.Spec{Model: model, Profile: emulator.Workstation}, emulator.Options{})
			b.ReportAllocs()
			conn := dial(b, plug)
			for b.Loop() {
				if _, err := exchange(conn, both); err != nil {
					b.Fatal(err)
				}
				if model == emulator.HS110HW1 {
					_ = conn.Close()
					conn = dial(b, plug)
				}
			}
		})
	}
}

// How much memory a listening plug holds.
func BenchmarkMemory(b *testing.B) {
	for _, plugs := range []int{1_000} {
		b.Run(fmt.Sprint(plugs), func(b *testing.B) {
			for b.Loop() {
				var before, after runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&before)
				office := startOffice(b, emulator.OfficeOptions{Plugs: plugs})
				for _, p := range office.Plugs() {
					if _, err := once(b, p, both); err != nil {
						b.Fatal(err)
					}
				}
				runtime.GC()
				runtime.ReadMemStats(&after)
				b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/float64(plugs), "B/plug")
			}
		})
	}
}
