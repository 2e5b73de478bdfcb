package archive

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/fileutil"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/quarters"
	"github.com/wattline/wattline/internal/telemetry"
)

// DefaultRetention is for how long readings are kept unless configured.
const DefaultRetention = 2 * 365 * 24 * time.Hour

// Options of an archive.
type Options struct {
	// Dir is the archive's own folder. It is made where it is missing.
	Dir string
	// Retention is for how long readings are kept; 0 keeps all. A little more may be
	// there: whole blocks are dropped, and only while Upkeep runs. The quarter-hours
	// stay.
	Retention time.Duration
	Log       *slog.Logger
	Metrics   *telemetry.Registry
	// Now is the clock; time.Now if nil.
	Now func() time.Time

	// For tests: small log segments, a watch over what is synced, and another disk.
	segmentBytes int
	fsync        func(*os.File) error
	room         func(dir string) (free, total uint64, err error)
}

// Archive is a store.Store in a local folder. It is safe for concurrent use by
// one process; writes take turns.
type Archive struct {
	options  Options
	log      *slog.Logger
	now      func() time.Time
	metrics  metrics
	matchers matchers
	lock     io.Closer
	records  *records
	keeper   *quarters.Keeper

	// open guards db against being closed or opened anew while it is used.
	open   sync.RWMutex
	db     *tsdb.DB // nil while it could not be opened anew, and once closed
	closed bool

	read atomic.Int64 // readings that were walked since pages were released

	// turn is held by whoever writes; what follows is theirs.
	turn    chan struct{}
	logs    *logs
	devices map[string]*device
	newest  int64 // nothing is later than this of a device not in devices
	broken  bool  // the memory of db is ahead of the disk
	retryAt time.Time

	merging chan struct{}
	stop    context.CancelFunc
	done    chan struct{}
	late    int // readings that came late since they were last merged
}

var (
	_ store.Store = (*Archive)(nil)

	// ErrInUse is in the chain when another process has the archive open.
	ErrInUse = errors.New("is in use by another process")

	errClosed = errors.New("the archive is closed")
)

// Open opens or makes an archive. A folder that another process has open is an
// error that says so. What is damaged in it is mended or set aside, and said in
// the log.
func Open(ctx context.Context, options Options) (*Archive, error) {
	if options.Dir == "" {
		return nil, errors.New("the archive needs a folder")
	}
	if options.Retention < 0 {
		return nil, errors.New("the archive's retention must not be negative")
	}
	a := &Archive{
		options: options,
		log:     options.Log,
		now:     options.Now,
		metrics: newMetrics(options.Metrics),
		turn:    make(chan struct{}, 1),
		merging: make(chan struct{}, 1),
		done:    make(chan struct{}),
	}
	a.log = cmp.Or(a.log, slog.New(slog.DiscardHandler))
	if a.now == nil {
		a.now = time.Now
	}
	if a.options.room == nil {
		a.options.room = roomOn
	}
	var err error
	if a.matchers, err = newMatchers(); err != nil {
		return nil, err
	}
	if a.lock, err = takeFolder(options.Dir); err != nil {
		return nil, err
	}
	if err := a.openAll(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("open the archive %s: %w", options.Dir, err), a.lock.Close())
	}
	background, stop := context.WithCancel(context.WithoutCancel(ctx))
	a.stop = stop
	go a.mergeLate(background)
	return a, nil
}

// openAll opens the quarter-hours and then the TSDB, which asks whether readings
// past their retention may go.
func (a *Archive) openAll(ctx context.Context) (err error) {
	if a.records, err = openRecords(ctx, a.options.Dir, a.log); err != nil {
		return err
	}
	a.keeper = quarters.New(quarters.Options{
		Kept: a.records, Raw: readings{a}, Parallel: runtime.GOMAXPROCS(0),
		Now: a.now, Log: a.log, Metrics: a.options.Metrics,
	})
	a.records.lost = a.keeper.Lose
	if err := a.reopen(ctx); err != nil {
		return errors.Join(err, a.records.close())
	}
	return nil
}

// folderLock lets a lock be closed like a file.
type folderLock struct{ fileutil.Releaser }

func (l folderLock) Close() error { return l.Release() }

// takeFolder locks the folder. The TSDB has such a lock of its own, but clears
// away what looks left over before it takes it: files that belong to whoever
// holds the lock.
func takeFolder(dir string) (io.Closer, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the archive's folder: %w", err)
	}
	lock, _, err := fileutil.Flock(filepath.Join(dir, "lock"))
	if isHeld(err) {
		return nil, fmt.Errorf("the archive %s %w; stop that or choose another folder", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("lock the archive %s: %w", dir, err)
	}
	return folderLock{lock}, nil
}

// reopen opens the TSDB from what is on disk, closing it first if it is open.
// The caller has the turn, or is the only one there is.
func (a *Archive) reopen(ctx context.Context) error {
	a.open.Lock()
	defer a.open.Unlock()
	if a.closed {
		return errClosed
	}
	if err := a.shut(); err != nil {
		a.log.Debug("closed the archive before opening it anew", "error", err)
	}
	db, failures, err := a.openMended(ctx)
	if err != nil {
		return err
	}
	logs := newLogs(a.options, failures)
	if err := logs.sync(); err != nil {
		return errors.Join(err, db.Close(), logs.close())
	}
	a.db, a.logs = db, logs
	a.devices = make(map[string]*device)
	a.newest = newestIn(db)
	a.broken = false
	return nil
}

// newestIn is an upper bound of the times in a database.
func newestIn(db *tsdb.DB) int64 {
	newest := int64(math.MinInt64)
	for _, block := range db.Blocks() {
		newest = max(newest, block.MaxTime())
	}
	return max(newest, db.Head().MaxTime(), db.Head().MaxOOOTime())
}

// oldestIn is a lower bound of the times in a database.
func oldestIn(db *tsdb.DB) int64 {
	oldest := int64(math.MaxInt64)
	for _, block := range db.Blocks() {
		oldest = min(oldest, block.MinTime())
	}
	return min(oldest, db.Head().MinTime(), db.Head().MinOOOTime())
}

// use runs a question over the open TSDB.
func (a *Archive) use(ask func(*tsdb.DB) error) error {
	a.open.RLock()
	defer a.open.RUnlock()
	switch {
	case a.closed:
		return errClosed
	case a.db == nil:
		return &store.UnavailableError{RetryAfter: retryEvery, Err: errNotOpen}
	}
	return ask(a.db)
}

// Ping is nil while a write would reach the disk.
func (a *Archive) Ping(ctx context.Context) error {
	if err := a.takeTurn(ctx); err != nil {
		return err
	}
	defer a.leaveTurn()
	if err := a.ready(ctx); err != nil {
		return err
	}
	return a.sync()
}

// Close ends the archive. Calls that run are waited for.
func (a *Archive) Close() error {
	a.stop()
	<-a.done
	a.turn <- struct{}{}
	defer a.leaveTurn()
	a.open.Lock()
	defer a.open.Unlock()
	if a.closed {
		return nil
	}
	a.closed = true
	return errors.Join(a.shut(), a.records.close(), a.lock.Close())
}

func (a *Archive) shut() error {
	if a.db == nil {
		return nil
	}
	err := errors.Join(a.db.Close(), a.logs.close())
	a.db, a.logs = nil, nil
	return err
}

// milli is an instant as the TSDB has it.
func milli(at wattline.Time) int64 { return at.UnixMilli() }
