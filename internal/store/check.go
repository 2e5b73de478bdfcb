package store

import (
	"fmt"
	"time"

	"github.com/wattline/wattline"
)

// Bounds of a single question.
const (
	MaxDevices = 10_000
	MaxLimit   = 10_000
	MaxSpans   = 1_000_000
)

// FutureTolerance is how far ahead of the store's clock a reading may lie. One
// beyond it comes from a broken clock; kept, it would push everything that is
// newer than it in truth into the past.
const FutureTolerance = 24 * time.Hour

// oldestMilli is 2000-01-01T00:00:00Z, the earliest instant that is taken to be
// meant, as in wattline.Time.
const oldestMilli = 946_684_800_000

// Refusal is why a store will never take a reading, or empty. A retention of 0
// keeps readings for ever.
func Refusal(r wattline.Reading, now time.Time, retention time.Duration) string {
	if err := r.Validate(); err != nil {
		return wattline.AsError(err).Message
	}
	const maxRSSI = 1 << 31
	if r.RSSIdBm > maxRSSI || r.RSSIdBm < -maxRSSI {
		return "rssi_dbm is too large to be kept exactly"
	}
	return refusedTime(r.Time.Time, now, retention)
}

func refusedTime(at, now time.Time, retention time.Duration) string {
	switch {
	case at.UnixMilli() < oldestMilli:
		return "time lies before the year 2000"
	case at.After(now.Add(FutureTolerance)):
		return fmt.Sprintf("time lies more than %v in the future", FutureTolerance)
	case retention > 0 && at.Before(now.Add(-retention)):
		return fmt.Sprintf("time lies before the retention of %v", retention)
	}
	return ""
}

// Validate reports every fault of a question as a CodeInvalid error.
func (q Query) Validate() error {
	found := checkDevices(q.Devices)
	for i := 1; i < len(q.Devices); i++ {
		if q.Devices[i-1] >= q.Devices[i] {
			found.Add("devices", "must be sorted, each once")
			break
		}
	}
	found = append(found, checkRange(q.From, q.To)...)
	if q.Limit < 1 || q.Limit > MaxLimit {
		found.Add("limit", "must lie between 1 and %d", MaxLimit)
	}
	return found.Err()
}

// Validate reports every fault of a question as a CodeInvalid error.
func (q SummaryQuery) Validate() error {
	found := checkDevices(q.Devices)
	seen := make(map[string]bool, len(q.Devices))
	for _, device := range q.Devices {
		if seen[device] {
			found.Add("devices", "must be named once each")
			break
		}
		seen[device] = true
	}
	inRange := checkRange(q.From, q.To)
	found = append(found, inRange...)
	switch {
	case q.Every <= 0 || q.Every%QuarterHour != 0:
		found.Add("every", "must be a multiple of %v", QuarterHour)
	case len(inRange) == 0 && int64(len(q.Devices))*int64(q.To.Sub(q.From)/q.Every+2) > MaxSpans:
		found.Add("every", "would give more than %d spans over all devices", MaxSpans)
	}
	return found.Err()
}

// Validate reports every fault of a question as a CodeInvalid error.
func (q RebuildQuery) Validate() error {
	found := append(checkDevices(q.Devices), checkRange(q.From, q.To)...)
	const day = 24 * time.Hour
	if len(found) == 0 && int64(len(q.Devices))*int64(q.To.Sub(q.From)/day+2) > MaxSpans {
		found.Add("to", "makes more than %d days over all devices", MaxSpans)
	}
	return found.Err()
}

// SpanStart is where the span that holds an instant of the range begins.
func (q SummaryQuery) SpanStart(at time.Time) time.Time {
	ms, every := at.UnixMilli(), q.Every.Milliseconds()
	start := time.UnixMilli(ms - ms%every)
	if start.Before(q.From) {
		return q.From.UTC()
	}
	return start.UTC()
}

func checkDevices(devices []string) (found wattline.Faults) {
	if len(devices) == 0 || len(devices) > MaxDevices {
		found.Add("devices", "must be 1 to %d", MaxDevices)
		return found
	}
	for i, device := range devices {
		if err := wattline.CheckID(device); err != nil {
			found.Check(fmt.Sprintf("devices[%d]", i), err)
			break
		}
	}
	return found
}

func checkRange(from, to time.Time) (found wattline.Faults) {
	const maxYear = 2200
	switch {
	case from.UnixMilli() < oldestMilli || to.Year() > maxYear:
		found.Add("from", "must lie between the years 2000 and 2199, and to as well")
	case !from.Before(to):
		found.Add("to", "must come after from")
	}
	return found
}
