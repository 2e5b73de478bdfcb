// Package audit keeps who did or tried what to which device, when, from where and with
// which outcome. Records are only ever added. Each has a hash over itself and all
// before it, so that one which was changed, taken out or put in shows; see Verify.
//
// The records are in a SQLite file to which several processes may write: gateways and
// the command line.
package audit

import (
	"cmp"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
	"github.com/wattline/wattline/internal/telemetry"
)

// FileName is the file's name in the data folder.
const FileName = "audit.sqlite"

// Path is where the file is in a data folder.
func Path(folder string) string { return filepath.Join(folder, FileName) }

// Options configure Open. Path is required.
type Options struct {
	// Path is the file.
	Path string
	// Retention is for how long records are kept; 0 for ever.
	Retention time.Duration
	// Queue is how many records may wait to be written; 8,192.
	Queue   int
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

// Log is the open file. Its methods are safe for concurrent use.
type Log struct {
	options Options
	log     *slog.Logger
	db      *sqlite.DB
	queue   chan Entry
	meters  meters

	// ended is set when Run takes nothing more. Whoever appends holds ending meanwhile.
	ending sync.RWMutex
	ended  bool
}

type meters struct{ written, failures, lost telemetry.Counter }

// Open opens or makes the file. A damaged one is set aside and a new one begun, whose
// first record says so.
func Open(ctx context.Context, options Options) (*Log, error) {
	options.Queue = cmp.Or(options.Queue, 8192)
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	db, err := sqlite.Open(ctx, options.Path, sqlite.Options{Migrations: migrations(), SetAside: true, Log: options.Log})
	if err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := &Log{
		options: options, log: options.Log, db: db, queue: make(chan Entry, options.Queue),
		meters: meters{
			written:  options.Metrics.Counter("wattline_audit_records_total", "Records written to the audit."),
			failures: options.Metrics.Counter("wattline_audit_write_failures_total", "Times that the audit could not be written; it is tried again."),
			lost:     options.Metrics.Counter("wattline_audit_lost_total", "Records that could not be kept."),
		},
	}
	options.Metrics.GaugeFunc("wattline_audit_queued", "Records that wait to be written to the audit.", func() float64 {
		return float64(len(l.queue))
	})
	if aside := db.SetAsideAs(); aside != "" {
		err := l.Write(ctx, Entry{Who: System, Action: "audit.begin", Outcome: Done, Detail: "the file before was damaged and is kept as " + filepath.Base(aside)})
		if err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return l, nil
}

// System is who does what nobody asked for.
const System = "system"

// migrations make the file. head is the last record, also when all are gone; base is
// the last one that was removed because of its age. The triggers are against mistakes:
// who means harm and has the file takes them away, and the chain shows what he did.
func migrations() []string {
	return []string{`
		CREATE TABLE records (
			seq INTEGER PRIMARY KEY, at_ms INTEGER NOT NULL,
			who TEXT NOT NULL, address TEXT NOT NULL, action TEXT NOT NULL, device TEXT NOT NULL, outcome TEXT NOT NULL,
			code TEXT NOT NULL, request_id TEXT NOT NULL, detail TEXT NOT NULL,
			before BLOB NOT NULL, hash BLOB NOT NULL
		) STRICT;
		CREATE INDEX records_by_device ON records (device, seq);
		CREATE INDEX records_by_time ON records (at_ms);
		CREATE TABLE marks (name TEXT PRIMARY KEY, seq INTEGER NOT NULL, hash BLOB NOT NULL) STRICT, WITHOUT ROWID;
		INSERT INTO marks VALUES ('head', 0, zeroblob(32)), ('base', 0, zeroblob(32));`, `
		CREATE TRIGGER records_stay_as_they_are BEFORE UPDATE ON records
		BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;
		CREATE TRIGGER records_stay BEFORE DELETE ON records
		WHEN old.seq > coalesce((SELECT seq FROM marks WHERE name = 'base'), 0)
		BEGIN SELECT raise(ABORT, 'the audit is only appended to'); END;`}
}

// Head is the last record of a chain: its number and hash. Whoever keeps one
// elsewhere can tell later whether all up to it is still as it was.
type Head struct {
	Seq  int64
	Hash digest
}

// String is SEQ:HASH, the hash in hexadecimal.
func (h Head) String() string { return fmt.Sprintf("%d:%s", h.Seq, hex.EncodeToString(h.Hash[:])) }

// ParseHead reads what String writes.
func ParseHead(text string) (Head, error) {
	number, digits, _ := strings.Cut(text, ":")
	seq, err := strconv.ParseInt(number, 10, 64)
	hash, hashErr := hex.DecodeString(digits)
	if err != nil || hashErr != nil || seq < 0 || len(hash) != sha256.Size {
		return Head{}, errHead
	}
	return Head{Seq: seq, Hash: digest(hash)}, nil
}

var errHead = errors.New("must be a number, a colon and 64 hexadecimal digits, as wattline audit verify prints them")

// The marks of a chain: its last record, and the last one that was removed because of
// its age.
const (
	headMark = "head"
	baseMark = "base"
)

// errNoMark is in the chain where a mark is not in the file. Each is there from the
// beginning.
var errNoMark = errors.New("was removed from the file, by hand or by damage; wattline audit verify says what else is missing")

// queryer is a file or a transaction.
type queryer interface {
	QueryRowContext(ctx context.Context, query string, args ...any) *sql.Row
}

func markOf(ctx context.Context, from queryer, name string) (Head, error) {
	var mark Head
	err := from.QueryRowContext(ctx, `SELECT seq, hash FROM marks WHERE name = ?`, name).Scan(&mark.Seq, sqlite.Hash(&mark.Hash))
	if errors.Is(err, sql.ErrNoRows) {
		err = errNoMark
	}
	if err != nil {
		return Head{}, fmt.Errorf("the audit's mark %q %w", name, err)
	}
	return mark, nil
}

func setMark(ctx context.Context, tx *sql.Tx, name string, mark Head) error {
	_, err := tx.ExecContext(ctx, `UPDATE marks SET seq = ?, hash = ? WHERE name = ?`, mark.Seq, mark.Hash[:], name)
	return err
}

// Head is the last record that is on disk.
func (l *Log) Head(ctx context.Context) (Head, error) { return markOf(ctx, l.db.Reader(), headMark) }

func toValid(text string) string { return strings.ToValidUTF8(text, "\uFFFD") }

// Write adds records and returns when they are on disk.
func (l *Log) Write(ctx context.Context, entries ...Entry) error {
	now := wattline.At(time.Now())
	err := l.db.Write(ctx, func(tx *sql.Tx) error { return add(ctx, tx, now, entries) })
	if err == nil {
		l.meters.written.Add(float64(len(entries)))
	}
	return err
}

// add puts entries behind the head.
func add(ctx context.Context, tx *sql.Tx, now wattline.Time, entries []Entry) error {
	head, err := markOf(ctx, tx, headMark)
	if err != nil {
		return err
	}
	insert, err := tx.PrepareContext(ctx, `INSERT INTO records VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer insert.Close()
	for _, entry := range entries {
		entry = entry.bounded(now)
		next := Head{Seq: head.Seq + 1}
		next.Hash = entry.seal(next.Seq, head.Hash)
		t := entry.texts()
		_, err := insert.ExecContext(ctx, next.Seq, entry.Time.UnixMilli(),
			t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], head.Hash[:], next.Hash[:])
		if err != nil {
			return err
		}
		head = next
	}
	return setMark(ctx, tx, headMark, head)
}

// Close ends it. What Run has not written is lost, so Run ends first.
func (l *Log) Close() error { return l.db.Close() }
