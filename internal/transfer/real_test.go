package transfer_test

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/testserver"
	"github.com/wattline/wattline/internal/transfer"
)

// TestHistoryGoesFromStoreToStore takes readings, and quarter-hours whose readings
// are gone, through the real stores: each answers as all of the readings would.
func TestHistoryGoesFromStoreToStore(t *testing.T) {
	whole := storetest.NewMemory()
	for i := range 1500 {
		keep(t, whole, reading("a", monday().Add(time.Duration(i)*2*time.Minute), i))
	}
	keep(t, whole, reading("young", monday().Add(40*time.Hour), 1), reading("gone", monday().Add(time.Hour), 1))
	question := store.SummaryQuery{
		Devices: []string{"a", "gone", "young"}, From: monday(), To: monday().AddDate(0, 0, 3), Every: store.QuarterHour, Values: true,
	}
	want, err := whole.Summaries(t.Context(), question)
	if err != nil {
		t.Fatal(err)
	}
	server := testserver.Influx(t)
	kept := everything(t, whole)
	begin := monday().Add(30*time.Hour + 7*time.Minute)
	kept = slices.DeleteFunc(kept, func(r wattline.Reading) bool { return r.Time.Before(begin) })

	var source store.Store = storetest.Retired{Memory: whole, Before: begin}
	for _, c := range []struct {
		name   string
		target store.Store
	}{
		{"archive", openArchive(t)},
		{"InfluxDB", openInflux(t, server)},
		{"another archive", openArchive(t)},
	} {
		for _, again := range []string{"", " again"} {
			report, err := transfer.Run(t.Context(), transfer.Task{Source: source, Target: c.target})
			if err != nil || !report.OK() || report.Extra != 0 {
				t.Fatalf("to %s%s: %+v, %v", c.name, again, report, err)
			}
			got, err := c.target.Summaries(t.Context(), question)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("to %s%s (-readings +store):\n%.3000s", c.name, again, diff)
			}
			if diff := cmp.Diff(kept, everything(t, c.target)); diff != "" {
				t.Fatalf("readings of %s%s:\n%.3000s", c.name, again, diff)
			}
		}
		source = c.target
	}
}

func openArchive(t *testing.T) store.Store {
	t.Helper()
	opened, err := archive.Open(t.Context(), archive.Options{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := opened.Close(); err != nil {
			t.Error(err)
		}
	})
	return opened
}

// openInflux opens a store whose buckets are not there yet.
func openInflux(t *testing.T, server *testserver.InfluxServer) store.Store {
	t.Helper()
	opened, err := influx.New(influx.Options{URL: server.URL(), Org: server.Org(), Bucket: server.Bucket() + "-new", Token: server.Token()})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	return opened
}
