package accounts

import (
	"context"
	"database/sql"
	"time"

	"github.com/wattline/wattline/internal/sqlite"
)

// place is where a user has signed in before: an office behind one address has many.
// Guesses there count for that user alone, so that nobody keeps the others out.
type place struct{ user, address string }

const (
	// placeLife is for how long a place is known after the last sign-in there.
	placeLife = 90 * 24 * time.Hour
	// maxPlaces of one user; the one that was used longest ago makes room.
	maxPlaces = 50
)

func loadPlaces(ctx context.Context, tx *sql.Tx, next *known) error {
	return sqlite.Rows(tx.QueryContext(ctx, `SELECT user, address, used_ms FROM places`)).Each(func(rows *sql.Rows) error {
		var p place
		var used int64
		if err := rows.Scan(&p.user, &p.address, &used); err != nil {
			return err
		}
		next.places[p] = time.UnixMilli(used).Add(placeLife)
		return nil
	})
}

// note keeps that a user has signed in somewhere.
func (p place) note(ctx context.Context, tx *sql.Tx, now time.Time) error {
	_, err := tx.ExecContext(ctx, `INSERT INTO places VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET used_ms = excluded.used_ms`,
		p.user, p.address, now.UnixMilli())
	if err != nil {
		return err
	}
	_, err = tx.ExecContext(ctx, `
		DELETE FROM places WHERE user = ? AND address NOT IN (
			SELECT address FROM places WHERE user = ? ORDER BY used_ms DESC, address LIMIT ?)`, p.user, p.user, maxPlaces)
	return err
}

// wait is how long it takes until a password may be tried.
func (g *guards) wait(p place, isKnown bool) time.Duration {
	if isKnown {
		return g.places.Wait(p.user + "@" + p.address)
	}
	return max(g.addresses.Wait(p.address), g.names.Wait(p.user))
}

// failed counts a wrong password. Where a user has signed in before, it does not count
// for the name elsewhere: that would let one place lock out another.
func (g *guards) failed(p place, isKnown bool) {
	g.addresses.Take(p.address)
	if isKnown {
		g.places.Take(p.user + "@" + p.address)
	} else {
		g.names.Take(p.user)
	}
}
