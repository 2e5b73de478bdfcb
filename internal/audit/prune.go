package audit

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// pruneAction is that of the record which says what was removed because of its age.
const pruneAction = "audit.prune"

// pruned is the detail of such a record. The chain vouches for it, so that the
// records which are left are known to begin where they should.
func pruned(base Head) string { return "up to " + base.String() }

// Prune removes the records that are older than the retention. The last one that is
// removed becomes the base of the chain, and a record says so.
func (l *Log) Prune(ctx context.Context, now time.Time) error {
	if l.options.Retention <= 0 {
		return nil
	}
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		base, err := lastBefore(ctx, tx, now.Add(-l.options.Retention))
		if errors.Is(err, sql.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := setMark(ctx, tx, baseMark, base); err != nil {
			return err
		}
		result, err := tx.ExecContext(ctx, `DELETE FROM records WHERE seq <= ?`, base.Seq)
		if err != nil {
			return err
		}
		removed, err := result.RowsAffected()
		if err != nil {
			return err
		}
		l.log.Info("old records of the audit were removed", "records", removed, "last_removed", base.String())
		entry := Entry{Who: System, Action: pruneAction, Outcome: Done, Detail: pruned(base)}
		return add(ctx, tx, wattline.At(now), []Entry{entry})
	})
}

// lastBefore is the last record of those that come before the first which is to be
// kept. Times need not be in order: clocks are set.
func lastBefore(ctx context.Context, tx *sql.Tx, cutoff time.Time) (Head, error) {
	var last Head
	err := tx.QueryRowContext(ctx, `
		SELECT seq, hash FROM records
		WHERE seq < coalesce((SELECT min(seq) FROM records WHERE at_ms >= ?), 9223372036854775807)
		ORDER BY seq DESC LIMIT 1`, cutoff.UnixMilli()).Scan(&last.Seq, sqlite.Hash(&last.Hash))
	if err != nil && !errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("look for old records: %w", err)
	}
	return last, err
}
