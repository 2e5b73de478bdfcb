package registry

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// removedFor is how long a removed device is remembered, so that whoever was
// away when it was removed is told again.
const removedFor = 7 * 24 * time.Hour

// migrations make the file: the devices as they are published, and those that
// were removed, with the milliseconds since the Unix epoch.
func migrations() []string {
	return []string{`
		CREATE TABLE devices (id TEXT PRIMARY KEY, description TEXT NOT NULL) STRICT, WITHOUT ROWID;
		CREATE TABLE removed (id TEXT PRIMARY KEY, at_ms INTEGER NOT NULL) STRICT, WITHOUT ROWID;`}
}

// file is the registry on disk.
type file struct{ db *sqlite.DB }

func openFile(ctx context.Context, path string, log *slog.Logger) (file, error) {
	db, err := sqlite.Open(ctx, path, sqlite.Options{Migrations: migrations(), SetAside: true, Log: log})
	return file{db}, err
}

// devices returns those that were published last, sorted by id.
func (f file) devices(ctx context.Context) ([]wattline.Device, error) {
	rows, err := f.db.Reader().QueryContext(ctx, "SELECT description FROM devices")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var devices []wattline.Device
	for rows.Next() {
		var description []byte
		var device wattline.Device
		if err := rows.Scan(&description); err != nil {
			return nil, err
		}
		if err := json.Unmarshal(description, &device); err != nil {
			return nil, fmt.Errorf("description of a device: %w", err)
		}
		devices = append(devices, device)
	}
	slices.SortFunc(devices, byID)
	return devices, rows.Err()
}

// removed returns the ids that were removed lately.
func (f file) removed(ctx context.Context) ([]string, error) {
	rows, err := f.db.Reader().QueryContext(ctx, "SELECT id FROM removed ORDER BY id")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var ids []string
	for rows.Next() {
		var id string
		if err := rows.Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, rows.Err()
}

// apply writes a difference in one transaction.
func (f file) apply(ctx context.Context, d difference, now time.Time) error {
	return f.db.Write(ctx, func(tx *sql.Tx) error {
		for _, device := range slices.Concat(d.added, d.changed) {
			description, err := json.Marshal(device)
			if err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO devices VALUES (?, ?)", device.ID, string(description)); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "DELETE FROM removed WHERE id = ?", device.ID); err != nil {
				return err
			}
		}
		for _, id := range d.removed {
			if _, err := tx.ExecContext(ctx, "DELETE FROM devices WHERE id = ?", id); err != nil {
				return err
			}
			if _, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO removed VALUES (?, ?)", id, now.UnixMilli()); err != nil {
				return err
			}
		}
		_, err := tx.ExecContext(ctx, "DELETE FROM removed WHERE at_ms < ?", now.Add(-removedFor).UnixMilli())
		return err
	})
}

// difference is what has to be done to get from one list of devices to another.
type difference struct {
	added, changed []wattline.Device
	removed        []string
}

func (d difference) isZero() bool { return len(d.added)+len(d.changed)+len(d.removed) == 0 }

func differ(before, after []wattline.Device) difference {
	had := make(map[string]wattline.Device, len(before))
	for _, device := range before {
		had[device.ID] = device
	}
	var d difference
	for _, device := range after {
		old, known := had[device.ID]
		delete(had, device.ID)
		switch {
		case !known:
			d.added = append(d.added, device)
		case !old.Equal(device):
			d.changed = append(d.changed, device)
		}
	}
	for id := range had {
		d.removed = append(d.removed, id)
	}
	slices.Sort(d.removed)
	return d
}

func byID(a, b wattline.Device) int { return strings.Compare(a.ID, b.ID) }
