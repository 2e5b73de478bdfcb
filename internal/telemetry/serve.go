package telemetry

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"
)

// The bounds of a connection, and of the answers under way at the end.
const (
	headerTimeout   = 5 * time.Second
	requestTimeout  = 10 * time.Second
	maxHeaderBytes  = 16 << 10
	shutdownTimeout = time.Second
)

// ServeOptions make a small HTTP server for Prometheus and for whoever watches
// over processes that have no gateway.
type ServeOptions struct {
	// Listener is where it serves; Serve closes it.
	Listener net.Listener
	// Ready says what is not in order.
	Ready func(ctx context.Context) error
	Log   *slog.Logger
}

// Serve answers /metrics, /-/healthy (200 while the process lives) and /-/ready
// (200, or 503 with what is not in order, as text) until the context ends.
func (r *Registry) Serve(ctx context.Context, options ServeOptions) error {
	mux := http.NewServeMux()
	mux.Handle("GET /metrics", r.Handler())
	mux.HandleFunc("GET /-/healthy", func(w http.ResponseWriter, _ *http.Request) { say(w, http.StatusOK, "ok") })
	mux.HandleFunc("GET /-/ready", func(w http.ResponseWriter, request *http.Request) {
		if err := options.Ready(request.Context()); err != nil {
			say(w, http.StatusServiceUnavailable, err.Error())
			return
		}
		say(w, http.StatusOK, "ready")
	})
	server := &http.Server{
		Handler: mux, ReadHeaderTimeout: headerTimeout, ReadTimeout: requestTimeout, WriteTimeout: requestTimeout,
		IdleTimeout: time.Minute, MaxHeaderBytes: maxHeaderBytes, ErrorLog: slog.NewLogLogger(options.Log.Handler(), slog.LevelDebug),
	}
	served := make(chan error, 1)
	go func() { served <- server.Serve(options.Listener) }()
	options.Log.Info("serving metrics", "address", options.Listener.Addr().String())
	select {
	case err := <-served:
		return fmt.Errorf("serve metrics: %w", err)
	case <-ctx.Done():
	}
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), shutdownTimeout)
	defer cancel()
	if err := server.Shutdown(grace); err != nil {
		return errors.Join(server.Close(), <-served)
	}
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("serve metrics: %w", err)
	}
	return nil
}

func say(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = fmt.Fprintln(w, text) // the client has gone, if anything
}
