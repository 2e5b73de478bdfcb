package api_test

import (
	"net/http"
	"testing"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/api"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
)

// sink is a ResponseWriter that costs nothing.
type sink struct {
	header http.Header
	bytes  int
}

func (s *sink) Header() http.Header { return s.header }
func (s *sink) WriteHeader(int)     {}
func (s *sink) Write(p []byte) (int, error) {
	s.bytes += len(p)
	return len(p), nil
}

func serve(b *testing.B, handler http.Handler, r *http.Request) {
	b.Helper()
	b.ReportAllocs()
	for b.Loop() {
		w := &sink{header: http.Header{}}
		handler.ServeHTTP(w, r)
		if w.bytes == 0 {
			b.Fatal("nothing was written")
		}
	}
}

// BenchmarkGetState is to be held against BenchmarkBareGin: at most 1.5 times.
func BenchmarkGetState(b *testing.B) {
	o := open(b, func(options *api.Options) { options.Metrics = telemetry.New() })
	serve(b, o.Handler(), request(http.MethodGet, "/api/v1/devices/desk-1/state", ""))
}

// BenchmarkBareGin is a gin handler that answers with the same value and does
// nothing else.
func BenchmarkBareGin(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	reading := readingOf("desk-1", noon())
	fresh := wattline.FreshState{State: stateOf("desk-1", noon()), Reading: &reading}
	engine.GET("/api/v1/devices/:id/state", func(c *gin.Context) { c.JSON(http.StatusOK, fresh) })
	serve(b, engine, request(http.MethodGet, "/api/v1/devices/desk-1/state", ""))
}

// BenchmarkBareGinBytes is the same with the JSON made before.
func BenchmarkBareGinBytes(b *testing.B) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	body := payload(b, readingOf("desk-1", noon()))
	engine.GET("/api/v1/devices/:id/state", func(c *gin.Context) { c.Data(http.StatusOK, "application/json", body) })
	serve(b, engine, request(http.MethodGet, "/api/v1/devices/desk-1/state", ""))
}

// BenchmarkTakeReading is the cost of following a reading.
func BenchmarkTakeReading(b *testing.B) {
	o := open(b)
	message := bus.Message{
		Topic:   wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: "desk-1"},
		Payload: payload(b, readingOf("desk-1", noon())),
	}
	b.ReportAllocs()
	for b.Loop() {
		o.bus.deliver(message)
	}
}
