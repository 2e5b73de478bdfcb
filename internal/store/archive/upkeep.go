package archive

import (
	"cmp"
	"context"
	"math"
	"slices"
	"strings"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline/internal/store"
)

// Summaries answers from the quarter-hours and, where those are not up to date,
// from the readings. See store.Store and quarters.Keeper.
func (a *Archive) Summaries(ctx context.Context, query store.SummaryQuery) ([]store.Series, error) {
	return a.keeper.Summaries(ctx, query)
}

// Devices names those with readings or quarter-hours. See store.Store.
func (a *Archive) Devices(ctx context.Context) ([]string, error) {
	devices := a.records.names()
	err := a.use(func(db *tsdb.DB) error {
		querier, err := db.Querier(math.MinInt64, math.MaxInt64)
		if err != nil {
			return err
		}
		defer func() { _ = querier.Close() }()
		found, _, err := querier.LabelValues(ctx, labelDevice, nil)
		for _, device := range found {
			devices = append(devices, strings.Clone(device)) // it may lie in a file that will be closed
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	slices.Sort(devices)
	return slices.Compact(devices), nil
}

// Upkeep keeps the quarter-hours up to date, without which readings past their
// retention are kept on. See store.Store and quarters.Keeper.
func (a *Archive) Upkeep(ctx context.Context) error { return a.keeper.Upkeep(ctx) }

// Rebuild makes quarter-hours anew. See store.Store and quarters.Keeper.
func (a *Archive) Rebuild(ctx context.Context, query store.RebuildQuery) (store.Rebuilt, error) {
	return a.keeper.Rebuild(ctx, query)
}

// Adopt keeps quarter-hours whose readings are gone. See transfer.Adopter and
// quarters.Keeper.
func (a *Archive) Adopt(ctx context.Context, series []store.Series) error {
	return a.keeper.Adopt(ctx, series)
}

// expired are the blocks that may go: merged into others, or past their retention
// with all of their quarter-hours kept. The age of a block is told by the clock or
// by the newest block, whichever lies further back, so that a clock that is ahead
// does no harm.
func (a *Archive) expired(blocks []*tsdb.Block) map[ulid.ULID]struct{} {
	newest := a.now().UnixMilli()
	if len(blocks) > 0 {
		last := slices.MaxFunc(blocks, func(x, y *tsdb.Block) int { return cmp.Compare(x.MaxTime(), y.MaxTime()) })
		newest = min(newest, last.MaxTime())
	}
	// A reading that is taken only just has its whole quarter-hour with it.
	kept := newest - (a.options.Retention + store.QuarterHour).Milliseconds()
	sealed := a.keeper.SealedBefore().UnixMilli()
	gone := make(map[ulid.ULID]struct{})
	for _, block := range blocks {
		meta := block.Meta()
		old := a.options.Retention > 0 && meta.MaxTime <= min(kept, sealed)
		if meta.Compaction.Deletable || old {
			gone[meta.ULID] = struct{}{}
		}
	}
	return gone
}
