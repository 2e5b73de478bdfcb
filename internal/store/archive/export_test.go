package archive

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline/internal/sqlite"
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

// WithRoom replaces the disk's room.
func WithRoom(options Options, room func() (free, total uint64)) Options {
	options.room = func(string) (uint64, uint64, error) { free, total := room(); return free, total, nil }
	return options
}

// Merge does what the TSDB does every two hours.
func (a *Archive) Merge(ctx context.Context) error {
	return a.use(func(db *tsdb.DB) error {
		return errors.Join(db.Compact(ctx), db.CompactOOOHead(ctx), db.Compact(ctx))
	})
}

// ReleasePages does what is done after much was read.
func (a *Archive) ReleasePages() error { return a.use(releasePages) }

// Blocks counts the blocks on disk.
func (a *Archive) Blocks() int { return len(a.blocks()) }

// Records is where the quarter-hours are kept.
func (a *Archive) Records() quarters.Kept { return a.records }

// SealedBefore is up to where quarter-hours are sealed.
func (a *Archive) SealedBefore() time.Time { return a.keeper.SealedBefore() }

// SpoilRecords damages the file of quarter-hours while it is open.
func (a *Archive) SpoilRecords(ctx context.Context) error {
	if _, err := a.records.db.Writer().ExecContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)"); err != nil {
		return err
	}
	file, err := os.OpenFile(a.records.path, os.O_RDWR, 0)
	if err != nil {
		return err
	}
	info, err := file.Stat()
	if err != nil {
		return errors.Join(err, file.Close())
	}
	const pages = 2 * 4096 // the head and the list of tables stay
	_, err = file.WriteAt(bytes.Repeat([]byte{'?'}, int(info.Size()-pages)), pages)
	// Who read it before must not answer from memory.
	_, again := a.records.db.Writer().ExecContext(ctx, "PRAGMA user_version = 1")
	return errors.Join(err, again, file.Close())
}

// AgeRecords makes the file of quarter-hours a later version's.
func AgeRecords(ctx context.Context, dir string) error {
	db, err := sqlite.Open(ctx, filepath.Join(dir, recordsFile), sqlite.Options{Migrations: schema()})
	if err != nil {
		return err
	}
	_, err = db.Writer().ExecContext(ctx, "PRAGMA user_version = 99")
	return errors.Join(err, db.Close())
}

// Quiet is the handler that the TSDB logs to.
func Quiet(h slog.Handler) slog.Handler { return quietHandler{h} }
