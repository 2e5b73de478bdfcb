package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	influxdb "github.com/influxdata/influxdb-client-go/v2"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

// BenchmarkInfluxSummaries asks for the hours of a month of all plugs, against the
// bare queries that it needs, whose records are counted and thrown away. The
// readings of the last hours come every ten seconds, those before every five
// minutes: what is kept of a sealed day takes the same room either way.
func BenchmarkInfluxSummaries(b *testing.B) {
	server := testserver.Influx(b)
	bucket := server.NewBucket()
	server.MakeBucket(bucket+"-quarters", 0)
	options := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token(), Timeout: time.Minute}
	question := fillInflux(b, server, options)

	proxy := testserver.NewHTTPProxy(b, server.URL())
	queries := &recorder{}
	proxy.Misbehave(queries.record)
	options.URL = proxy.URL()
	watched := openInflux(b, options)
	hoursOfAll(b, watched, question)
	_ = watched.Close()

	options.URL = server.URL()
	kept := openInflux(b, options)
	defer kept.Close()
	client := influxdb.NewClientWithOptions(server.URL(), server.Token(), influxdb.DefaultOptions())
	defer client.Close()
	floor := best(b, func() {
		for _, body := range queries.all() {
			drain(b, client, server.Org(), body)
		}
	})
	ours := best(b, func() { hoursOfAll(b, kept, question) })
	results.row("InfluxDB: hours of 300 plugs, 30 days, against its bare queries", ms(ours), ms(floor), ratio(ours, floor), "≤ 1.1")
}

func openInflux(b *testing.B, options influx.Options) *influx.Store {
	b.Helper()
	kept, err := influx.New(options)
	if err != nil {
		b.Fatal(err)
	}
	return kept
}

// fillInflux writes and seals a month, and returns the question.
func fillInflux(b *testing.B, server *testserver.InfluxServer, options influx.Options) store.SummaryQuery {
	b.Helper()
	const (
		coarse = 5 * time.Minute
		fine   = 3 * time.Hour
	)
	end := time.Now().UTC().Truncate(time.Minute)
	begin := end.Truncate(24*time.Hour).AddDate(0, 0, -historyDays)
	target := fmt.Sprintf("%s/api/v2/write?precision=ms&org=%s&bucket=%s", server.URL(), server.Org(), options.Bucket)
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var batch []wattline.Reading
	step := coarse
	for at := begin; at.Before(end); at = at.Add(step) {
		if end.Sub(at) < fine {
			step = historyPoll
		}
		for plug := range historyPlugs {
			one := plugged(plug, int(at.Sub(begin)/historyPoll), at)
			one.CoversS = wattline.Milli(step.Milliseconds())
			batch = append(batch, one)
		}
		if len(batch) >= 30*historyPlugs || !at.Add(step).Before(end) {
			if err := post(client, target, server.Token(), linesOf(batch)); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
	question := store.SummaryQuery{From: begin, To: end, Every: time.Hour}
	for plug := range historyPlugs {
		question.Devices = append(question.Devices, plugName(plug))
	}
	kept := openInflux(b, options)
	defer kept.Close()
	if _, err := kept.Rebuild(b.Context(), store.RebuildQuery{Devices: question.Devices, From: begin, To: end}); err != nil {
		b.Fatal(err)
	}
	noteBeginnings(b, server, kept, options.Bucket)
	return question
}

// noteBeginnings has the upkeep note where each device's readings begin.
func noteBeginnings(b *testing.B, server *testserver.InfluxServer, kept *influx.Store, bucket string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- kept.Upkeep(ctx) }()
	flux := `from(bucket: "` + bucket + `-quarters") |> range(start: 2000-01-01T00:00:00Z) |> filter(fn: (r) => r._measurement == "since")`
	const patience = 10 * time.Minute
	testserver.Eventually(b, patience, func() error {
		if noted := server.Query(flux); len(noted) < historyPlugs {
			return fmt.Errorf("%d devices of %d are gone through", len(noted), historyPlugs)
		}
		return nil
	})
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
}

func hoursOfAll(b *testing.B, kept *influx.Store, question store.SummaryQuery) {
	b.Helper()
	series, err := kept.Summaries(b.Context(), question)
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range series {
		if len(one.Spans) < (historyDays-1)*24 {
			b.Fatalf("%s has %d spans", one.Device, len(one.Spans))
		}
	}
}

// drain runs a query as a plain program would.
func drain(b *testing.B, client influxdb.Client, org, body string) {
	b.Helper()
	var question struct {
		Query string `json:"query"`
	}
	if err := json.Unmarshal([]byte(body), &question); err != nil {
		b.Fatal(err)
	}
	result, err := client.QueryAPI(org).Query(b.Context(), question.Query)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = result.Close() }()
	for result.Next() {
		_ = result.Record()
	}
	if result.Err() != nil {
		b.Fatal(result.Err())
	}
}

// recorder keeps the bodies of requests on their way.
type recorder struct {
	mu     sync.Mutex
	bodies []string
}

func (r *recorder) record(w http.ResponseWriter, request *http.Request, forward http.Handler) {
	text, err := io.ReadAll(request.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	request.Body = io.NopCloser(strings.NewReader(string(text)))
	r.mu.Lock()
	r.bodies = append(r.bodies, string(text))
	r.mu.Unlock()
	forward.ServeHTTP(w, request)
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies
}
