package telemetry_test

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/telemetry"
)

func TestAProcessWithoutAGatewayCanBeWatched(t *testing.T) {
	registry := telemetry.New()
	registry.Counter("wattline_test_total", "A test.").Inc()
	listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var broken error
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() {
		ended <- registry.Serve(ctx, telemetry.ServeOptions{
			Listener: listener, Log: slog.New(slog.DiscardHandler), Ready: func(context.Context) error { return broken },
		})
	}()
	client := &http.Client{Timeout: 10 * time.Second}
	want := func(path string, status int, part string) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+listener.Addr().String()+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		body, err := io.ReadAll(response.Body)
		if err != nil || response.StatusCode != status || !strings.Contains(string(body), part) {
			t.Errorf("%s: %s %.200q %v, want %d and %q", path, response.Status, body, err, status, part)
		}
	}
	want("/metrics", http.StatusOK, "wattline_test_total 1")
	want("/-/healthy", http.StatusOK, "ok")
	want("/-/ready", http.StatusOK, "ready")
	broken = errors.New("store: it is away")
	want("/-/ready", http.StatusServiceUnavailable, "store: it is away")
	want("/other", http.StatusNotFound, "")
	client.CloseIdleConnections()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}
