package accounts

import (
	"cmp"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/sqlite"
)

// User is what is told of somebody with a password; the password is not.
type User struct {
	// Name is what the audit calls them, as user:NAME.
	Name  string       `json:"name" example:"ana"`
	Role  access.Role  `json:"role"`
	Scope access.Scope `json:"scope" example:"hq/f1"`
	// CreatedAt is when the user was added.
	CreatedAt wattline.Time `json:"created_at"`
	// ChangedAt is when the role, the scope or the password was set last.
	ChangedAt wattline.Time `json:"changed_at"`
}

// NewUser is what a user is to be.
type NewUser struct {
	Name, Password string
	Role           access.Role
	Scope          access.Scope
}

// UserChange is what of a user is to be another: what is nil stays.
type UserChange struct {
	Role     *access.Role
	Scope    *access.Scope
	Password *string
}

// String is what the audit has of it: no password.
func (n NewUser) String() string {
	return fmt.Sprintf("%s, role %s, scope %s", n.Name, n.Role, n.Scope)
}

// String is what the audit has of it: no password.
func (u UserChange) String() string {
	var parts []string
	if u.Role != nil {
		parts = append(parts, "role "+string(*u.Role))
	}
	if u.Scope != nil {
		parts = append(parts, "scope "+u.Scope.String())
	}
	if u.Password != nil {
		parts = append(parts, "password")
	}
	return strings.Join(parts, ", ")
}

const maxUsers = 10_000

func userPrincipal(name string) string { return "user:" + name }

func (n NewUser) validate() error {
	faults := rights(n.Role, n.Scope)
	faults.Check("name", wattline.CheckID(n.Name))
	faults.Check("password", checkPassword(n.Password))
	return faults.Err()
}

// CreateUser adds a user. A name that is taken is CodeConflict.
func (a *Accounts) CreateUser(ctx context.Context, wanted NewUser) (User, error) {
	if err := wanted.validate(); err != nil {
		return User{}, err
	}
	hash, err := a.passwords.hash(ctx, wanted.Password)
	if err != nil {
		return User{}, err
	}
	now := wattline.At(time.Now())
	made := User{Name: wanted.Name, Role: wanted.Role, Scope: wanted.Scope, CreatedAt: now, ChangedAt: now}
	err = a.change(ctx, func(tx *sql.Tx) error {
		var count, named int
		err := tx.QueryRowContext(ctx, `SELECT count(*), coalesce(sum(name = ?), 0) FROM users`, made.Name).Scan(&count, &named)
		switch {
		case err != nil:
			return err
		case named > 0:
			return wattline.Errorf(wattline.CodeConflict, "there is a user named %s already", made.Name)
		case count >= maxUsers:
			return wattline.Errorf(wattline.CodeConflict, "there are %d users, which is the most: remove some", count)
		}
		_, err = tx.ExecContext(ctx, `INSERT INTO users VALUES (?, ?, ?, ?, ?, ?)`,
			made.Name, hash, string(made.Role), made.Scope.String(), now.UnixMilli(), now.UnixMilli())
		return err
	})
	if err != nil {
		return User{}, err
	}
	return made, nil
}

const selectUsers = `SELECT name, role, scope, created_ms, changed_ms FROM users `

// Users are all of them in the order of their names.
func (a *Accounts) Users(ctx context.Context) ([]User, error) {
	users := []User{}
	err := sqlite.Rows(a.db.Reader().QueryContext(ctx, selectUsers+`ORDER BY name`)).Each(func(rows *sql.Rows) error {
		user, err := scanUser(rows)
		users = append(users, user)
		return err
	})
	return users, err
}

// User is that of a name; CodeNotFound if there is none.
func (a *Accounts) User(ctx context.Context, name string) (User, error) {
	user, err := scanUser(a.db.Reader().QueryRowContext(ctx, selectUsers+`WHERE name = ?`, name))
	if errors.Is(err, sql.ErrNoRows) {
		return User{}, noUser(name)
	}
	return user, err
}

func noUser(name string) error {
	return wattline.Errorf(wattline.CodeNotFound, "there is no user %.80q", name)
}

func scanUser(row scanner) (User, error) {
	var user User
	var role, scope string
	var created, changed int64
	if err := row.Scan(&user.Name, &role, &scope, &created, &changed); err != nil {
		return User{}, err
	}
	rights, err := principalOf(user.Name, role, scope)
	if err != nil {
		return User{}, fmt.Errorf("user %s: %w", user.Name, err)
	}
	user.Role, user.Scope = rights.Role, rights.Scope
	user.CreatedAt, user.ChangedAt = wattline.AtMilli(created), wattline.AtMilli(changed)
	return user, nil
}

// ChangeUser changes a user; sessions go on with the new role and scope, but a new
// password ends them. CodeNotFound if there is no such user.
func (a *Accounts) ChangeUser(ctx context.Context, name string, change UserChange) (User, error) {
	if err := change.validate(); err != nil {
		return User{}, err
	}
	var hash sql.NullString
	if change.Password != nil {
		text, err := a.passwords.hash(ctx, *change.Password)
		if err != nil {
			return User{}, err
		}
		hash = sql.NullString{String: text, Valid: true}
	}
	if err := a.change(ctx, func(tx *sql.Tx) error { return updateUser(ctx, tx, name, change, hash) }); err != nil {
		return User{}, err
	}
	return a.User(ctx, name)
}

func (u UserChange) validate() error {
	var faults wattline.Faults
	if u.Role != nil {
		faults = append(faults, rights(*u.Role, access.Everything())...)
	}
	if u.Scope != nil {
		faults = append(faults, rights(access.Viewer, *u.Scope)...)
	}
	if u.Password != nil {
		faults.Check("password", checkPassword(*u.Password))
	}
	return faults.Err()
}

func updateUser(ctx context.Context, tx *sql.Tx, name string, change UserChange, hash sql.NullString) error {
	var role, scope sql.NullString
	if change.Role != nil {
		role = sql.NullString{String: string(*change.Role), Valid: true}
	}
	if change.Scope != nil {
		scope = sql.NullString{String: change.Scope.String(), Valid: true}
	}
	result, err := tx.ExecContext(ctx, `
		UPDATE users SET role = coalesce(?, role), scope = coalesce(?, scope), password = coalesce(?, password), changed_ms = ?
		WHERE name = ?`, role, scope, hash, time.Now().UnixMilli(), name)
	if err := oneRow(result, err, noUser(name)); err != nil {
		return err
	}
	if hash.Valid {
		_, err = tx.ExecContext(ctx, `DELETE FROM sessions WHERE user = ?`, name)
	}
	return err
}

// RemoveUser removes a user and ends their sessions; CodeNotFound if there is none.
func (a *Accounts) RemoveUser(ctx context.Context, name string) error {
	return a.change(ctx, func(tx *sql.Tx) error {
		result, err := tx.ExecContext(ctx, `DELETE FROM users WHERE name = ?`, name)
		return oneRow(result, err, noUser(name))
	})
}

// oneRow is none where a statement changed nothing.
func oneRow(result sql.Result, err, none error) error {
	if err != nil {
		return err
	}
	if changed, err := result.RowsAffected(); err != nil || changed == 0 {
		return cmp.Or(err, none)
	}
	return nil
}
