// Package sqlite opens SQLite files the one way that Wattline uses them: WAL, made
// for their owner alone, every commit synced to disk, foreign keys on, the schema
// brought up to date, and a damaged file set aside instead of a refusal to start. It
// is the only package that imports the driver.
package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	_ "modernc.org/sqlite" // the driver "sqlite"
)

const (
	busyTimeout    = 5 * time.Second
	defaultReaders = 2
	// checkedBytes bounds the files that are checked page by page when they are
	// opened: about 3 ms a megabyte.
	checkedBytes = 16 << 20
)

// Options say what a file is to hold.
type Options struct {
	// Migrations are the steps from an empty file to today's schema. PRAGMA
	// user_version counts those that were done; a step is never edited once it
	// has been released.
	Migrations []string
	// SetAside renames a damaged file and begins a new one. Otherwise a damaged
	// file is an error for which IsDamaged is true.
	SetAside bool
	// Readers is how many queries may run beside a writer; 2 if 0.
	Readers int
	// Log hears of a file that was set aside; nil for nobody.
	Log *slog.Logger
}

// DB is an open file: one connection that writes, some that read. It is safe
// for concurrent use; writers wait for one another.
type DB struct {
	path     string
	writer   *sql.DB
	reader   *sql.DB
	setAside string
}

// Open opens or makes the file; its folder must exist. An error for which
// IsDamaged is true comes back only without SetAside.
func Open(ctx context.Context, path string, options Options) (*DB, error) {
	db, err := open(ctx, path, options)
	if err == nil || !options.SetAside || !IsDamaged(err) {
		return db, err
	}
	aside, moveErr := SetAside(path)
	if moveErr != nil {
		return nil, fmt.Errorf("set aside %s, which is damaged: %w", path, moveErr)
	}
	if options.Log != nil {
		options.Log.Error("database file was damaged; it was set aside and a new one begun",
			"file", path, "set_aside", aside, "error", err)
	}
	db, err = open(ctx, path, options)
	if err != nil {
		return nil, err
	}
	db.setAside = aside
	return db, nil
}

func open(ctx context.Context, path string, options Options) (db *DB, err error) {
	readers := options.Readers
	if readers <= 0 {
		readers = defaultReaders
	}
	db = &DB{path: path}
	defer func() {
		if err != nil {
			err = errors.Join(fmt.Errorf("open %s: %w", path, err), db.Close())
			db = nil
		}
	}()
	if err = makePrivate(path); err != nil {
		return db, err
	}
	if db.writer, err = connect(path, 1, "synchronous(FULL)", "foreign_keys(1)", "journal_mode(WAL)"); err != nil {
		return db, err
	}
	if err = check(ctx, db.writer, path); err != nil {
		return db, err
	}
	if err = migrate(ctx, db.writer, options.Migrations); err != nil {
		return db, err
	}
	db.reader, err = connect(path, readers, "query_only(1)")
	return db, err
}

// makePrivate makes the file, where it is missing, for its owner alone. SQLite gives
// the files beside it the same mode. One that is there keeps the mode that it has.
func makePrivate(path string) error {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	return file.Close()
}

func connect(path string, connections int, pragmas ...string) (*sql.DB, error) {
	absolute, err := filepath.Abs(path)
	if err != nil {
		return nil, err
	}
	query := url.Values{"_txlock": {"immediate"}}
	query.Add("_pragma", "busy_timeout("+strconv.FormatInt(busyTimeout.Milliseconds(), 10)+")")
	for _, pragma := range pragmas {
		query.Add("_pragma", pragma)
	}
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(absolute), RawQuery: query.Encode()}
	pool, err := sql.Open("sqlite", name.String())
	if err != nil {
		return nil, err
	}
	pool.SetMaxOpenConns(connections)
	pool.SetMaxIdleConns(connections)
	return pool, nil
}

// check reads a file of moderate size through, so that damage shows now and not
// in the middle of some later question.
func check(ctx context.Context, db *sql.DB, path string) error {
	if info, err := os.Stat(path); err != nil || info.Size() > checkedBytes {
		return nil //nolint:nilerr // a file that is not there yet has no damage
	}
	var verdict string
	if err := db.QueryRowContext(ctx, "PRAGMA quick_check(1)").Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("%w: %s", errDamaged, verdict)
	}
	return nil
}

// Writer is the one connection that may write. A transaction begun on it holds
// the write lock at once.
func (db *DB) Writer() *sql.DB { return db.writer }

// Reader is the connections for questions; each statement, or transaction, sees
// the file as it was at its start.
func (db *DB) Reader() *sql.DB { return db.reader }

// SetAsideAs is the name that a damaged file was given by Open; "" if none was.
func (db *DB) SetAsideAs() string { return db.setAside }

// Write runs a transaction: committed and on disk when it returns nil, undone
// when do, or the commit, fails.
func (db *DB) Write(ctx context.Context, do func(*sql.Tx) error) error {
	tx, err := db.writer.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	if err := do(tx); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	if err := tx.Commit(); err != nil {
		return errors.Join(err, ignoreDone(tx.Rollback()))
	}
	return nil
}

func ignoreDone(err error) error {
	if errors.Is(err, sql.ErrTxDone) {
		return nil
	}
	return err
}

// UsedBytes is the size of the pages that hold something. The file itself keeps
// its largest size; what was deleted is filled again before it grows.
func (db *DB) UsedBytes(ctx context.Context) (int64, error) {
	var pages, free, size int64
	err := db.writer.QueryRowContext(ctx,
		"SELECT page_count, freelist_count, page_size FROM pragma_page_count, pragma_freelist_count, pragma_page_size").
		Scan(&pages, &free, &size)
	return (pages - free) * size, err
}

// Close ends it; the write-ahead log is folded into the file.
func (db *DB) Close() error {
	var err error
	if db.reader != nil {
		err = db.reader.Close()
	}
	if db.writer != nil {
		err = errors.Join(err, db.writer.Close())
	}
	return err
}
