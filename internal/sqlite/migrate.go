package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
)

// ErrNewer is in the chain when a later version of the program made the file.
var ErrNewer = errors.New("the file was made by a later version")

// migrate does the steps that the file has not seen, each in a transaction of
// its own together with its number.
func migrate(ctx context.Context, db *sql.DB, steps []string) error {
	var done int
	if err := db.QueryRowContext(ctx, "PRAGMA user_version").Scan(&done); err != nil {
		return err
	}
	if done > len(steps) {
		return fmt.Errorf("schema %d, known are %d: %w", done, len(steps), ErrNewer)
	}
	for i := done; i < len(steps); i++ {
		if err := step(ctx, db, steps[i], i+1); err != nil {
			return fmt.Errorf("migration %d: %w", i+1, err)
		}
	}
	return nil
}

func step(ctx context.Context, db *sql.DB, statements string, number int) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // after a commit there is nothing to undo
	if _, err := tx.ExecContext(ctx, statements); err != nil {
		return err
	}
	// A pragma takes no parameters; the number is our own.
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA user_version = %d", number)); err != nil {
		return err
	}
	return tx.Commit()
}
