package registry

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// removedFor is how long a removed device is remembered, so that whoever was
// away when it was removed is told again.
const removedFor = 7 * 24 * time.Hour

// migrations make the file: the devices as they are published, those that were
// removed lately, with the milliseconds since the Unix epoch, and what each that was
// ever removed was then.
func migrations() []string {
	return []string{
		`
		CREATE TABLE devices (id TEXT PRIMARY KEY, description TEXT NOT NULL) STRICT, WITHOUT ROWID;
		CREATE TABLE removed (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;`,
		`CREATE TABLE former (id TEXT PRIMARY KEY, description TEXT NOT NULL) STRICT, WITHOUT ROWID;`,
	}
}

// file is the registry on disk.
type file struct{ db *sqlite.DB }

func openFile(ctx context.Context, path string, log *slog.Logger) (file, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: migrations(), SetAside: true, Log: log})
	return file{db}, err
}

// devices returns those that were published last, sorted by id.
func (f file) devices(ctx context.Context) ([]wattline.Device, error) {
	var devices []wattline.Device
	err := sqlite.Rows(f.db.Reader().QueryContext(ctx, "SELECT description FROM devices")).Each(func(rows *sql.Rows) error {
		var description []byte
		var device wattline.Device
		if err := rows.Scan(&description); err != nil {
			return err
		}
		if err := json.Unmarshal(description, &device); err != nil {
			return fmt.Errorf("description of a device: %w", err)
		}
		device.Source = cmp.Or(device.Source, wattline.SourceConfiguration) // all were, once
		devices = append(devices, device)
		return nil
	})
	slices.SortFunc(devices, byID)
	return devices, err
}

// removed returns the ids that were removed lately.
func (f file) removed(ctx context.Context) ([]string, error) {
	var ids []string
	err := sqlite.Rows(f.db.Reader().QueryContext(ctx, "SELECT id FROM removed ORDER BY id")).Each(func(rows *sql.Rows) error {
		var id string
		err := rows.Scan(&id)
		ids = append(ids, id)
		return err
	})
	return ids, err
}

// former is what a device was when it was removed; false where none of that id was.
func (f file) former(ctx context.Context, id string) (device wattline.Device, was bool, err error) {
	var description []byte
	err = f.db.Reader().QueryRowContext(ctx, "SELECT description FROM former WHERE id = ?", id).Scan(&description)
	if errors.Is(err, sql.ErrNoRows) {
		return device, false, nil
	}
	if err == nil {
		err = json.Unmarshal(description, &device)
	}
	return device, err == nil, err
}

// apply writes the steps in one transaction.
func (f file) apply(ctx context.Context, steps []step, now time.Time) error {
	return f.db.Write(ctx, func(tx *sql.Tx) error {
		for _, s := range steps {
			if err := write(ctx, tx, s, now); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM removed WHERE at_ms < ?", now.Add(-removedFor).UnixMilli())
		return err
	})
}

func write(ctx context.Context, tx *sql.Tx, s step, now time.Time) error {
	if s.after == nil {
		description, err := json.Marshal(s.before)
		if err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO former VALUES (?, ?)", s.before.ID, string(description)); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "DELETE FROM devices WHERE id = ?", s.before.ID); err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, "INSERT OR REPLACE INTO removed VALUES (?, ?)", s.before.ID, now.UnixMilli())
		return err
	}
	description, err := json.Marshal(s.after)
	if err != nil {
		return err
	}
	if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO devices VALUES (?, ?)", s.after.ID, string(description)); err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, "DELETE FROM removed WHERE id = ?", s.after.ID)
	return err
}
