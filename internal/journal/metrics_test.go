package journal_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/telemetry"
)

// scrape is the value of a metric with its labels, as Prometheus gets it; false
// where there is none.
func scrape(t *testing.T, registry *telemetry.Registry, name string) (value float64, ok bool) {
	t.Helper()
	recorder := httptest.NewRecorder()
	registry.Handler().ServeHTTP(recorder, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/metrics", nil))
	for line := range strings.Lines(recorder.Body.String()) {
		if rest, found := strings.CutPrefix(line, name+" "); found {
			if _, err := fmt.Sscan(rest, &value); err != nil {
				t.Fatal(line, err)
			}
			return value, true
		}
	}
	return 0, false
}

func TestMetrics(t *testing.T) {
	const behind, seconds = `wattline_journal_hook_behind_readings{hook="influx"}`, `wattline_journal_hook_behind_seconds{hook="influx"}`
	begin := func(t *testing.T, options journal.Options) (*journal.Journal, func(name string, want float64)) {
		t.Helper()
		options.Metrics = telemetry.New()
		j := opened(t, options)
		return j, func(name string, want float64) {
			t.Helper()
			if got, ok := scrape(t, options.Metrics, name); !ok || got < want || got > want+2 {
				t.Errorf("%s is %v (%t), want %v", name, got, ok, want)
			}
		}
	}
	tick := func() { time.Sleep(2 * time.Second) }

	bubble(t, "say truly how far a hook is behind, while it is away and while nothing is read", func(t *testing.T) {
		j, want := begin(t, journal.Options{WaitFor: []string{"influx"}})
		appendMany(t, j, 1, 10)
		mustStore(t, j, "influx", 4)
		tick()
		want(behind, 6)
		want(seconds, 2)
		time.Sleep(time.Hour)
		want(behind, 6)
		want(seconds, 3602)
		mustStore(t, j, "influx", 10)
		tick()
		want(behind, 0)
		want(seconds, 0)
	})
	bubble(t, "go on growing while the disk is full", func(t *testing.T) {
		j, want := begin(t, journal.Options{WaitFor: []string{"influx"}, MaxAge: 10 * time.Second})
		appendMany(t, j, 1, 10)
		if _, err := j.Writer().ExecContext(t.Context(), "PRAGMA query_only = 1"); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		want(behind, 10)
		want(seconds, 60)
		if _, err := j.Writer().ExecContext(t.Context(), "PRAGMA query_only = 0"); err != nil {
			t.Fatal(err)
		}
	})
	bubble(t, "end with the hook that is forgotten, and with no other", func(t *testing.T) {
		metrics := telemetry.New()
		j := opened(t, journal.Options{Metrics: metrics})
		appendMany(t, j, 1, 10)
		mustStore(t, j, "influx", 4)
		mustStore(t, j, "archive", 4)
		tick()
		if err := j.Forget(t.Context(), "influx"); err != nil {
			t.Fatal(err)
		}
		tick()
		for _, name := range []string{behind, seconds} {
			if got, ok := scrape(t, metrics, name); ok {
				t.Errorf("%s is still %v", name, got)
			}
			other := strings.Replace(name, "influx", "archive", 1)
			if _, ok := scrape(t, metrics, other); !ok {
				t.Errorf("%s is gone", other)
			}
		}
		appendMany(t, j, 11, 20)
		mustStore(t, j, "influx", 12)
		tick()
		if got, ok := scrape(t, metrics, behind); !ok || got != 8 {
			t.Errorf("of a hook that came back: %v (%t)", got, ok)
		}
	})
	bubble(t, "count what a bound dropped as the status does", func(t *testing.T) {
		j, want := begin(t, journal.Options{WaitFor: []string{"influx"}, MaxAge: time.Minute})
		want(`wattline_journal_dropped_total{reason="age"}`, 0) // so that the first rise is seen
		appendMany(t, j, 1, 500)
		time.Sleep(2 * time.Minute)
		if status := j.Status(); status.Dropped != 500 || status.DroppedFrom != 1 || status.DroppedTo != 500 {
			t.Errorf("status %+v", status)
		}
		want(`wattline_journal_dropped_total{reason="age"}`, 500)
		want("wattline_journal_readings", 0)
	})
}
