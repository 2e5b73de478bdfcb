package archive

import "github.com/wattline/wattline/internal/telemetry"

// metrics is what the archive counts.
type metrics struct {
	written  telemetry.Counter
	repeated telemetry.Counter
	late     telemetry.Counter
	refused  telemetry.Counter
	failed   telemetry.Counter
	damaged  telemetry.Counter
}

func newMetrics(registry *telemetry.Registry) metrics {
	return metrics{
		written:  registry.Counter("wattline_archive_readings_written_total", "Readings kept."),
		repeated: registry.Counter("wattline_archive_readings_repeated_total", "Readings that were kept already."),
		late:     registry.Counter("wattline_archive_readings_late_total", "Readings kept that are older than the device's newest."),
		refused:  registry.Counter("wattline_archive_readings_refused_total", "Readings refused for good."),
		failed:   registry.Counter("wattline_archive_writes_failed_total", "Batches that could not be written."),
		damaged:  registry.Counter("wattline_archive_damaged_total", "Damaged blocks and logs set aside."),
	}
}
