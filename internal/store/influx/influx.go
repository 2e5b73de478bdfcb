// Package influx keeps readings in an InfluxDB 2. It is the only package that
// imports the InfluxDB client.
//
// A reading is one point of the measurement "reading" with the one tag "device",
// at the precision of milliseconds: identity is device and time, so that writing
// it again replaces it by itself. What else is known of a device, its kind or
// place, changes, and would make two points of one reading. The fields are
// power_w, voltage_v, current_a, energy_wh, meter_wh and covers_s (floats in
// their unit), relay (boolean, true is on), rssi_dbm and quality (integers), and
// gap (1) where covers_s is 0. Floats are rounded back to whole thousandths, so
// that no digit is lost.
//
// The quarter-hours of the readings are in a second bucket, without a retention.
// Several processes may write and seal at once: see records and Store.unseal.
//
// The client's queue and retries are not used: they lose data in an outage.
// Batches, retries and their order belong to the persisting hook.
package influx

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	influxdb "github.com/influxdata/influxdb-client-go/v2"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
	"github.com/wattline/wattline/internal/telemetry"
)

// precision is that of every timestamp, in the request's URL and in the lines.
const precision = time.Millisecond

const (
	defaultTimeout = 10 * time.Second
	maxIdle        = 8
	idleTimeout    = 90 * time.Second
	writeBuffer    = 256 << 10 // more than a batch takes: one call to the system sends it
)

// Options make a Store.
type Options struct {
	// URL is the server's, without a user; Token is the secret.
	URL, Org, Bucket, Token string
	// Quarters is the bucket of the quarter-hours: Bucket + "-quarters" if empty.
	Quarters string
	// Retention is that of Bucket if the store has to make it; 0 keeps all.
	Retention time.Duration
	// Timeout bounds each request; 10 s, less than a gateway waits.
	Timeout time.Duration
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Store is a store.Store on a bucket. It is safe for concurrent use.
type Store struct {
	options  Options
	client   influxdb.Client
	http     *http.Client
	requests *telemetry.CounterVec
	maker    maker
	clock    clock
	late     lateBook
	lines    sync.Pool // of *lines

	sealing   *quarters.Keeper
	answering *quarters.Keeper
}

var _ store.Store = (*Store)(nil)

// New makes a store. It does not connect: a server that is down now may be up
// later; Ping tells.
func New(options Options) (*Store, error) {
	if options.Org == "" || options.Bucket == "" || options.Token == "" {
		return nil, errors.New("influx needs an organisation, a bucket and a token")
	}
	if at, err := url.Parse(options.URL); err != nil || at.Host == "" || at.User != nil {
		return nil, errors.New("influx needs a URL such as http://127.0.0.1:8086, without a user")
	}
	if options.Timeout == 0 {
		options.Timeout = defaultTimeout
	}
	options.Quarters = cmp.Or(options.Quarters, options.Bucket+"-quarters")
	if options.Quarters == options.Bucket {
		return nil, errors.New("influx needs two buckets: the quarter-hours stay when the readings' retention has passed")
	}
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	s := &Store{
		options: options, maker: maker{failed: map[string]failedMake{}},
		requests: options.Metrics.CounterVec("wattline_influx_requests_total", "Requests to InfluxDB, by kind and result.", "kind", "result"),
	}
	// Each request has a context that bounds it.
	s.http = &http.Client{Transport: guard{clock: &s.clock, next: &http.Transport{
		Proxy: http.ProxyFromEnvironment, MaxIdleConnsPerHost: maxIdle, IdleConnTimeout: idleTimeout,
		WriteBufferSize: writeBuffer,
		// Within a building the time to compress is longer than what it saves.
		DisableCompression: strings.HasPrefix(options.URL, "http:"),
	}}}
	settings := influxdb.DefaultOptions().SetPrecision(precision).SetHTTPClient(s.http).
		SetApplicationName("wattline").SetLogLevel(0)
	s.client = influxdb.NewClientWithOptions(options.URL, options.Token, settings)
	s.sealing = s.keeper(&records{Store: s, marks: map[deviceDay]string{}})
	s.answering = s.keeper(&records{Store: s})
	return s, nil
}

// Ping writes nothing to the bucket, which shows that the server is up, the
// bucket is there and the token may write to it.
func (s *Store) Ping(ctx context.Context) error {
	if err := s.sendTo(ctx, s.options.Bucket, nil); err != nil {
		return s.classify(err)
	}
	return nil
}

// Close lets go of the connections.
func (s *Store) Close() error {
	s.client.Close()
	s.http.CloseIdleConnections()
	return nil
}

func (s *Store) count(kind string, err error) {
	result := "ok"
	if err != nil {
		result = "failed"
	}
	s.requests.WithLabelValues(kind, result).Inc()
}

// String names the store without its token.
func (s *Store) String() string {
	return fmt.Sprintf("InfluxDB at %s, bucket %s", s.options.URL, s.options.Bucket)
}
