package persist

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"github.com/wattline/wattline/internal/sqlite"
)

// ledger is the hook's own copy of what is stored, on disk.
type ledger struct {
	path string
	log  *slog.Logger
	db   *sqlite.DB
}

func schema() []string {
	return []string{`CREATE TABLE stream(
		name      TEXT    PRIMARY KEY,
		instance  TEXT    NOT NULL,
		stored    INTEGER NOT NULL,
		stored_at INTEGER NOT NULL, -- milliseconds since the Unix epoch
		known     INTEGER NOT NULL,
		above     TEXT    NOT NULL, -- JSON: the ranges stored above stored
		seen_at   INTEGER NOT NULL
	) STRICT, WITHOUT ROWID`}
}

// row is a stream on disk.
type row struct {
	name, instance         string
	stored, known          uint64
	storedAt, seenAtMillis int64
	above                  []byte
	changed                uint64 // not on disk: see stream
}

func rowOf(s *stream) (row, error) {
	above, err := json.Marshal(s.done)
	return row{
		name: s.name, instance: s.instance, stored: s.stored, known: s.known,
		storedAt: s.storedAt, seenAtMillis: s.seen.UnixMilli(), above: above, changed: s.changed,
	}, err
}

func openLedger(ctx context.Context, path string, log *slog.Logger) (*ledger, error) {
	l := &ledger{path: path, log: log}
	return l, l.open(ctx)
}

func (l *ledger) open(ctx context.Context) (err error) {
	l.db, err = sqlite.Open(ctx, l.path, sqlite.Options{Migrations: schema(), SetAside: true, Readers: 1, Log: l.log})
	return err
}

func (l *ledger) close() error {
	if l.db == nil {
		return nil
	}
	return l.db.Close()
}

// load reads the streams. One that makes no sense is left out: it will be asked
// for again from its beginning.
func (l *ledger) load(ctx context.Context, into *book) error {
	rows, err := l.db.Reader().QueryContext(ctx,
		"SELECT name, instance, stored, stored_at, known, above, seen_at FROM stream")
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r row
		if err := rows.Scan(&r.name, &r.instance, &r.stored, &r.storedAt, &r.known, &r.above, &r.seenAtMillis); err != nil {
			return err
		}
		s := into.follow(r.name, time.UnixMilli(r.seenAtMillis))
		s.instance = r.instance
		s.track, err = trackOf(r)
		if err != nil {
			l.log.Warn("what was noted of a stream makes no sense; it is read again", "stream", r.name, "error", err)
			s.track = track{}
			continue
		}
		s.saved, s.onDisk = s.changed, s.stored
	}
	return rows.Err()
}

func trackOf(r row) (track, error) {
	t := track{stored: r.stored, storedAt: r.storedAt, known: max(r.known, r.stored)}
	var above spans
	if err := json.Unmarshal(r.above, &above); err != nil {
		return t, err
	}
	if r.stored > maxSeq || r.known > maxSeq {
		return t, errors.New("a number is too large")
	}
	for _, one := range above {
		if one.From > one.To || one.From <= r.stored || one.To > maxSeq {
			return t, fmt.Errorf("range %d to %d", one.From, one.To)
		}
		t.settle(one)
	}
	return t, nil
}

// save writes rows and deletes others, all or nothing. A damaged file is set
// aside; the error then says so and the next save has to bring every row.
func (l *ledger) save(ctx context.Context, rows []row, deleted []string) error {
	err := l.write(ctx, rows, deleted)
	if !sqlite.IsDamaged(err) {
		return err
	}
	closeErr := l.db.Close()
	aside, moveErr := sqlite.SetAside(l.path)
	l.log.Error("ledger of the hook was damaged; it is set aside and made anew", "file", l.path, "set_aside", aside, "error", err)
	return errors.Join(errReplaced, closeErr, moveErr, l.open(ctx))
}

var errReplaced = errors.New("the ledger was damaged and is made anew")

func (l *ledger) write(ctx context.Context, rows []row, deleted []string) error {
	if l.db == nil {
		if err := l.open(ctx); err != nil {
			return err
		}
	}
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		for _, r := range rows {
			_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO stream VALUES (?,?,?,?,?,?,?)",
				r.name, r.instance, r.stored, r.storedAt, r.known, string(r.above), r.seenAtMillis)
			if err != nil {
				return err
			}
		}
		for _, name := range deleted {
			if _, err := tx.ExecContext(ctx, "DELETE FROM stream WHERE name = ?", name); err != nil {
				return err
			}
		}
		return nil
	})
}
