package telemetry_test

import (
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/wattline/wattline/internal/telemetry"
)

func scrape(t *testing.T, registry *telemetry.Registry) string {
	t.Helper()
	recorder := httptest.NewRecorder()
	registry.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), "GET", "/metrics", nil))
	body, err := io.ReadAll(recorder.Result().Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestWhatIsCountedIsShown(t *testing.T) {
	registry := telemetry.New()
	registry.Counter("wattline_test_total", "A test.").Add(3)
	registry.CounterVec("wattline_test_by_total", "A test.", "reason").WithLabelValues("full").Inc()
	registry.GaugeFunc("wattline_test_now", "A test.", func() float64 { return 7 })
	registry.Histogram("wattline_test_seconds", "A test.", []float64{1, 2}).Observe(1.5)
	shown := scrape(t, registry)
	for _, line := range []string{
		"wattline_test_total 3", `wattline_test_by_total{reason="full"} 1`, "wattline_test_now 7",
		`wattline_test_seconds_bucket{le="2"} 1`, "go_goroutines",
	} {
		if !strings.Contains(shown, line) {
			t.Errorf("%q is not shown", line)
		}
	}
}

func TestTheSameNameIsTheSameInstrument(t *testing.T) {
	registry := telemetry.New()
	registry.Counter("wattline_test_total", "A test.").Inc()
	registry.Counter("wattline_test_total", "A test.").Inc()
	if shown := scrape(t, registry); !strings.Contains(shown, "wattline_test_total 2") {
		t.Error("two counters of one name do not add up")
	}
}

func TestANilRegistryCountsAndShowsNothing(t *testing.T) {
	var registry *telemetry.Registry
	registry.Counter("wattline_test_total", "A test.").Inc()
	registry.GaugeVec("wattline_test_now", "A test.", "a").WithLabelValues("b").Set(1)
	registry.GaugeFunc("wattline_test_fn", "A test.", func() float64 { return 1 })
	if shown := scrape(t, registry); strings.Contains(shown, "wattline_test") {
		t.Error("a nil registry shows something")
	}
}
