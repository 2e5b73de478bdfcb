package api

import (
	"log/slog"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline/internal/seats"
	"github.com/wattline/wattline/internal/telemetry"
)

// streams keeps account of the long answers.
type streams struct {
	broken telemetry.Counter
	log    *slog.Logger
}

func newStreams(places *seats.Seats, log *slog.Logger, registry *telemetry.Registry) *streams {
	s := &streams{
		log: log,
		broken: registry.Counter("wattline_api_streams_broken_total",
			"Long answers that ended before their end, because the client went or the history failed."),
	}
	registry.GaugeFunc("wattline_api_streams", "Long answers being written.", func() float64 {
		return float64(places.Taken())
	})
	return s
}

func (s *streams) broke(c *gin.Context, err error) {
	s.broken.Inc()
	level := slog.LevelWarn
	if c.Request.Context().Err() != nil { // the client has gone
		level = slog.LevelDebug
	}
	s.log.Log(c.Request.Context(), level, "an answer broke off", "request_id", idOf(c), "route", c.FullPath(), "error", err)
}
