// Package accounts knows who may use the API: tokens for programs, users with
// passwords for people, and the sessions of people who have signed in. They are in a
// SQLite file, which several processes may have open: the command line changes it
// while gateways run.
//
// A request is checked against a copy in memory. What this process changes holds at
// once, what another changes within a second.
package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wattline/wattline/internal/sqlite"
)

// FileName is the file's name in the data folder.
const FileName = "access.sqlite"

// Options configure Open. Path is required.
type Options struct {
	// Path is the file.
	Path string
	Log  *slog.Logger
	// SessionIdle ends a session that is not used, 12 h; SessionMax ends every
	// session, 7 days.
	SessionIdle, SessionMax time.Duration
}

// Accounts is the open file and its copy in memory. Its methods are safe for
// concurrent use.
type Accounts struct {
	options   Options
	log       *slog.Logger
	db        *sqlite.DB
	passwords *passwords
	guards    *guards

	loading sync.Mutex // one load at a time, so that an older one never replaces a newer one
	known   atomic.Pointer[known]
	fault   atomic.Pointer[error]
}

// Open opens or makes the file. Without Run, the copy in memory follows only what is
// changed through it.
func Open(ctx context.Context, options Options) (*Accounts, error) {
	options.SessionIdle = cmp.Or(options.SessionIdle, 12*time.Hour)
	options.SessionMax = cmp.Or(options.SessionMax, 7*24*time.Hour)
	options.Log = cmp.Or(options.Log, slog.New(slog.DiscardHandler))
	db, err := sqlite.Open(ctx, options.Path, sqlite.Options{Migrations: migrations(), Readers: readers})
	if sqlite.IsDamaged(err) {
		// Not set aside like others: to begin anew would let nobody in, and tell nobody.
		return nil, fmt.Errorf("tokens and users: %w; put a backup in its place, or move it away, after which everybody needs a new token", err)
	}
	if err != nil {
		return nil, fmt.Errorf("tokens and users: %w", err)
	}
	a := &Accounts{options: options, log: options.Log, db: db, passwords: newPasswords(), guards: newGuards()}
	if err := a.load(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("tokens and users in %s: %w", options.Path, err), db.Close())
	}
	return a, nil
}

// Path is where the file is in a data folder.
func Path(folder string) string { return filepath.Join(folder, FileName) }

// Close writes down what was used and ends it.
func (a *Accounts) Close() error {
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	return errors.Join(a.saveUses(ctx), a.db.Close())
}

const (
	// readers are one that watches for changes and some that read.
	readers = 4
	// pollEvery is how soon another process's change is noticed.
	pollEvery    = 250 * time.Millisecond
	saveEvery    = time.Minute
	writeTimeout = 5 * time.Second
)

// Run follows what other processes change, writes down when tokens were used, and
// clears away what has ended, until ctx ends.
func (a *Accounts) Run(ctx context.Context) error {
	poll, save := time.NewTicker(pollEvery), time.NewTicker(saveEvery)
	defer poll.Stop()
	defer save.Stop()
	var follower follower
	defer func() { follower.close() }()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-poll.C:
			a.remark(follower.follow(ctx, a))
		case <-save.C:
			if err := errors.Join(a.saveUses(ctx), a.clearAway(ctx)); err != nil && ctx.Err() == nil {
				a.log.Warn("the use of tokens could not be written down; it is tried again", "error", err)
			}
		}
	}
}

// Ready is an error while the file cannot be read: a token that another process has
// revoked may then still be taken.
func (a *Accounts) Ready(context.Context) error {
	if fault := a.fault.Load(); fault != nil {
		return *fault
	}
	return nil
}

// remark keeps the fault of following the file, and logs when it comes and goes.
func (a *Accounts) remark(err error) {
	before := a.fault.Load()
	switch {
	case err == nil && before != nil:
		a.fault.Store(nil)
		a.log.Info("the file of tokens and users can be read again")
	case err != nil && before == nil:
		a.fault.Store(&err)
		a.log.Error("the file of tokens and users cannot be read; what others change is not noticed", "error", err)
	}
}

// follower watches for commits of other connections: SQLite counts them
// (PRAGMA data_version), for the connection that asks.
type follower struct {
	conn    *sql.Conn
	version int64
}

func (f *follower) follow(ctx context.Context, a *Accounts) error {
	if f.conn == nil {
		conn, err := a.db.Reader().Conn(ctx)
		if err != nil {
			return ignoreEnd(ctx, err)
		}
		f.conn, f.version = conn, -1
	}
	var version int64
	if err := f.conn.QueryRowContext(ctx, "PRAGMA data_version").Scan(&version); err != nil {
		f.close()
		return ignoreEnd(ctx, err)
	}
	if version == f.version {
		return nil
	}
	if err := a.load(ctx); err != nil {
		return ignoreEnd(ctx, err)
	}
	f.version = version
	return nil
}

func (f *follower) close() {
	if f.conn != nil {
		_ = f.conn.Close()
		f.conn = nil
	}
}

// ignoreEnd passes over an error that came because the context ended.
func ignoreEnd(ctx context.Context, err error) error {
	if ctx.Err() == nil {
		return err
	}
	return nil
}

// change writes to the file and brings the copy in memory up to date before it
// returns.
func (a *Accounts) change(ctx context.Context, do func(*sql.Tx) error) error {
	if err := a.db.Write(ctx, do); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	if err := a.load(ctx); err != nil {
		return fmt.Errorf("the change is written, but not read back yet: %w", err)
	}
	return nil
}
