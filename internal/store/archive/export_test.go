package archive

import (
	"context"
	"errors"
	"os"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline/internal/store/quarters"
)

// WithSmallSegments makes the logs change segments often.
func WithSmallSegments(options Options) Options {
	options.segmentBytes = 2 * 32 * 1024
	return options
}

// WithSync replaces how files are synced.
func WithSync(options Options, sync func(*os.File) error) Options {
	options.fsync = sync
	return options
}

// Merge does what the TSDB does every two hours.
func (a *Archive) Merge(ctx context.Context) error {
	return a.use(func(db *tsdb.DB) error {
		return errors.Join(db.Compact(ctx), db.CompactOOOHead(ctx), db.Compact(ctx))
	})
}

// Blocks counts the blocks on disk.
func (a *Archive) Blocks() int { return len(a.blocks()) }

// Records is where the quarter-hours are kept.
func (a *Archive) Records() quarters.Kept { return a.records }
