package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/sqlite"
)

// Token is what is told of a token; its secret is not.
type Token struct {
	// ID is for good that of the token.
	ID string `json:"id" example:"tok_4f7kq2m6zt3a"`
	// Name is what the audit calls it, as token:NAME.
	Name  string       `json:"name" example:"research"`
	Role  access.Role  `json:"role"`
	Scope access.Scope `json:"scope" example:"hq/f1,kind:printer"`
	// CreatedAt is when it was made.
	CreatedAt wattline.Time `json:"created_at"`
	// ExpiresAt is when it ends; absent for never.
	ExpiresAt *wattline.Time `json:"expires_at,omitempty"`
	// LastUsedAt is to the minute; absent if it was not used yet.
	LastUsedAt *wattline.Time `json:"last_used_at,omitempty"`
	// RevokedAt is when it was revoked; absent if it was not.
	RevokedAt *wattline.Time `json:"revoked_at,omitempty"`
}

// NewToken is what a token is to be.
type NewToken struct {
	// Name must be unique among those that are not revoked.
	Name  string
	Role  access.Role
	Scope access.Scope
	// Expires is when it ends; zero for never.
	Expires time.Time
}

// String is what the audit has of it.
func (n NewToken) String() string {
	expires := never
	if !n.Expires.IsZero() {
		expires = wattline.At(n.Expires).String()
	}
	return fmt.Sprintf("%s, role %s, scope %s, expires %s", n.Name, n.Role, n.Scope, expires)
}

// maxTokens bounds what is kept in memory, and what a mistaken program can do.
const maxTokens = 10_000

// tokenPrincipal is the name under which a token asks.
func tokenPrincipal(name string) string { return "token:" + name }

func (n NewToken) validate(now time.Time) error {
	faults := rights(n.Role, n.Scope)
	faults.Check("name", wattline.CheckID(n.Name))
	if !n.Expires.IsZero() && !n.Expires.After(now) {
		faults.Add("expires", "must lie in the future")
	}
	return faults.Err()
}

// rights are the faults of a role and a scope.
func rights(role access.Role, scope access.Scope) (faults wattline.Faults) {
	_, err := access.ParseRole(string(role))
	faults.Check("role", err)
	_, err = access.ParseScope(scope.String())
	faults.Check("scope", err)
	return faults
}

// CreateToken makes a token and its secret, which is nowhere else and cannot be had
// again. A name that is taken is CodeConflict.
func (a *Accounts) CreateToken(ctx context.Context, wanted NewToken) (made Token, secret string, err error) {
	if err := wanted.validate(time.Now()); err != nil {
		return Token{}, "", err
	}
	secret = newSecret()
	err = a.change(ctx, func(tx *sql.Tx) error {
		made, err = insertToken(ctx, tx, wanted, secret)
		return err
	})
	if err != nil {
		return Token{}, "", err
	}
	return made, secret, nil
}

func insertToken(ctx context.Context, tx *sql.Tx, wanted NewToken, secret string) (Token, error) {
	made := Token{
		ID: newTokenID(), Name: wanted.Name, Role: wanted.Role, Scope: wanted.Scope, CreatedAt: wattline.At(time.Now()),
	}
	var expires sql.NullInt64
	if !wanted.Expires.IsZero() {
		at := wattline.At(wanted.Expires)
		made.ExpiresAt, expires = &at, sql.NullInt64{Int64: at.UnixMilli(), Valid: true}
	}
	var count, named int
	err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(name = ?), 0) FROM tokens WHERE revoked_ms IS NULL`, wanted.Name).
		Scan(&count, &named)
	switch {
	case err != nil:
		return Token{}, err
	case named > 0:
		return Token{}, wattline.Errorf(wattline.CodeConflict, "there is a token named %s already: revoke it first, or choose another name", wanted.Name)
	case count >= maxTokens:
		return Token{}, wattline.Errorf(wattline.CodeConflict, "there are %d tokens, which is the most: revoke some", count)
	}
	hash := digestOf(secret)
	_, err = tx.ExecContext(ctx, `INSERT INTO tokens (id, name, hash, role, scope, created_ms, expires_ms) VALUES (?, ?, ?, ?, ?, ?, ?)`,
		made.ID, made.Name, hash[:], string(made.Role), made.Scope.String(), made.CreatedAt.UnixMilli(), expires)
	return made, err
}

// selectTokens has the columns in the order of scanToken.
const selectTokens = `SELECT id, name, role, scope, created_ms, expires_ms, used_ms, revoked_ms, hash FROM tokens ` //nolint:gosec // a question, not a token

// Tokens are all of them in the order of their ids, revoked ones too until they are
// cleared away.
func (a *Accounts) Tokens(ctx context.Context) ([]Token, error) {
	tokens := []Token{}
	err := sqlite.Rows(a.db.Reader().QueryContext(ctx, selectTokens+`ORDER BY id`)).Each(func(rows *sql.Rows) error {
		token, err := a.scanToken(rows)
		tokens = append(tokens, token)
		return err
	})
	return tokens, err
}

// Token is that of an id; CodeNotFound if there is none.
func (a *Accounts) Token(ctx context.Context, id string) (Token, error) {
	token, err := a.scanToken(a.db.Reader().QueryRowContext(ctx, selectTokens+`WHERE id = ?`, id))
	if errors.Is(err, sql.ErrNoRows) {
		return Token{}, wattline.Errorf(wattline.CodeNotFound, "there is no token %.80q", id)
	}
	return token, err
}

// RevokeToken ends a token for good; one that is revoked already stays as it is.
// CodeNotFound if there is none.
func (a *Accounts) RevokeToken(ctx context.Context, id string) (Token, error) {
	err := a.change(ctx, func(tx *sql.Tx) error {
		_, err := tx.ExecContext(ctx, `UPDATE tokens SET revoked_ms = ? WHERE id = ? AND revoked_ms IS NULL`, time.Now().UnixMilli(), id)
		return err
	})
	if err != nil {
		return Token{}, err
	}
	return a.Token(ctx, id)
}

// scanner is a row.
type scanner interface{ Scan(into ...any) error }

func (a *Accounts) scanToken(row scanner) (Token, error) {
	var token Token
	var role, scope string
	var created int64
	var expires, used, revoked sql.NullInt64
	var key digest
	if err := row.Scan(&token.ID, &token.Name, &role, &scope, &created, &expires, &used, &revoked, sqlite.Hash(&key)); err != nil {
		return Token{}, err
	}
	rights, err := principalOf(token.Name, role, scope)
	if err != nil {
		return Token{}, fmt.Errorf("token %s: %w", token.Name, err)
	}
	token.Role, token.Scope, token.CreatedAt = rights.Role, rights.Scope, wattline.AtMilli(created)
	if live := a.known.Load().tokens[key]; live != nil {
		used.Int64 = max(used.Int64, live.use.last.Load())
		used.Valid = used.Int64 > 0
	}
	token.ExpiresAt, token.LastUsedAt, token.RevokedAt = optional(expires), optional(used), optional(revoked)
	return token, nil
}

func optional(ms sql.NullInt64) *wattline.Time {
	if !ms.Valid {
		return nil
	}
	at := wattline.AtMilli(ms.Int64)
	return &at
}

// keptRevoked is for how long a token that has ended is still listed. The audit has
// it longer.
const keptRevoked = 90 * 24 * time.Hour

// clearAway removes what has ended.
func (a *Accounts) clearAway(ctx context.Context) error {
	now := time.Now()
	return a.db.Write(ctx, func(tx *sql.Tx) error {
		long := now.Add(-keptRevoked).UnixMilli()
		if _, err := tx.ExecContext(ctx, `DELETE FROM tokens WHERE revoked_ms < ? OR expires_ms < ?`, long, long); err != nil {
			return err
		}
		_, err := tx.ExecContext(ctx, `DELETE FROM sessions WHERE expires_ms < ? OR used_ms < ?`,
			now.UnixMilli(), now.Add(-a.options.SessionIdle).UnixMilli())
		if err != nil {
			return err
		}
		_, err = tx.ExecContext(ctx, `DELETE FROM places WHERE used_ms < ?`, now.Add(-placeLife).UnixMilli())
		return err
	})
}
