package commandlog

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"errors"
	"time"
)

// Key is a request that its asker may send again and wants carried out once.
type Key struct {
	// Principal is who asks: everybody's keys are apart.
	Principal string
	Key       string
	// Request is a digest of all that matters of the request.
	Request [sha256.Size]byte
}

// Claim is what is known of a key.
type Claim int

// The claims.
const (
	// Fresh: nobody has used the key; it is the caller's, who must Answer it.
	Fresh Claim = iota
	// Reused: the key was used for another request.
	Reused
	// UnderWay: the same request is being carried out.
	UnderWay
	// Interrupted: the same request was under way when an earlier process ended; its
	// commands are under the batch.
	Interrupted
	// Answered: the same request was answered.
	Answered
	// Full: as much is remembered for the principal as may be; the key was not taken.
	Full
)

// Claimed is what became of an attempt to claim a key.
type Claimed struct {
	Claim Claim
	// Batch is the id under which the commands of the request are.
	Batch string
	// Status and Answer are those that were given; the answer is nil if it is not
	// repeated word for word.
	Status int
	Answer []byte
	// Wait is, of Full, for how long the principal's oldest key is still remembered.
	Wait time.Duration
}

// Claim takes a key for a request whose commands will be noted under a batch's id,
// unless it is taken. It is on disk when it returns without an error, and not taken
// when it returns with one. The context ends no more than the wait for the queue.
func (l *Log) Claim(ctx context.Context, key Key, batch string) (Claimed, error) {
	var claimed Claimed // of the writer, until now returns without an error
	err := l.now(ctx, func(ctx context.Context, tx *sql.Tx) (err error) {
		claimed, err = l.claim(ctx, tx, key, batch)
		return err
	})
	if err != nil {
		l.Release(key, batch)
		return Claimed{}, err
	}
	return claimed, nil
}

func (l *Log) claim(ctx context.Context, tx *sql.Tx, key Key, batch string) (Claimed, error) {
	now := time.Now()
	var found Claimed
	var request []byte
	var interrupted bool
	err := tx.QueryRowContext(ctx, "SELECT request, batch, interrupted, status, answer FROM keys WHERE principal = ? AND key = ? AND at_ms >= ?",
		key.Principal, key.Key, now.Add(-KeyAge).UnixMilli()).Scan(&request, &found.Batch, &interrupted, &found.Status, &found.Answer)
	switch {
	case errors.Is(err, sql.ErrNoRows):
		return l.take(ctx, tx, key, batch, now)
	case err != nil:
		return Claimed{}, err
	case string(request) != string(key.Request[:]):
		found.Claim = Reused
	case found.Status != 0:
		found.Claim = Answered
	case interrupted:
		found.Claim = Interrupted
	default:
		found.Claim = UnderWay
	}
	return found, nil
}

// take notes a key, unless its principal has no room for one more: a key that is
// remembered for a day is not forgotten for another.
func (l *Log) take(ctx context.Context, tx *sql.Tx, key Key, batch string, now time.Time) (Claimed, error) {
	since := now.Add(-KeyAge).UnixMilli()
	var keys, bytes, oldest int64
	if err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(length(answer)), 0), coalesce(min(at_ms), 0)
		FROM keys WHERE principal = ? AND at_ms >= ?`, key.Principal, since).Scan(&keys, &bytes, &oldest); err != nil {
		return Claimed{}, err
	}
	if keys >= int64(l.options.MaxKeys) || bytes >= l.options.MaxAnswerBytes {
		return Claimed{Claim: Full, Wait: time.Duration(oldest-since+1) * time.Millisecond}, nil
	}
	_, err := tx.ExecContext(ctx, "INSERT OR REPLACE INTO keys (principal, key, request, batch, at_ms) VALUES (?, ?, ?, ?, ?)",
		key.Principal, key.Key, key.Request[:], batch, now.UnixMilli())
	return Claimed{Claim: Fresh, Batch: batch}, err
}

// Answer notes what a claimed request was answered: from now on it is repeated. It
// is on disk when it returns without an error.
func (l *Log) Answer(ctx context.Context, key Key, status int, answer []byte) error {
	return l.now(ctx, func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE keys SET status = ?, answer = ? WHERE principal = ? AND key = ?", status, answer, key.Principal, key.Key)
		return err
	})
}

// Release gives back a key that was claimed for a batch: nothing was done.
func (l *Log) Release(key Key, batch string) {
	l.later(func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "DELETE FROM keys WHERE principal = ? AND key = ? AND batch = ? AND status = 0", key.Principal, key.Key, batch)
		return err
	})
}

// interrupt marks the requests that an earlier process left unanswered, forgets
// those of which nothing had been given, and whatever is beyond the bounds by now.
func (l *Log) interrupt(ctx context.Context) error {
	return l.db.Write(ctx, func(tx *sql.Tx) error {
		if _, err := tx.ExecContext(ctx, "DELETE FROM keys WHERE status = 0 AND batch NOT IN (SELECT batch FROM commands)"); err != nil {
			return err
		}
		if _, err := tx.ExecContext(ctx, "UPDATE keys SET interrupted = 1 WHERE status = 0"); err != nil {
			return err
		}
		return l.prune(ctx, tx)
	})
}
