package testserver_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline/internal/testserver"
)

const line = "plug,device=desk-1 power_w=61.753 1767225600000000000"

func TestInflux(t *testing.T) {
	t.Parallel()

	t.Run("answers what was written to it, after a kill as well", func(t *testing.T) {
		t.Parallel()
		server := testserver.Influx(t)
		server.Write(server.Bucket(), line)
		wantReading(t, server, server.Bucket())
		server.Kill()
		server.Start()
		wantReading(t, server, server.Bucket())
	})

	t.Run("knows calendar windows in a time zone", func(t *testing.T) {
		t.Parallel()
		server := testserver.Influx(t)
		rows := server.Query(`
			import "array"
			import "timezone"
			option location = timezone.location(name: "Europe/Madrid")
			array.from(rows: [{_time: 2026-03-29T12:00:00Z, _value: 1.0}])
				|> range(start: 2026-03-28T23:00:00Z, stop: 2026-03-29T22:00:00Z)
				|> window(every: 1d)
				|> keep(columns: ["_start", "_stop"])`)
		want := []map[string]string{{"_start": "2026-03-28T23:00:00Z", "_stop": "2026-03-29T22:00:00Z"}}
		if diff := cmp.Diff(want, rows); diff != "" {
			t.Errorf("the day of 23 hours (-want +got):\n%s", diff)
		}
	})
}

func TestSharedInflux(t *testing.T) {
	t.Parallel()

	t.Run("is one server for all, with a bucket for each", func(t *testing.T) {
		t.Parallel()
		one, other := shared.For(t), shared.For(t)
		if one.URL() != other.URL() {
			t.Errorf("two servers: %s and %s", one.URL(), other.URL())
		}
		full, empty := one.NewBucket(), other.NewBucket()
		one.Write(full, line)
		wantReading(t, other, full)
		if rows := one.Query(fluxOf(empty)); len(rows) != 0 {
			t.Errorf("the other bucket has %v", rows)
		}
	})
}

func wantReading(t *testing.T, server *testserver.InfluxServer, bucket string) {
	t.Helper()
	want := []map[string]string{{"_time": "2026-01-01T00:00:00Z", "_value": "61.753", "device": "desk-1"}}
	if diff := cmp.Diff(want, server.Query(fluxOf(bucket))); diff != "" {
		t.Errorf("rows (-want +got):\n%s", diff)
	}
}

func fluxOf(bucket string) string {
	return fmt.Sprintf(`from(bucket: %q)
		|> range(start: 2026-01-01T00:00:00Z, stop: 2026-01-02T00:00:00Z)
		|> keep(columns: ["_time", "_value", "device"])`, bucket)
}
