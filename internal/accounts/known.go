package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/sqlite"
)

// known is the copy in memory: what a request is checked against. It does not
// change; a new one takes its place.
type known struct {
	tokens, sessions map[digest]*credential
	// places are until when users are known there.
	places map[place]time.Time
}

// credential is a token or a session that was valid when it was read.
type credential struct {
	principal access.Principal
	expires   time.Time // zero for never
	idle      time.Duration
	use       *use
}

// use is when a credential was used last, in milliseconds since the Unix epoch. It
// outlives the copies.
type use struct{ last, saved atomic.Int64 }

// valid tells whether a credential holds now, and notes that it is used.
func (c *credential) valid(now time.Time) bool {
	ms := now.UnixMilli()
	last := c.use.last.Load()
	if !c.expires.IsZero() && !now.Before(c.expires) || c.idle > 0 && ms-last >= c.idle.Milliseconds() {
		return false
	}
	if ms-last >= time.Second.Milliseconds() { // often enough, and most requests write nothing
		c.use.last.Store(ms)
	}
	return true
}

// load reads the file into a new copy.
func (a *Accounts) load(ctx context.Context) error {
	a.loading.Lock()
	defer a.loading.Unlock()
	tx, err := a.db.Reader().BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback() //nolint:errcheck // nothing was written
	before := a.known.Load()
	if before == nil {
		before = &known{}
	}
	next := &known{tokens: map[digest]*credential{}, sessions: map[digest]*credential{}, places: map[place]time.Time{}}
	if err := a.loadTokens(ctx, tx, before, next); err != nil {
		return err
	}
	if err := a.loadSessions(ctx, tx, before, next); err != nil {
		return err
	}
	if err := loadPlaces(ctx, tx, next); err != nil {
		return err
	}
	a.known.Store(next)
	return nil
}

func (a *Accounts) loadTokens(ctx context.Context, tx *sql.Tx, before, next *known) error {
	return sqlite.Rows(tx.QueryContext(ctx, `
		SELECT hash, name, role, scope, expires_ms, coalesce(used_ms, 0)
		FROM tokens WHERE revoked_ms IS NULL`)).Each(func(rows *sql.Rows) error {
		var key digest
		var name, role, scope string
		var expires sql.NullInt64
		var used int64
		if err := rows.Scan(sqlite.Hash(&key), &name, &role, &scope, &expires, &used); err != nil {
			return err
		}
		principal, err := principalOf(tokenPrincipal(name), role, scope)
		if err != nil {
			a.log.Error("a token is not accepted", "token", name, "error", err)
		} else {
			next.tokens[key] = &credential{principal: principal, expires: instant(expires), use: useOf(before.tokens[key], used)}
		}
		return nil
	})
}

func (a *Accounts) loadSessions(ctx context.Context, tx *sql.Tx, before, next *known) error {
	return sqlite.Rows(tx.QueryContext(ctx, `
		SELECT hash, principal, coalesce(users.role, sessions.role), coalesce(users.scope, sessions.scope),
			expires_ms, used_ms
		FROM sessions LEFT JOIN users ON users.name = sessions.user`)).Each(func(rows *sql.Rows) error {
		var key digest
		var name, role, scope string
		var expires sql.NullInt64
		var used int64
		if err := rows.Scan(sqlite.Hash(&key), &name, &role, &scope, &expires, &used); err != nil {
			return err
		}
		principal, err := principalOf(name, role, scope)
		if err != nil {
			a.log.Error("a session is not accepted", "of", name, "error", err)
		} else {
			next.sessions[key] = &credential{
				principal: principal, expires: instant(expires), idle: a.options.SessionIdle, use: useOf(before.sessions[key], used),
			}
		}
		return nil
	})
}

// principalOf refuses what another version may have written: what is not
// understood gives no rights.
func principalOf(name, role, scope string) (access.Principal, error) {
	parsedRole, err := access.ParseRole(role)
	if err != nil {
		return access.Principal{}, fmt.Errorf("role %w", err)
	}
	parsedScope, err := access.ParseScope(scope)
	if err != nil {
		return access.Principal{}, fmt.Errorf("scope %w", err)
	}
	return access.Principal{Name: name, Role: parsedRole, Scope: parsedScope}, nil
}

// useOf goes on with what the copy before knows.
func useOf(before *credential, saved int64) *use {
	if before == nil {
		fresh := &use{}
		fresh.last.Store(saved)
		fresh.saved.Store(saved)
		return fresh
	}
	if before.use.last.Load() < saved { // another process has seen it since
		before.use.last.Store(saved)
		before.use.saved.Store(saved)
	}
	return before.use
}

func instant(ms sql.NullInt64) time.Time {
	if !ms.Valid {
		return time.Time{}
	}
	return time.UnixMilli(ms.Int64)
}

// saveUses writes down when tokens and sessions were used, where that is newer than
// what the file has.
func (a *Accounts) saveUses(ctx context.Context) error {
	now := a.known.Load()
	return errors.Join(
		a.saveUsesOf(ctx, now.tokens, `UPDATE tokens SET used_ms = max(coalesce(used_ms, 0), ?) WHERE hash = ?`),
		a.saveUsesOf(ctx, now.sessions, `UPDATE sessions SET used_ms = max(used_ms, ?) WHERE hash = ?`),
	)
}

func (a *Accounts) saveUsesOf(ctx context.Context, credentials map[digest]*credential, update string) error {
	used := map[digest]int64{}
	for key, c := range credentials {
		if last := c.use.last.Load(); last > c.use.saved.Load() {
			used[key] = last
		}
	}
	if len(used) == 0 {
		return nil
	}
	err := a.db.Write(ctx, func(tx *sql.Tx) error {
		for key, last := range used {
			if _, err := tx.ExecContext(ctx, update, last, key[:]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for key, last := range used {
		credentials[key].use.saved.Store(last)
	}
	return nil
}
