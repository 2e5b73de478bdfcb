package api

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

const requestIDHeader = "X-Request-Id"

// around is what every request goes through: it gets an id, is recovered from panics,
// counted, timed and logged.
func (g *Gateway) around(c *gin.Context) {
	start := time.Now()
	c.Header(requestIDHeader, requestID(c.Request))
	c.Header("Cache-Control", "no-store")
	defer g.finish(c, start)
	defer func() {
		if cause := recover(); cause != nil {
			g.panicked(c, cause)
		}
	}()
	g.meters.inFlight.Inc()
	defer g.meters.inFlight.Dec()
	if g.loopback.Load() && !g.knownHost(c.Request.Host) {
		g.writeProblem(c, wattline.Errorf(wattline.CodeForbidden,
			"the host of the request must be localhost or an address, not %.80q", c.Request.Host))
		c.Abort()
		return
	}
	c.Next()
}

// withinKey is where a request that another one is made of carries that one's id.
type withinKey struct{}

// requestID is always one of our own: what a client may choose must not tie its
// requests to those of others in the log or the audit.
func requestID(r *http.Request) string {
	if outer, is := r.Context().Value(withinKey{}).(string); is {
		return outer
	}
	return rand.Text()
}

// clientRequestID is the client's own id, for the log, where it is one sane word.
func clientRequestID(r *http.Request) string {
	const longest = 64
	given := r.Header[requestIDHeader]
	if len(given) != 1 || len(given[0]) > longest {
		return ""
	}
	for _, char := range []byte(given[0]) {
		word := char >= 'a' && char <= 'z' || char >= 'A' && char <= 'Z' || char >= '0' && char <= '9'
		if !word && char != '-' && char != '_' && char != '.' {
			return ""
		}
	}
	return given[0]
}

// knownHost tells whether a Host header is a name that cannot have been pointed
// at this machine by somebody else.
func (g *Gateway) knownHost(hostport string) bool {
	host := hostport
	if name, _, err := net.SplitHostPort(hostport); err == nil {
		host = name
	}
	host = strings.ToLower(strings.TrimSuffix(strings.TrimPrefix(strings.TrimSuffix(host, "]"), "["), "."))
	if host == "localhost" || strings.HasSuffix(host, ".localhost") || slices.Contains(g.options.Hosts, host) {
		return true
	}
	_, err := netip.ParseAddr(host)
	return err == nil
}

// panicked answers 500 where a handler panicked. http.ErrAbortHandler is
// net/http's own way of dropping a connection and goes on to it.
func (g *Gateway) panicked(c *gin.Context, cause any) {
	if cause == http.ErrAbortHandler { //nolint:errorlint // net/http panics with this very value
		panic(cause)
	}
	g.log.Error("a handler panicked", "request_id", idOf(c), "route", c.FullPath(),
		"cause", fmt.Sprint(cause), "stack", string(debug.Stack()))
	if !c.Writer.Written() {
		g.writeProblem(c, wattline.Errorf(wattline.CodeInternal, "internal error"))
	}
	c.Abort()
}

func idOf(c *gin.Context) string {
	return c.Writer.Header().Get(requestIDHeader)
}

// finish counts and logs a request. The query is left out of the log: it may be
// long, and it is not ours to keep.
func (g *Gateway) finish(c *gin.Context, start time.Time) {
	took := time.Since(start)
	status := c.Writer.Status()
	route := c.FullPath()
	if route == "" {
		route = "none"
	}
	g.meters.requests.WithLabelValues(route, methodLabel(c.Request.Method), statusLabel(status)).Inc()
	g.meters.duration.WithLabelValues(route).Observe(took.Seconds())
	level := slog.LevelDebug
	if status >= http.StatusInternalServerError {
		level = slog.LevelInfo
	}
	ctx := c.Request.Context()
	if !g.log.Enabled(ctx, level) {
		return
	}
	g.log.LogAttrs(ctx, level, "request",
		slog.String("request_id", idOf(c)), slog.String("method", methodLabel(c.Request.Method)),
		slog.String("route", route), slog.String("path", shortened(c.Request.URL.Path)),
		slog.Int("status", status), slog.Int("bytes", max(c.Writer.Size(), 0)),
		slog.Duration("duration", took), slog.String("remote", c.Request.RemoteAddr),
		slog.String("client_request_id", clientRequestID(c.Request)))
}

// methodLabel keeps invented methods from becoming metrics.
func methodLabel(method string) string {
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodPost, http.MethodDelete,
		http.MethodPatch, http.MethodOptions:
		return method
	}
	return "other"
}

func statusLabel(status int) string {
	if status == http.StatusOK {
		return "200"
	}
	return strconv.Itoa(status)
}

func shortened(text string) string {
	const longest = 300
	if len(text) > longest {
		return strings.ToValidUTF8(text[:longest], "") + "…"
	}
	return text
}

// meters are the gateway's instruments.
type meters struct {
	requests  *telemetry.CounterVec
	duration  *telemetry.HistogramVec
	inFlight  telemetry.Gauge
	refused   telemetry.Counter
	busy      *telemetry.CounterVec
	unaudited telemetry.Counter
}

func newMeters(registry *telemetry.Registry) *meters {
	buckets := []float64{.0005, .001, .0025, .005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	return &meters{
		unaudited: registry.Counter("wattline_api_refusals_not_audited_total",
			"Refusals of tokens and users that are refused all the time, which the audit leaves out."),
		requests: registry.CounterVec("wattline_api_requests_total",
			"Requests by route, method and status.", "route", "method", "status"),
		duration: registry.HistogramVec("wattline_api_request_duration_seconds",
			"Time from the request's header to the end of its response, by route.", buckets, "route"),
		inFlight: registry.Gauge("wattline_api_requests_in_flight", "Requests being served."),
		refused: registry.Counter("wattline_api_connections_refused_total",
			"Connections closed at once, because too many are open, or too many of one client."),
		busy: registry.CounterVec("wattline_api_busy_total",
			"Requests refused because too many were under way, by what they needed a place among, and whether of one holder or of all.", "places", "of"),
	}
}
