// Package store is the contract between Wattline and whatever keeps its
// readings: internal/store/archive (embedded) and internal/store/influx
// (InfluxDB 2). The persisting hook and the history component are written once
// over it, and the suite in internal/store/storetest puts the same readings and
// questions to every implementation.
package store

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/wattline/wattline"
)

// QuarterHour is the unit of the spans: every time zone's calendar has its
// edges on quarter-hours of UTC.
const QuarterHour = 15 * time.Minute //nolint:revive // its name is what it is, not a unit

// Store keeps readings. All methods may be called concurrently; the context
// bounds each call. (Device, Time) identifies a reading, to the millisecond:
// writing it again, in any order and however late, changes nothing, not even if
// its other values differ; which of two such readings stays, whole, is the
// store's affair.
type Store interface {
	// Write keeps the readings. A nil error means that all of them are on disk
	// and will be found by the calls that follow. A *RefusedError means that all
	// are but those it names, which this store will never take. Any other error
	// leaves it open which were kept: write all of them again. The list is the
	// caller's again when Write has returned.
	Write(ctx context.Context, readings []wattline.Reading) error

	// Readings returns a page of raw readings, ordered by device and then time,
	// without Stream and Seq. Fewer than query.Limit means that there are no
	// more.
	Readings(ctx context.Context, query Query) ([]wattline.Reading, error)

	// Summaries returns one Series for each of the query's devices, in the
	// query's order, empty where nothing is known.
	Summaries(ctx context.Context, query SummaryQuery) ([]Series, error)

	// Devices names those of which anything is kept, sorted.
	Devices(ctx context.Context) ([]string, error)

	// Upkeep keeps the quarter-hours of closed time up to date, so that summaries
	// are fast and outlive the readings, until the context ends. One process of an
	// installation runs it: the one that writes. Summaries are as true without it.
	Upkeep(ctx context.Context) error

	// Rebuild makes the quarter-hours of a stretch anew from the readings, where
	// those are still kept, and leaves alone what was right.
	Rebuild(ctx context.Context, query RebuildQuery) (Rebuilt, error)

	// Ping tells whether the store would take a write and answer a question:
	// nil, an *UnavailableError, or an error with ErrMisconfigured in its chain.
	Ping(ctx context.Context) error

	// Close ends the store; what was written stays.
	Close() error
}

// Query asks for raw readings of Devices (sorted, each once) in [From, To),
// after the position of the last one of the page before. Times count to the
// millisecond. Limit is 1 to MaxLimit.
type Query struct {
	Devices []string
	From    time.Time
	To      time.Time
	After   Position
	Limit   int
	// Room is a slice that the caller no longer needs, whose memory the page may take;
	// nil does as well.
	Room []wattline.Reading
}

// Position is a place in the order of readings. The zero Position is before
// everything.
type Position struct {
	Device string
	Time   time.Time
}

// SummaryQuery asks for summaries of Devices (each once) over the spans of
// [From, To) that are cut at whole multiples of Every since the Unix epoch, and
// at From and To. Every is a multiple of QuarterHour. Times count to the
// millisecond. Devices times spans are at most MaxSpans.
type SummaryQuery struct {
	Devices []string
	From    time.Time
	To      time.Time
	Every   time.Duration
	// Values asks for the summaries' Values too; without, they are zero.
	Values bool
}

// RebuildQuery names the quarter-hours of Devices (sorted, each once) on the UTC
// days that [From, To) touches. Devices times days are at most MaxSpans.
type RebuildQuery struct {
	Devices  []string
	From, To time.Time
}

// Rebuilt counts device-days.
type Rebuilt struct {
	// Days is how many had readings. Of these, Made had quarter-hours that nobody had
	// made yet, and Changed some that were not right.
	Days    int `json:"days"`
	Made    int `json:"made"`
	Changed int `json:"changed"`
}

// Series is what is known of one device for a SummaryQuery.
type Series struct {
	Device string
	// Before is the last reading before From, however old; nil if none.
	Before *wattline.Point
	// After is the first reading at or after To, if it observed the time just
	// before To (see CoversEdge). Only AfterWithin is searched for it.
	After *wattline.Point
	// Spans are those that hold readings, in the order of time.
	Spans []Span
}

// Span is the summary of a device from Start to the next cut.
type Span struct {
	Start   time.Time
	Summary wattline.Summary
}

// AfterWithin is how far beyond a range Series.After is looked for: no reading
// covers more.
const AfterWithin = 3 * wattline.MaxPoll

// CoversEdge tells whether the reading at a point, at or after an instant, had
// the time just before that instant under observation.
func CoversEdge(point wattline.Point, edge time.Time) bool {
	covers := time.Duration(point.CoversS) * time.Millisecond
	return point.Time.Add(-covers).Before(edge)
}

// RefusedReading is a reading that a store will never take.
type RefusedReading struct {
	// Index is its place in the batch.
	Index  int
	Reason string
}

// RefusedError names the readings of a batch that were refused for good. All
// others were kept.
type RefusedError struct{ Readings []RefusedReading }

// Error counts them and gives the first reason.
func (e *RefusedError) Error() string {
	if len(e.Readings) == 0 {
		return "store refused no readings"
	}
	return fmt.Sprintf("store refused %d readings for good, the first because %s", len(e.Readings), e.Readings[0].Reason)
}

// ErrMisconfigured is in the chain of an error that a person must mend: a wrong
// token, a bucket that is not there. Nothing is dropped meanwhile.
var ErrMisconfigured = errors.New("the store is misconfigured")

// UnavailableError is a failure that will pass: a store that is down, slow or
// over its limits.
type UnavailableError struct {
	// RetryAfter is what the store asked for; 0 if it did not say.
	RetryAfter time.Duration
	Err        error
}

// Error says what failed.
func (e *UnavailableError) Error() string { return "store unavailable: " + e.Err.Error() }

// Unwrap is the cause.
func (e *UnavailableError) Unwrap() error { return e.Err }
