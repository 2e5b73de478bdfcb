package bench_test

import (
	"net/http"
	"testing"
	"time"
)

// BenchmarkState measures GET state from the shadow over HTTP against a bare gin
// handler that writes an object of the same size. They take turns.
func BenchmarkState(b *testing.B) {
	devices := emulate(b, 1)
	s := up(b, systemOptions{devices: devices, poll: time.Minute})
	floorGin := startGin(b)
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var state, bare []time.Duration
	for range 4000 {
		state = append(state, do(b, client, http.MethodGet, s.url+"/api/v1/devices/"+devices[0].ID+"/state", ""))
		bare = append(bare, do(b, client, http.MethodGet, floorGin+"/state", ""))
	}
	for name, q := range map[string]float64{"p50": 0.5, "p99": 0.99} {
		a, f := quantile(state, q), quantile(bare, q)
		results.row("GET state from the shadow, "+name, us(a), us(f), ratio(a, f), "≤ 1.5")
	}
}
