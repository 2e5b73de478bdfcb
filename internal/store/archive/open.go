package archive

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"time"

	"github.com/prometheus/prometheus/tsdb"
)

const (
	blockRange    = 2 * time.Hour
	maxBlockRange = 31 * 24 * time.Hour
	// forEver is longer than the archive's years are apart.
	forEver = 250 * 365 * 24 * time.Hour
	// lateChunk is how many late samples of a series are kept together.
	lateChunk = 120
	// stripes is how many locks and maps the series share: an eighth of the usual, for
	// thousands of devices, not millions of series, and 3 MB less.
	stripes = 1 << 11
	// openAttempts bounds how often opening is tried: as it is, with the logs
	// mended, without them, and once more.
	openAttempts = 4
)

var errTornAgain = errors.New("its logs are torn again each time they are mended")

// openMended opens the TSDB, mending it as long as that helps.
func (a *Archive) openMended(ctx context.Context) (*tsdb.DB, *failures, error) {
	a.setAsideBlocks()
	a.setAsideCheckpoint()
	original := a.linkLogs()
	mended, torn := false, false
	for attempt := 1; ; attempt++ {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		tear, err := a.forgetChunks()
		if err != nil {
			return nil, nil, err
		}
		if tear != nil {
			torn = true
			a.sayTorn(original, tear)
		}
		failures := newFailures()
		db, err := tsdb.Open(a.options.Dir, slog.New(quietHandler{a.log.Handler()}), failures, a.tsdbOptions(), nil)
		if err != nil {
			if attempt == openAttempts || isPassing(err) || !a.setAsideLogs(err) {
				return nil, nil, err
			}
			continue
		}
		again, err := failures.mended()
		switch {
		case err != nil:
			return nil, nil, errors.Join(err, db.Close())
		case !again && mended:
			return db, failures, flush(ctx, db)
		case !again:
			if !torn {
				a.dropLinks(original)
			}
			a.flushLate(ctx, db)
			return db, failures, nil
		case attempt == openAttempts:
			return nil, nil, errors.Join(errTornAgain, db.Close())
		}
		// After mending the log in order, the TSDB goes on without having read
		// the late one: open it again.
		mended = true
		a.sayTorn(original, nil)
		if err := db.Close(); err != nil {
			return nil, nil, fmt.Errorf("close the mended archive: %w", err)
		}
	}
}

func (a *Archive) sayTorn(original string, tear error) {
	a.metrics.damaged.Inc()
	a.log.Warn("mended a torn log of the archive; what was acknowledged is lost only if it comes after the tear",
		"dir", a.options.Dir, "original", original, "tear", tear)
}

// flush writes all that is in memory and in the logs into blocks. The logs name
// series by numbers. A mended log may have lost some that the late log still
// uses, and they would be given out again for other series.
func flush(ctx context.Context, db *tsdb.DB) error {
	head := db.Head()
	if head.MinTime() <= head.MaxTime() {
		if err := db.CompactHead(tsdb.NewRangeHead(head, head.MinTime(), head.MaxTime())); err != nil {
			return errors.Join(fmt.Errorf("write what was mended into a block: %w", err), db.Close())
		}
	}
	if err := db.CompactOOOHead(ctx); err != nil {
		return errors.Join(fmt.Errorf("write late readings into blocks: %w", err), db.Close())
	}
	return nil
}

// flushLate writes into blocks what the late log has of earlier runs. The numbers
// by which it names series may be such as a mended log left behind, of which the
// log in order keeps no more than it needs itself: it may forget them before they
// are written, and the samples would be nobody's after a crash. A disk that is
// full is not in the way of opening.
func (a *Archive) flushLate(ctx context.Context, db *tsdb.DB) {
	if db.Head().MinOOOTime() == math.MaxInt64 {
		return
	}
	if err := db.CompactOOOHead(ctx); err != nil {
		a.log.Warn("cannot write late readings of the archive into blocks; they stay in its log", "dir", a.options.Dir, "error", err)
	}
}

func (a *Archive) tsdbOptions() *tsdb.Options {
	options := tsdb.DefaultOptions()
	options.NoLockfile = true // see takeFolder
	// A reading is there once all of its series have it, commits or not.
	options.IsolationDisabled = true
	options.StripeSize = stripes
	options.WALSegmentSize = a.options.segmentBytes
	options.MinBlockDuration = blockRange.Milliseconds()
	options.MaxBlockDuration = maxBlockRange.Milliseconds()
	options.OutOfOrderCapMax = lateChunk
	// The TSDB counts from its newest reading, which a clock that leapt may have put
	// years ahead. What is too old is refused before, by the clock.
	options.OutOfOrderTimeWindow = forEver.Milliseconds()
	options.RetentionDuration = 0 // see expired
	options.BlocksToDelete = a.expired
	options.NewCompactorFunc = newCompactor
	if a.options.Retention > 0 {
		options.MaxBlockDuration = min(maxBlockRange, max(blockRange, a.options.Retention/10)).Milliseconds()
	}
	return options
}
