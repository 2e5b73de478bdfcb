package quarters

import (
	"context"
	"time"

	"github.com/wattline/wattline/internal/store"
)

// Level is how finely a record is read. Each level of a record can be read
// without the others.
type Level int

// The levels.
const (
	// SealedOnly is no summaries, only which quarter-hours are sealed.
	SealedOnly Level = iota
	// Days is the summary of the whole day.
	Days
	// Hours is 24 summaries.
	Hours
	// Quarters is 96 summaries.
	Quarters
)

// Packed is a record as it is kept. Device and Day identify it.
type Packed struct {
	Device string
	Day    Day
	Sealed Set
	// Day, hours and quarter-hours, each on its own. What Kept.Records did not
	// ask for is nil; what Kept.Put gives as nil stays as it is.
	DayLevel, HourLevel, QuarterLevel []byte
}

// Query asks for the records of Devices on the days From to To, both included.
type Query struct {
	Devices  []string
	From, To Day
	// Level is which of the levels to fill in; Sealed always is.
	Level Level
}

// Kept is where records are kept. Its methods are called concurrently. An error
// of theirs is handed on as it is: a *store.UnavailableError where that is what
// it is.
type Kept interface {
	// Records calls visit for each record there is: the devices in any order, each
	// with all of its days in ascending order. The Packed and its bytes are used
	// only until visit returns; an error of visit's ends the call and is returned.
	Records(ctx context.Context, query Query, visit func(*Packed) error) error

	// Put keeps records; each takes the place of the one with its device and day.
	// A nil error means that all of them are on disk. One whose levels are nil
	// changes only Sealed, of a record that is there.
	Put(ctx context.Context, records []Packed) error

	// Since gives, of the devices for which SetSince was called, what it was called
	// with last.
	Since(ctx context.Context, devices []string) (map[string]Day, error)

	// SetSince notes, durably, that the devices have no readings before these days.
	SetSince(ctx context.Context, since map[string]Day) error
}

// Raw is what a store's readings say. Its methods are called concurrently.
type Raw interface {
	// Summaries answers from the readings alone, as store.Store.Summaries says but
	// for the ends: see RawQuery. The series are in the order of the query's
	// devices.
	Summaries(ctx context.Context, query RawQuery) ([]store.Series, error)

	// Devices names those of which readings or records are kept, sorted.
	Devices(ctx context.Context) ([]string, error)
}

// RawQuery is a question to the readings. From and To may be equal: then there
// are no spans, only ends. It need not be checked; the times are whole
// milliseconds.
type RawQuery struct {
	store.SummaryQuery
	// Series.Before is the last reading in [Earliest, From), and Series.After the
	// first one in [To, Latest), whatever time it covers. A zero Earliest or Latest
	// asks for none.
	Earliest, Latest time.Time
}
