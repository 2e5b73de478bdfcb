package live

import "github.com/wattline/wattline/internal/telemetry"

// meters are the hub's instruments.
type meters struct {
	events  *telemetry.CounterVec
	missed  telemetry.Counter
	gaps    telemetry.Counter
	ended   *telemetry.CounterVec
	refused telemetry.Counter
}

func newMeters(registry *telemetry.Registry) meters {
	return meters{
		events: registry.CounterVec("wattline_live_events_total",
			"Events encoded for whoever listens, by type; each once, however many listen.", "type"),
		missed: registry.Counter("wattline_live_missed_total",
			"Values left out for slow clients because newer ones of the same device had replaced them."),
		gaps: registry.Counter("wattline_live_gaps_total",
			"Times that a client could not be given all events, because they were no longer kept."),
		ended: registry.CounterVec("wattline_live_ended_total",
			"Live connections that the gateway ended, by reason.", "reason"),
		refused: registry.Counter("wattline_live_refused_total",
			"Live connections refused because there were too many."),
	}
}
