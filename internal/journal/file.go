package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// columns are those of a reading besides its number, in thousandths of their
// units. SQLite keeps small numbers in few bytes: a row takes about 50.
const columns = "device, time_ms, power_w, voltage_v, current_a, energy_wh, meter_wh, relay_on, rssi_dbm, covers_s, quality"

const columnTypes = `
	device    TEXT    NOT NULL,
	time_ms   INTEGER NOT NULL,
	power_w   INTEGER NOT NULL,
	voltage_v INTEGER NOT NULL,
	current_a INTEGER NOT NULL,
	energy_wh INTEGER NOT NULL,
	meter_wh  INTEGER NOT NULL,
	relay_on  INTEGER NOT NULL,
	rssi_dbm  INTEGER NOT NULL,
	covers_s  INTEGER NOT NULL,
	quality   INTEGER NOT NULL`

// The table last repeats each device's newest reading, in the transaction of
// the reading itself. Its greatest number is therefore the journal's last, even
// when every reading has been trimmed.
const schema = `
CREATE TABLE stream(name TEXT NOT NULL) STRICT;
CREATE TABLE reading(seq INTEGER PRIMARY KEY,` + columnTypes + `) STRICT;
CREATE TABLE last(seq INTEGER NOT NULL,` + columnTypes + `, PRIMARY KEY (device)) STRICT, WITHOUT ROWID;
CREATE TABLE hook(name TEXT PRIMARY KEY, seq INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT, WITHOUT ROWID;`

// addMemo: what its collector has to know to go on from a device's newest reading.
const addMemo = `ALTER TABLE last ADD COLUMN memo BLOB NOT NULL DEFAULT x''`

func migrations() []string { return []string{schema, addMemo} }

const (
	insertReading = "INSERT INTO reading(seq, " + columns + ") VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
	upsertLast    = "INSERT OR REPLACE INTO last(seq, " + columns + ", memo) VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?)"
	upsertHook    = "INSERT OR REPLACE INTO hook(name, seq, forgotten) VALUES (?,?,?)"
	deleteUpTo    = "DELETE FROM reading WHERE seq <= ?"
	selectPage    = "SELECT seq, " + columns + " FROM reading WHERE seq BETWEEN ? AND ? ORDER BY seq LIMIT ?"
	selectLast    = "SELECT seq, " + columns + ", memo FROM last"
	// selectLastOld is for a file that was not brought up to date.
	selectLastOld = "SELECT seq, " + columns + ", x'' FROM last"
	// A reading with a quality of ? was made up for a day long past and has no age.
	selectTime = "SELECT time_ms FROM reading WHERE seq >= ? AND quality & ? = 0 ORDER BY seq LIMIT 1"
	// selectOlder is the last of the first ? readings before one that is not older
	// than ?; NULL if there is none.
	selectOlder = `WITH oldest AS (SELECT seq, time_ms FROM reading WHERE quality & ? = 0 ORDER BY seq LIMIT ?)
		SELECT max(seq) FROM oldest WHERE seq < coalesce((SELECT min(seq) FROM oldest WHERE time_ms >= ?), 1 << 62)`
)

// file is an open SQLite file with the statements that every commit needs.
type file struct {
	db     *sqlite.DB
	insert *sql.Stmt
	upsert *sql.Stmt
}

// openFile opens or makes the file. A new one begins with the seed: its stream
// and, where the seed has them, what the file before it knew.
func openFile(ctx context.Context, options Options, seed state) (*file, state, error) {
	db, err := sqlite.Open(ctx, options.Path, sqlite.Options{
		Migrations: migrations(), SetAside: true, Log: options.Log,
	})
	if err != nil {
		return nil, state{}, err
	}
	if aside := db.SetAsideAs(); aside != "" {
		seed.aside = aside
	}
	f := &file{db: db}
	found, err := f.load(ctx, options.Log, seed)
	switch {
	case err == nil:
		return f, found, nil
	case sqlite.IsDamaged(err) && seed.aside == "":
		// Too large to be checked when it was opened, and damaged.
		if seed.aside, err = f.setAside(options, err); err != nil {
			return nil, state{}, err
		}
		return openFile(ctx, options, seed)
	}
	return nil, state{}, errors.Join(err, db.Close())
}

// setAside closes a damaged file and gives it another name, which it logs.
func (f *file) setAside(options Options, damage error) (string, error) {
	closeErr := f.db.Close()
	aside, err := sqlite.SetAside(options.Path)
	if err != nil {
		return "", errors.Join(err, closeErr)
	}
	options.Log.Error("journal file was damaged; it was set aside and a new one begun",
		"file", options.Path, "set_aside", aside, "error", damage)
	return aside, nil
}

// load reads what the writer has to know and prepares its statements.
func (f *file) load(ctx context.Context, log *slog.Logger, seed state) (state, error) {
	found := state{aside: seed.aside, newest: map[string]newest{}, hooks: map[string]mark{}}
	db := f.db.Writer()
	var err error
	if f.insert, err = db.PrepareContext(ctx, insertReading); err != nil {
		return found, err
	}
	if f.upsert, err = db.PrepareContext(ctx, upsertLast); err != nil {
		return found, err
	}
	err = db.QueryRowContext(ctx, "SELECT name FROM stream").Scan(&found.stream)
	if errors.Is(err, sql.ErrNoRows) {
		found.stream = seed.stream
		err = f.begin(ctx, log, seed)
	}
	if err != nil {
		return found, err
	}
	if err := sqlite.Rows(db.QueryContext(ctx, selectLast)).Each(found.readNewest); err != nil {
		return found, err
	}
	if err := sqlite.Rows(db.QueryContext(ctx, "SELECT name, seq, forgotten FROM hook")).Each(found.readHook); err != nil {
		return found, err
	}
	var first, last sql.Null[uint64]
	err = db.QueryRowContext(ctx, "SELECT (SELECT min(seq) FROM reading), (SELECT max(seq) FROM reading)").Scan(&first, &last)
	if err != nil {
		return found, err
	}
	found.last = max(found.last, last.V)
	found.first = found.last + 1
	if first.Valid {
		found.first = first.V
	}
	found.bytes, err = f.db.UsedBytes(ctx)
	return found, err
}

// begin makes a new file's content out of the seed, all of it or nothing.
func (f *file) begin(ctx context.Context, log *slog.Logger, seed state) error {
	if seed.newest == nil && seed.aside != "" {
		seed.newest = salvage(ctx, log, seed.aside)
	}
	return f.db.Write(ctx, func(tx *sql.Tx) error {
		for _, last := range seed.newest {
			if _, err := tx.StmtContext(ctx, f.upsert).ExecContext(ctx, last.values()...); err != nil {
				return err
			}
		}
		for name, m := range seed.hooks {
			if _, err := tx.ExecContext(ctx, upsertHook, name, m.seq, m.forgotten); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "INSERT INTO stream VALUES (?)", seed.stream)
		return err
	})
}

// salvage reads the newest readings, on which the energy counters stand, out of
// a damaged file as far as that is possible. In the stream that follows they
// have no number.
func salvage(ctx context.Context, log *slog.Logger, aside string) map[string]newest {
	found := map[string]newest{}
	take := func(rows *sql.Rows) error {
		last, err := scanNewest(rows, "")
		last.reading.Seq = 0
		if err == nil && last.reading.Validate() == nil && len(last.memo) <= MaxMemo {
			found[last.reading.Device] = last
		}
		return nil
	}
	err := sqlite.Salvage(ctx, aside, selectLast, take)
	if len(found) == 0 {
		err = sqlite.Salvage(ctx, aside, selectLastOld, take)
	}
	log.Info("newest readings were read out of the damaged journal file", "devices", len(found), "ended_by", err)
	return found
}

func (s *state) readNewest(rows *sql.Rows) error {
	last, err := scanNewest(rows, s.stream)
	if err != nil {
		return err
	}
	if last.reading.Seq == 0 { // salvaged
		last.reading.Stream = ""
	}
	s.newest[last.reading.Device] = last
	s.last = max(s.last, last.reading.Seq)
	return nil
}

func (s *state) readHook(rows *sql.Rows) error {
	var name string
	var m mark
	err := rows.Scan(&name, &m.seq, &m.forgotten)
	s.hooks[name] = m
	return err
}

func values(r wattline.Reading) []any {
	return []any{
		int64(r.Seq), r.Device, r.Time.UnixMilli(), int64(r.PowerW), int64(r.VoltageV), int64(r.CurrentA),
		int64(r.EnergyWh), int64(r.MeterWh), r.Relay == wattline.RelayOn, r.RSSIdBm, int64(r.CoversS), int64(r.Quality),
	}
}

func (n newest) values() []any { return append(values(n.reading), append([]byte{}, n.memo...)) }

func scanNewest(rows *sql.Rows, stream string) (last newest, err error) {
	last.reading, err = scan(rows, stream, &last.memo)
	return last, err
}

// scan reads a row, which has the columns of more after those of the reading.
func scan(rows *sql.Rows, stream string, more ...any) (wattline.Reading, error) {
	r := wattline.Reading{Stream: stream}
	var timeMS int64
	var on bool
	err := rows.Scan(append([]any{
		&r.Seq, &r.Device, &timeMS, &r.PowerW, &r.VoltageV, &r.CurrentA,
		&r.EnergyWh, &r.MeterWh, &on, &r.RSSIdBm, &r.CoversS, &r.Quality,
	}, more...)...)
	if err != nil {
		return r, fmt.Errorf("row %d: %w", r.Seq, err)
	}
	r.Time, r.Relay = wattline.AtMilli(timeMS), wattline.RelayOf(on)
	return r, nil
}
