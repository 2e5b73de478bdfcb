package commandlog

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

// migrations make the file. An outcome is empty until it is known. A key has a
// status when its request was answered, and an answer if that is to be repeated
// word for word; until then it is under way, or was interrupted.
func migrations() []string {
	return []string{`
		CREATE TABLE commands (
			seq INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, batch TEXT NOT NULL, device TEXT NOT NULL,
			asked_ms INTEGER NOT NULL, deadline_ms INTEGER NOT NULL, outcome TEXT NOT NULL, late INTEGER NOT NULL DEFAULT 0,
			result TEXT NOT NULL) STRICT;
		CREATE INDEX commands_batch ON commands (batch);
		CREATE INDEX commands_device ON commands (device, seq);
		CREATE INDEX commands_asked ON commands (asked_ms);
		CREATE TABLE keys (
			principal TEXT NOT NULL, key TEXT NOT NULL, request BLOB NOT NULL, batch TEXT NOT NULL, at_ms INTEGER NOT NULL,
			interrupted INTEGER NOT NULL DEFAULT 0, status INTEGER NOT NULL DEFAULT 0, answer BLOB,
			UNIQUE (principal, key)) STRICT;
		CREATE INDEX keys_at ON keys (at_ms);`, `
		CREATE INDEX keys_size ON keys (principal, at_ms, length(answer));`}
}

// Note notes commands that are about to be given, without waiting for the disk.
func (l *Log) Note(batch Batch) { l.later(insertBatch(batch)) }

// NoteNow is Note, on disk when it returns without an error; with one, nothing of the
// batch is kept. The context ends no more than the wait for the queue.
func (l *Log) NoteNow(ctx context.Context, batch Batch) error {
	err := l.now(ctx, insertBatch(batch))
	if err != nil {
		l.later(func(ctx context.Context, tx *sql.Tx) error {
			_, err := tx.ExecContext(ctx, "DELETE FROM commands WHERE batch = ?", batch.ID)
			return err
		})
	}
	return err
}

func insertBatch(batch Batch) func(context.Context, *sql.Tx) error {
	return func(ctx context.Context, tx *sql.Tx) error {
		statement, err := tx.PrepareContext(ctx, `INSERT INTO commands (id, batch, device, asked_ms, deadline_ms, outcome, result)
			VALUES (?, ?, ?, ?, ?, '', ?) ON CONFLICT (id) DO UPDATE SET batch = excluded.batch`)
		if err != nil {
			return err
		}
		defer statement.Close()
		for _, command := range batch.Commands {
			result, err := json.Marshal(wattline.Result{
				ID: command.ID, Device: command.Device, Action: command.Action, Actor: batch.Actor, Time: wattline.At(batch.Asked),
			})
			if err != nil {
				return err
			}
			if _, err := statement.ExecContext(ctx, command.ID, batch.ID, command.Device,
				batch.Asked.UnixMilli(), batch.Deadline.UnixMilli(), string(result)); err != nil {
				return err
			}
		}
		return nil
	}
}

// End notes what became of a command, as its asker was told. It does not wait for
// the disk. What is known already is not overwritten.
func (l *Log) End(id string, result wattline.Result) {
	text, err := json.Marshal(result)
	if err != nil {
		return // a result always encodes
	}
	l.later(func(ctx context.Context, tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, "UPDATE commands SET outcome = ?, result = ? WHERE id = ? AND outcome = ''",
			string(result.Outcome), string(text), id)
		return err
	})
}

// Heard notes what a controller says became of a command: one whose outcome was
// unknown, or one of somebody else's. It does not wait for the disk.
func (l *Log) Heard(result wattline.Result, now time.Time) {
	text, err := json.Marshal(result)
	if err != nil {
		return // a result always encodes
	}
	l.later(func(ctx context.Context, tx *sql.Tx) error {
		at := result.Time.UnixMilli()
		_, err := tx.ExecContext(ctx, `INSERT INTO commands (id, batch, device, asked_ms, deadline_ms, outcome, result)
			VALUES (?1, ?1, ?2, ?3, ?3, ?4, ?5)
			ON CONFLICT (id) DO UPDATE SET outcome = ?4, result = ?5, late = (outcome = ?6 OR deadline_ms < ?7)
				WHERE device = ?2 AND outcome IN ('', ?6)`,
			result.ID, result.Device, at, string(result.Outcome), string(text), string(wattline.OutcomeTimeout), now.UnixMilli())
		return err
	})
}

// selectCommands has the columns in the order of scan.
const selectCommands = "SELECT seq, asked_ms, deadline_ms, outcome, late, result FROM commands "

// Find is the commands of a request, by its id, or the one command of that id; in
// the order of devices. There are none of an id that is not known, or not any more.
func (l *Log) Find(ctx context.Context, id string) ([]wattline.CommandRecord, error) {
	if err := l.settle(ctx); err != nil {
		return nil, err
	}
	records, _, err := scan(sqlite.Rows(l.db.Reader().QueryContext(ctx, selectCommands+"WHERE batch = ?1 OR id = ?1 ORDER BY device, seq", id)))
	return records, err
}

// Of is the commands to a device, the newest first: at most limit of them, below
// the number before, which is 0 for the newest of all. next is for the page that
// follows; 0 if there is none. Commands to a device that the asker was told is not
// there are left out.
func (l *Log) Of(ctx context.Context, device string, before int64, limit int) (records []wattline.CommandRecord, next int64, err error) {
	if err := l.settle(ctx); err != nil {
		return nil, 0, err
	}
	if before == 0 {
		before = 1<<63 - 1
	}
	records, numbers, err := scan(sqlite.Rows(l.db.Reader().QueryContext(ctx, selectCommands+`
		WHERE device = ? AND seq < ? AND json_extract(result, '$.code') IS NOT ? ORDER BY seq DESC LIMIT ?`,
		device, before, string(wattline.CodeNotFound), limit+1)))
	if len(records) > limit {
		records, next = records[:limit], numbers[limit-1]
	}
	return records, next, err
}

func scan(found sqlite.Answer) (records []wattline.CommandRecord, numbers []int64, err error) {
	now := time.Now()
	err = found.Each(func(rows *sql.Rows) error {
		var number, asked, deadline int64
		var outcome string
		var result []byte
		var record wattline.CommandRecord
		if err := rows.Scan(&number, &asked, &deadline, &outcome, &record.Late, &result); err != nil {
			return err
		}
		if err := json.Unmarshal(result, &record.Result); err != nil {
			return err
		}
		record.AskedAt = wattline.AtMilli(asked)
		if outcome == "" {
			record.Result = unknown(record.Result, deadline, now)
		}
		records, numbers = append(records, record), append(numbers, number)
		return nil
	})
	return records, numbers, err
}

// outcomeGrace is how long after its deadline the outcome of a command may still
// be on its way to the disk.
const outcomeGrace = 2 * time.Second

// unknown is the result of a command of which no outcome is noted.
func unknown(result wattline.Result, deadlineMS int64, now time.Time) wattline.Result {
	if now.UnixMilli() <= deadlineMS+outcomeGrace.Milliseconds() {
		result.Outcome = wattline.OutcomePending
		return result
	}
	result.Outcome, result.Code, result.Time = wattline.OutcomeTimeout, wattline.CodeTimeout, wattline.AtMilli(deadlineMS)
	result.Message = "no outcome was noted, because the gateway ended meanwhile: it is unknown whether the command was carried out"
	return result
}
