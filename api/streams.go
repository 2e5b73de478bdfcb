package api

import (
	"log/slog"
	"sync/atomic"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline/internal/telemetry"
)

// streams admits so many long answers at once, and keeps account of them.
type streams struct {
	most    int64
	running atomic.Int64
	broken  telemetry.Counter
	log     *slog.Logger
}

func newStreams(most int, log *slog.Logger, registry *telemetry.Registry) *streams {
	s := &streams{
		most: int64(most), log: log,
		broken: registry.Counter("wattline_api_streams_broken_total",
			"Long answers that ended before their end, because the client went or the history failed."),
	}
	registry.GaugeFunc("wattline_api_streams", "Long answers being written.", func() float64 {
		return float64(s.running.Load())
	})
	return s
}

// begin tells whether there is room for one more; if so, end is to be called.
func (s *streams) begin() bool {
	if s.running.Add(1) > s.most {
		s.end()
		return false
	}
	return true
}

func (s *streams) end() { s.running.Add(-1) }

func (s *streams) broke(c *gin.Context, err error) {
	s.broken.Inc()
	level := slog.LevelWarn
	if c.Request.Context().Err() != nil { // the client has gone
		level = slog.LevelDebug
	}
	s.log.Log(c.Request.Context(), level, "an answer broke off", "request_id", idOf(c), "route", c.FullPath(), "error", err)
}
