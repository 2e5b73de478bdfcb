package influx_test

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	influxdb "github.com/influxdata/influxdb-client-go/v2"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

const (
	benchPlugs = 300
	benchPoll  = 10 * time.Second
	benchDays  = 30
	batchSize  = 1000
)

// benchReading is the nth of a plug, with values that change as real ones do.
func benchReading(plug, n int, at time.Time, covers time.Duration) wattline.Reading {
	r := wattline.Reading{
		Device: fmt.Sprintf("desk-%03d", plug), Time: wattline.At(at), PowerW: wattline.Milli(61_000 + (n*7919+plug*31)%2_000),
		VoltageV: wattline.Milli(229_000 + (n*104_729)%3_000), CurrentA: wattline.Milli(260 + n%17),
		EnergyWh: wattline.Milli(1_000_000 + n*170), MeterWh: wattline.Milli((1_000_000 + n*170) / 1000 * 1000),
		Relay: wattline.RelayOn, RSSIdBm: -60 + n%5, CoversS: wattline.Milli(covers.Milliseconds()),
	}
	if n == 0 {
		r.CoversS = 0
	}
	return r
}

// cpu is what this process has used.
func cpu() time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		panic(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// BenchmarkWrite is what a reading costs this process, against a bare loop that
// posts the same lines.
func BenchmarkWrite(b *testing.B) {
	server := shared.For(b)
	bodies := &recorder{}
	proxy := testserver.NewHTTPProxy(b, server.URL())
	proxy.Misbehave(bodies.record)
	var batches [][]wattline.Reading
	begin := time.Now().Add(-time.Minute)
	for i := range 100 {
		batch := make([]wattline.Reading, batchSize)
		for j := range batch {
			n := i*batchSize + j
			batch[j] = benchReading(n%benchPlugs, n/benchPlugs, begin.Add(time.Duration(n)*time.Millisecond/2), benchPoll)
		}
		batches = append(batches, batch)
	}
	options := influx.Options{URL: proxy.URL(), Org: server.Org(), Bucket: server.NewBucket(), Token: server.Token()}
	watched := open(b, options)
	for _, batch := range batches {
		if err := watched.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	_ = watched.Close()

	options.URL, options.Bucket = server.URL(), server.NewBucket()
	s := open(b, options)
	defer s.Close()
	address := fmt.Sprintf("%s/api/v2/write?precision=ms&org=%s&bucket=%s", server.URL(), server.Org(), server.NewBucket())
	client := &http.Client{Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	var ours, bare time.Duration
	for b.Loop() {
		begun := cpu()
		for _, batch := range batches {
			if err := s.Write(b.Context(), batch); err != nil {
				b.Fatal(err)
			}
		}
		between := cpu()
		for _, body := range bodies.all() {
			post(b, client, address, server.Token(), body)
		}
		ours, bare = ours+between-begun, bare+cpu()-between
	}
	written := float64(b.N * len(batches) * batchSize)
	b.ReportMetric(written/ours.Seconds(), "readings/cpu-s")
	b.ReportMetric(written/bare.Seconds(), "bare-readings/cpu-s")
	b.ReportMetric(bare.Seconds()/ours.Seconds(), "of-bare")
}

func post(b *testing.B, client *http.Client, address, token, body string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodPost, address, strings.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Token "+token)
	answer, err := client.Do(request)
	if err != nil || answer.StatusCode != http.StatusNoContent {
		b.Fatal(answer, err)
	}
	_, _ = io.Copy(io.Discard, answer.Body)
	_ = answer.Body.Close()
}

// recorder keeps the bodies of requests on their way.
type recorder struct {
	mu     sync.Mutex
	bodies []string
}

func (r *recorder) record(w http.ResponseWriter, request *http.Request, forward http.Handler) {
	body := bodyOf(request)
	r.mu.Lock()
	r.bodies = append(r.bodies, body)
	r.mu.Unlock()
	forward.ServeHTTP(w, request)
}

func (r *recorder) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.bodies
}

// BenchmarkSummaries asks for the hours of a month of all plugs, against the bare
// queries that it needs, whose records are counted and thrown away. The readings of
// the last hours come every 10 s, those before every 5 min: what is kept of a
// sealed day takes the same room either way.
func BenchmarkSummaries(b *testing.B) {
	server := shared.For(b)
	bucket := server.NewBucket()
	server.MakeBucket(bucket+"-quarters", 0)
	options := influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token(), Timeout: time.Minute}
	question := fill(b, server, options)

	proxy := testserver.NewHTTPProxy(b, server.URL())
	asked := &recorder{}
	proxy.Misbehave(asked.record)
	options.URL = proxy.URL()
	watched := open(b, options)
	summarize(b, watched, question)
	_ = watched.Close()

	options.URL = server.URL()
	s := open(b, options)
	defer s.Close()
	client := influxdb.NewClientWithOptions(server.URL(), server.Token(), influxdb.DefaultOptions())
	defer client.Close()
	var ours, bare time.Duration
	for b.Loop() {
		begun := time.Now()
		for _, body := range asked.all() {
			drain(b, client, server.Org(), body)
		}
		between := time.Now()
		summarize(b, s, question)
		bare, ours = bare+between.Sub(begun), ours+time.Since(between)
	}
	b.ReportMetric(ours.Seconds()*1e3/float64(b.N), "ms/question")
	b.ReportMetric(bare.Seconds()*1e3/float64(b.N), "ms/bare-queries")
	b.ReportMetric(ours.Seconds()/bare.Seconds(), "of-bare")
	b.ReportMetric(float64(len(asked.all())), "queries")
}

// fill writes and seals a month, and returns the question.
func fill(b *testing.B, server *testserver.InfluxServer, options influx.Options) store.SummaryQuery {
	b.Helper()
	end := time.Now().Truncate(time.Minute)
	begin := end.Truncate(24*time.Hour).AddDate(0, 0, -benchDays)
	const coarse = 5 * time.Minute
	question := store.SummaryQuery{From: begin, To: end, Every: time.Hour}
	for plug := range benchPlugs {
		question.Devices = append(question.Devices, benchReading(plug, 0, end, 0).Device)
	}
	var lines []byte
	n := 0
	for at, step := begin, coarse; at.Before(end); at = at.Add(step) {
		if end.Sub(at) < 3*time.Hour {
			step = benchPoll
		}
		for plug := range benchPlugs {
			lines = append(influx.AppendLine(lines, benchReading(plug, n, at, step)), "000000\n"...) // nanoseconds
		}
		if n++; n%100 == 0 {
			server.Write(options.Bucket, string(lines))
			lines = lines[:0]
		}
	}
	server.Write(options.Bucket, string(lines))
	s := open(b, options)
	defer s.Close()
	if _, err := s.Rebuild(b.Context(), store.RebuildQuery{Devices: question.Devices, From: begin, To: end}); err != nil {
		b.Fatal(err)
	}
	// What is left is to note where the devices begin.
	ctx, cancel := context.WithCancel(b.Context())
	ended := make(chan error, 1)
	go func() { ended <- s.Upkeep(ctx) }()
	testserver.Eventually(b, 10*time.Minute, noted(server, options.Bucket, benchPlugs))
	cancel()
	if err := <-ended; err != nil {
		b.Fatal(err)
	}
	return question
}

func summarize(b *testing.B, s *influx.Store, question store.SummaryQuery) {
	b.Helper()
	series, err := s.Summaries(b.Context(), question)
	if err != nil {
		b.Fatal(err)
	}
	for _, one := range series {
		if len(one.Spans) < (benchDays-1)*24 {
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
	if err := json.NewDecoder(bytes.NewReader([]byte(body))).Decode(&question); err != nil {
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
