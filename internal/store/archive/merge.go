package archive

import (
	"context"
	"log/slog"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/chunkenc"
	"github.com/prometheus/prometheus/tsdb/chunks"
	"github.com/prometheus/prometheus/tsdb/index"
)

// mergeAfter is how many late readings are kept apart in memory at most. The
// TSDB merges them only as time goes on, which it does not while old readings
// are copied in.
const mergeAfter = 200_000

// mergeLate has the TSDB write late readings into blocks whenever there are
// many, until the archive is closed.
func (a *Archive) mergeLate(ctx context.Context) {
	defer close(a.done)
	for {
		select {
		case <-ctx.Done():
			return
		case <-a.merging:
		}
		err := a.use(func(db *tsdb.DB) error { return db.CompactOOOHead(ctx) })
		if err != nil && ctx.Err() == nil {
			a.log.Warn("cannot merge late readings of the archive", "dir", a.options.Dir, "error", err)
		}
	}
}

// compactor is the TSDB's own, but does not begin a block for a stretch of time
// without readings. The TSDB goes through all of the time that it has in memory,
// two hours by two hours, and makes the files of a block each time only to remove
// them: a minute's work for one reading that is years late, or comes after a year.
type compactor struct{ tsdb.Compactor }

//nolint:revive // the TSDB wants these arguments
func newCompactor(
	ctx context.Context, registerer prometheus.Registerer, log *slog.Logger, ranges []int64, pool chunkenc.Pool, options *tsdb.Options,
) (tsdb.Compactor, error) {
	own, err := tsdb.NewLeveledCompactorWithOptions(ctx, registerer, log, ranges, pool, tsdb.LeveledCompactorOptions{
		MaxBlockChunkSegmentSize:    options.MaxBlockChunkSegmentSize,
		EnableOverlappingCompaction: options.EnableOverlappingCompaction,
		FloatChunkEncoding:          func() chunkenc.Encoding { return options.FloatChunkEncoding },
	})
	if err != nil {
		return nil, err
	}
	return compactor{own}, nil
}

// Write writes a block, unless it would be empty.
func (c compactor) Write(dest string, from tsdb.BlockReader, mint, maxt int64, base *tsdb.BlockMeta) ([]ulid.ULID, error) {
	empty, err := isEmpty(from)
	if empty || err != nil {
		return nil, err
	}
	return c.Compactor.Write(dest, from, mint, maxt, base)
}

// isEmpty tells whether no series has a sample in a block's time.
func isEmpty(from tsdb.BlockReader) (bool, error) {
	reader, err := from.Index()
	if err != nil {
		return false, err
	}
	defer func() { _ = reader.Close() }()
	samples, err := from.Chunks()
	if err != nil {
		return false, err
	}
	defer func() { _ = samples.Close() }()
	name, value := index.AllPostingsKey()
	postings, err := reader.Postings(context.Background(), name, value)
	if err != nil {
		return false, err
	}
	var (
		builder labels.ScratchBuilder
		found   []chunks.Meta
		meta    = from.Meta()
		within  = span{meta.MinTime, meta.MaxTime + 1}
	)
	for postings.Next() {
		if err := reader.Series(postings.At(), &builder, &found); err != nil {
			return false, err
		}
		for _, chunk := range found {
			if has, err := hasSample(samples, chunk, within); has || err != nil {
				return false, err
			}
		}
	}
	return true, postings.Err()
}

// hasSample tells whether a chunk has a sample in a span. A chunk of late
// samples may reach over years and have only two.
func hasSample(samples tsdb.ChunkReader, meta chunks.Meta, within span) (bool, error) {
	if meta.MinTime >= within.from && meta.MinTime < within.to {
		return true, nil
	}
	chunk, several, err := samples.ChunkOrIterable(meta)
	if err != nil {
		return false, err
	}
	var walk chunkenc.Iterator
	if chunk != nil {
		walk = chunk.Iterator(nil)
	} else {
		walk = several.Iterator(nil)
	}
	if walk.Seek(within.from) == chunkenc.ValNone {
		return false, walk.Err()
	}
	return walk.AtT() < within.to, nil
}
