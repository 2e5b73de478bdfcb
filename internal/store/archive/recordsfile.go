package archive

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"runtime"
	"sync"

	"github.com/wattline/wattline/internal/sqlite"
	"github.com/wattline/wattline/internal/store/quarters"
)

// recordsFile is where the quarter-hours are, in the archive's folder.
const recordsFile = "quarter-hours.sqlite"

// dayBits is how much of a record's key is its day; the rest is the device's
// number, so that a device's days lie next to one another.
const dayBits = 20

// schema keeps the quarter-hours apart from the days and hours, which are read
// far more often and for longer.
func schema() []string {
	return []string{`
CREATE TABLE device(number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, since INTEGER) STRICT;
CREATE TABLE day(key INTEGER PRIMARY KEY, sealed BLOB NOT NULL, day BLOB NOT NULL, hours BLOB NOT NULL) STRICT;
CREATE TABLE quarters(key INTEGER PRIMARY KEY, quarters BLOB NOT NULL) STRICT;`}
}

// selects are the questions by level. The first argument is a JSON array of the
// devices' numbers, the others the first and last day.
func selects() map[quarters.Level]string {
	const of = " FROM json_each(?1) AS device CROSS JOIN day ON day.key BETWEEN device.value << %[1]d | ?2 AND device.value << %[1]d | ?3"
	from := fmt.Sprintf(of, dayBits)
	return map[quarters.Level]string{
		quarters.SealedOnly: "SELECT day.key, sealed, NULL" + from,
		quarters.Days:       "SELECT day.key, sealed, day" + from,
		quarters.Hours:      "SELECT day.key, sealed, hours" + from,
		quarters.Quarters:   "SELECT day.key, sealed, quarters" + from + " JOIN quarters ON quarters.key = day.key",
	}
}

// records is a quarters.Kept in an SQLite file. A file that turns out to be
// damaged is set aside, and lost is called.
type records struct {
	path string
	log  *slog.Logger
	lost func()

	// open guards what follows against being replaced while it is used.
	open   sync.RWMutex
	db     *sqlite.DB // nil while it could not be begun anew
	read   map[quarters.Level]*sql.Stmt
	closed bool

	mu      sync.Mutex
	devices map[string]recorded // all that the file has
}

var _ quarters.Kept = (*records)(nil)

var errNoRecords = errors.New("the file of quarter-hours could not be opened anew")

// recorded is what the file has of a device.
type recorded struct {
	number int64
	since  quarters.Day
	known  bool // whether since is
}

func openRecords(ctx context.Context, dir string, log *slog.Logger) (*records, error) {
	r := &records{path: filepath.Join(dir, recordsFile), log: log, lost: func() {}}
	if err := r.begin(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// begin opens the file; the caller alone uses the records.
func (r *records) begin(ctx context.Context) error {
	options := sqlite.Options{Migrations: schema(), SetAside: true, Readers: runtime.GOMAXPROCS(0), Log: r.log}
	db, err := sqlite.Open(ctx, r.path, options)
	if err != nil {
		return err
	}
	if db.SetAsideAs() != "" {
		r.lost()
	}
	devices, err := loadDevices(ctx, db)
	if err != nil {
		return errors.Join(err, db.Close())
	}
	read := map[quarters.Level]*sql.Stmt{}
	for level, query := range selects() {
		if read[level], err = db.Reader().PrepareContext(ctx, query); err != nil {
			return errors.Join(err, db.Close())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.db, r.read, r.devices = db, read, devices
	return nil
}

func loadDevices(ctx context.Context, db *sqlite.DB) (map[string]recorded, error) {
	devices := map[string]recorded{}
	err := sqlite.Rows(db.Reader().QueryContext(ctx, "SELECT id, number, since FROM device")).Each(func(rows *sql.Rows) error {
		var (
			id    string
			one   recorded
			since sql.NullInt32
		)
		if err := rows.Scan(&id, &one.number, &since); err != nil {
			return err
		}
		one.since, one.known = quarters.Day(since.Int32), since.Valid
		devices[id] = one
		return nil
	})
	return devices, err
}

// close ends it; calls that run are waited for.
func (r *records) close() error {
	r.open.Lock()
	defer r.open.Unlock()
	if r.closed {
		return nil
	}
	r.closed = true
	return r.end()
}

func (r *records) end() error {
	if r.db == nil {
		return nil
	}
	var err error
	for _, statement := range r.read {
		err = errors.Join(err, statement.Close())
	}
	err = errors.Join(err, r.db.Close())
	r.db = nil
	return err
}

// use runs a question or a change. Where the file is damaged, it begins a new one;
// again says that this was so, and that nothing of the change is kept.
func (r *records) use(ctx context.Context, do func() error) (again bool, err error) {
	r.open.RLock()
	db := r.db
	switch {
	case r.closed:
		err = errClosed
	case db == nil:
		err = errNoRecords
	default:
		err = do()
	}
	r.open.RUnlock()
	switch {
	case err == nil || errors.Is(err, errClosed):
		return false, err
	case ctx.Err() != nil:
		return false, ctx.Err()
	case db != nil && !sqlite.IsDamaged(err):
		return false, unavailable(fmt.Errorf("quarter-hours of the archive: %w", err))
	}
	if err := r.beginAnew(ctx, db, err); err != nil {
		return false, unavailable(err)
	}
	return true, nil
}

// beginAnew sets a damaged file aside, unless another call has done so.
func (r *records) beginAnew(ctx context.Context, damaged *sqlite.DB, cause error) error {
	r.open.Lock()
	defer r.open.Unlock()
	if r.closed || r.db != damaged {
		return nil
	}
	if damaged != nil {
		if err := r.end(); err != nil {
			r.log.Debug("closed the damaged quarter-hours of the archive", "error", err)
		}
		r.lost() // whether the file can be set aside or not
		aside, err := sqlite.SetAside(r.path)
		if err != nil {
			return fmt.Errorf("set aside the damaged quarter-hours: %w", err)
		}
		r.log.Error("the archive's file of quarter-hours was damaged; it was set aside, and is made anew from the readings that are kept",
			"file", r.path, "set_aside", aside, "error", cause)
	}
	return r.begin(context.WithoutCancel(ctx))
}
