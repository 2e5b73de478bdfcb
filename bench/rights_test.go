package bench_test

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"path/filepath"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/testserver"
)

// BenchmarkRights measures what it adds to a request to check its token and to decide
// about a device by a scope of several places, against a gateway that takes everybody
// for the same viewer of everything. They take turns.
func BenchmarkRights(b *testing.B) {
	device := wattline.Device{ID: "desk-1", Kind: "workstation", Location: "hq/f1/r101/desk-1", Address: "127.0.0.1:9"}
	s := up(b, systemOptions{devices: []wattline.Device{device}, poll: time.Hour, elsewhere: true})
	known, err := accounts.Open(b.Context(), accounts.Options{Path: accounts.Path(b.TempDir())})
	if err != nil {
		b.Fatal(err)
	}
	defer known.Close()
	var secret string
	for i := range 100 {
		scope, err := access.ParseScope("hq/f2,kind:printer,label:cost-centre:4100,hq/f1")
		if err != nil {
			b.Fatal(err)
		}
		wanted := accounts.NewToken{Name: fmt.Sprint("token-", i), Role: access.Viewer, Scope: scope}
		if _, secret, err = known.CreateToken(b.Context(), wanted); err != nil {
			b.Fatal(err)
		}
	}
	checking := startGateway(b, s.broker, known)
	trusting := startGateway(b, s.broker, everybody{})
	client := &http.Client{}
	defer client.CloseIdleConnections()
	var with, without []time.Duration
	for range 20_000 {
		with = append(with, getWith(b, client, checking+"/api/v1/devices/"+device.ID, secret))
		without = append(without, getWith(b, client, trusting+"/api/v1/devices/"+device.ID, secret))
	}
	p50, floor := quantile(with, 0.5), quantile(without, 0.5)
	added := float64((p50 - floor).Nanoseconds()) / 1000
	results.row("Token check and rights, added to GET of a device, p50", fmt.Sprintf("%.1f µs", added),
		us(floor)+" without", us(p50)+" with", "≤ 10 µs")
}

// everybody is the same viewer of everything, whatever the request brings.
type everybody struct{}

func (everybody) Identify(*http.Request) (access.Principal, error) {
	return access.Principal{Name: "token:everybody", Role: access.Viewer, Scope: access.Everything()}, nil
}

// startGateway runs a gateway in this process and returns when it knows the device.
func startGateway(b *testing.B, broker string, who api.Identities) (url string) {
	b.Helper()
	ctx, cancel := context.WithCancel(b.Context())
	silent := slog.New(slog.DiscardHandler)
	linked, err := bus.New(bus.Options{Instance: bus.NewID(), Brokers: []string{broker}, Log: silent, Metrics: telemetry.New()})
	if err != nil {
		b.Fatal(err)
	}
	kept, err := commandlog.Open(ctx, commandlog.Options{Path: filepath.Join(b.TempDir(), "commands.sqlite"), Log: silent, Metrics: telemetry.New()})
	if err != nil {
		b.Fatal(err)
	}
	gateway, err := api.New(api.Options{
		Bus: linked, Identities: who, Commands: kept, Listen: "127.0.0.1:0", Log: silent, Metrics: telemetry.New(),
		Limits: api.Limits{RequestsPerS: -1},
	})
	if err != nil {
		b.Fatal(err)
	}
	if err := gateway.Listen(); err != nil {
		b.Fatal(err)
	}
	ended := make(chan error, 2)
	go func() { ended <- linked.Run(ctx) }()
	go func() { ended <- gateway.Run(ctx) }()
	b.Cleanup(func() {
		cancel()
		for range cap(ended) {
			if err := <-ended; err != nil {
				b.Log(err)
			}
		}
		_ = kept.Close()
	})
	testserver.Eventually(b, readyWithin, func() error { return ready("http://" + gateway.Addr()) })
	return "http://" + gateway.Addr()
}

// ready tells whether a gateway knows what there is.
func ready(url string) error {
	response, err := get(url + "/-/ready")
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		text, _ := io.ReadAll(response.Body)
		return fmt.Errorf("%s: %s", response.Status, text)
	}
	return nil
}

func getWith(b *testing.B, client *http.Client, url, secret string) time.Duration {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+secret)
	began := time.Now()
	response, err := client.Do(request)
	if err != nil {
		b.Fatal(err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	took := time.Since(began)
	response.Body.Close()
	if err != nil || response.StatusCode != http.StatusOK {
		b.Fatal(url, response.Status, err)
	}
	return took
}
