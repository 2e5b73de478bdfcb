package influx1

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// scratch sorts points by device and time on disk, and puts the power and the
// status of one instant together. Of two powers of one instant the later in the
// file stays, as it did in InfluxDB. It is for one goroutine.
type scratch struct {
	path    string
	db      *sqlite.DB
	tx      *sql.Tx
	insert  *sql.Stmt
	pending []any
	inTx    int
}

const (
	// rowsAtOnce is how many rows a statement inserts, and commitEvery how many a
	// transaction.
	rowsAtOnce  = 100
	commitEvery = 200_000
	columns     = 4
)

// openScratch begins anew: what an import left that was ended is of no use.
func openScratch(ctx context.Context, path string) (*scratch, error) {
	if err := removeScratch(path); err != nil {
		return nil, err
	}
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: []string{
		`CREATE TABLE point (device INTEGER NOT NULL, at INTEGER NOT NULL, power INTEGER, relay INTEGER,
			PRIMARY KEY (device, at)) WITHOUT ROWID, STRICT`,
	}})
	if err != nil {
		return nil, err
	}
	// Nobody needs the file after a crash.
	if _, err := db.Writer().ExecContext(ctx, "PRAGMA synchronous = OFF"); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &scratch{path: path, db: db}, nil
}

func removeScratch(path string) error {
	for _, suffix := range []string{"", "-wal", "-shm"} {
		if err := os.Remove(path + suffix); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("remove a scratch file: %w", err)
		}
	}
	return nil
}

// close removes the file.
func (s *scratch) close() error {
	var err error
	if s.tx != nil {
		err = s.tx.Rollback()
	}
	return errors.Join(err, s.db.Close(), removeScratch(s.path))
}

func (s *scratch) add(ctx context.Context, device int, p point) error {
	var watts, relay any
	if p.power != nil {
		watts = int64(*p.power)
	}
	if p.relay != "" {
		relay = p.relay == wattline.RelayOn
	}
	s.pending = append(s.pending, device, p.at.UnixMilli(), watts, relay)
	if len(s.pending) < rowsAtOnce*columns {
		return nil
	}
	return s.flush(ctx)
}

// flush writes what is pending.
func (s *scratch) flush(ctx context.Context) (err error) {
	if s.tx == nil {
		if s.tx, err = s.db.Writer().BeginTx(ctx, nil); err != nil {
			return err
		}
		if s.insert, err = s.tx.PrepareContext(ctx, statement(rowsAtOnce)); err != nil {
			return err
		}
	}
	rows := len(s.pending) / columns
	if rows == rowsAtOnce {
		_, err = s.insert.ExecContext(ctx, s.pending...)
	} else {
		_, err = s.tx.ExecContext(ctx, statement(rows), s.pending...)
	}
	s.pending = s.pending[:0]
	if s.inTx += rows; err != nil || s.inTx < commitEvery {
		return err
	}
	return s.commit()
}

// commit ends the transaction.
func (s *scratch) commit() error {
	tx := s.tx
	s.tx, s.insert, s.inTx = nil, nil, 0
	return tx.Commit()
}

func statement(rows int) string {
	return "INSERT INTO point (device, at, power, relay) VALUES (?,?,?,?)" + strings.Repeat(",(?,?,?,?)", rows-1) +
		" ON CONFLICT DO UPDATE SET power = coalesce(excluded.power, power), relay = coalesce(excluded.relay, relay)"
}

// done ends the adding: from here on rows are read.
func (s *scratch) done(ctx context.Context) error {
	if len(s.pending) > 0 {
		if err := s.flush(ctx); err != nil {
			return err
		}
	}
	if s.tx == nil {
		return nil
	}
	return s.commit()
}

// row is what there is of a device at an instant.
type row struct {
	at    int64 // in milliseconds
	power sql.Null[int64]
	relay sql.Null[bool]
}

// rows walks a device's rows of [from, to) in the order of time, in milliseconds.
// An error is the last thing it gives.
func (s *scratch) rows(ctx context.Context, device int, from, to int64) iter.Seq2[row, error] {
	return func(yield func(row, error) bool) {
		found, err := s.db.Reader().QueryContext(ctx,
			"SELECT at, power, relay FROM point WHERE device = ? AND at >= ? AND at < ? ORDER BY at", device, from, to)
		if err != nil {
			yield(row{}, err)
			return
		}
		defer found.Close()
		for found.Next() {
			var r row
			if err := found.Scan(&r.at, &r.power, &r.relay); err != nil {
				yield(row{}, err)
				return
			}
			if !yield(r, nil) {
				return
			}
		}
		if err := found.Err(); err != nil {
			yield(row{}, err)
		}
	}
}

// outline is what a device's rows come to.
type outline struct {
	readings    int64 // rows with a power
	first, last int64 // of these, in milliseconds
	// relayBefore is the last status at the first reading or before it, and
	// relayAfter the first one after it; empty if there is none.
	relayBefore, relayAfter wattline.Relay
}

func (s *scratch) outline(ctx context.Context, device int) (o outline, err error) {
	err = s.db.Reader().QueryRowContext(ctx,
		"SELECT count(*), coalesce(min(at), 0), coalesce(max(at), 0) FROM point WHERE device = ? AND power IS NOT NULL", device,
	).Scan(&o.readings, &o.first, &o.last)
	if err != nil {
		return o, err
	}
	if o.relayBefore, err = s.relay(ctx, "at <= ? ORDER BY at DESC", device, o.first); err != nil {
		return o, err
	}
	o.relayAfter, err = s.relay(ctx, "at > ? ORDER BY at", device, o.first)
	return o, err
}

// relay is the first status that a condition on the time finds; empty if none.
func (s *scratch) relay(ctx context.Context, condition string, device int, at int64) (wattline.Relay, error) {
	var on bool
	err := s.db.Reader().QueryRowContext(ctx,
		"SELECT relay FROM point WHERE device = ? AND relay IS NOT NULL AND "+condition+" LIMIT 1", device, at).Scan(&on)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return "", nil
	case err != nil:
		return "", err
	}
	return wattline.RelayOf(on), nil
}
