package accounts

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/files"
)

const (
	firstTokenFile = "admin.token"
	firstTokenName = "admin"
)

// FirstTokenPath is where the first admin's token is in a data folder.
func FirstTokenPath(folder string) string { return filepath.Join(folder, firstTokenFile) }

// EnsureAdmin makes a token for an admin of everything, and writes its secret into
// FirstTokenPath of a folder, where only the owner can read it; unless there is an
// admin of everything already, a token or a user. It tells whether it has.
//
// A file that is there already with a secret which was never a token here becomes
// the token: whoever sets up the folder may put one there.
func (a *Accounts) EnsureAdmin(ctx context.Context, folder string) (made bool, err error) {
	path := FirstTokenPath(folder)
	err = a.change(ctx, func(tx *sql.Tx) error {
		if has, err := hasAdmin(ctx, tx); has || err != nil {
			return err
		}
		secret, err := firstSecret(ctx, tx, path)
		if err != nil {
			return err
		}
		name, err := freeName(ctx, tx)
		if err != nil {
			return err
		}
		made = true
		_, err = insertToken(ctx, tx, NewToken{Name: name, Role: access.Admin, Scope: access.Everything()}, secret)
		return err
	})
	if err != nil {
		return false, fmt.Errorf("make the first admin's token: %w", err)
	}
	return made, nil
}

func hasAdmin(ctx context.Context, tx *sql.Tx) (bool, error) {
	var has bool
	everything := access.Everything().String()
	err := tx.QueryRowContext(ctx, `
		SELECT EXISTS (SELECT 1 FROM tokens WHERE role = ? AND scope = ? AND revoked_ms IS NULL AND (expires_ms IS NULL OR expires_ms > ?))
			OR EXISTS (SELECT 1 FROM users WHERE role = ? AND scope = ?)`,
		string(access.Admin), everything, time.Now().UnixMilli(), string(access.Admin), everything).Scan(&has)
	return has, err
}

// freeName is the first token's usual name, or another where a token that is not
// revoked has it.
func freeName(ctx context.Context, tx *sql.Tx) (string, error) {
	var taken bool
	err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tokens WHERE name = ? AND revoked_ms IS NULL)`, firstTokenName).Scan(&taken)
	if !taken || err != nil {
		return firstTokenName, err
	}
	return firstTokenName + "-" + strings.TrimPrefix(newTokenID(), idPrefix), nil
}

// firstSecret is the one in the file, or else a new one that is put there.
func firstSecret(ctx context.Context, tx *sql.Tx, path string) (string, error) {
	if secret, err := ReadSecret(path); err == nil {
		var used bool
		hash := digestOf(secret)
		err := tx.QueryRowContext(ctx, `SELECT EXISTS (SELECT 1 FROM tokens WHERE hash = ?)`, hash[:]).Scan(&used)
		if err != nil || !used {
			return secret, err
		}
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	secret := newSecret()
	return secret, writeSecret(path, secret)
}

// writeSecret makes a file that only its owner can read. It is on disk when it
// returns.
func writeSecret(path, secret string) error {
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(secret + "\n")
	return errors.Join(err, file.Sync(), file.Close(), files.SyncFolder(filepath.Dir(path)))
}

// ReadSecret is the token in a file, which nobody but its owner may be able to read
// or write.
func ReadSecret(path string) (string, error) {
	file, err := os.Open(path)
	if err != nil {
		return "", err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() || info.Mode().Perm()&0o077 != 0 {
		return "", fmt.Errorf("%s can be read by others: chmod 600 %s, and make another token if somebody may have", path, path)
	}
	const most = 256
	text, err := io.ReadAll(io.LimitReader(file, most))
	secret := strings.TrimSpace(string(text))
	if err != nil || !isSecret(secret) {
		return "", errors.Join(fmt.Errorf("%s does not hold a token (wl_…)", path), err)
	}
	return secret, nil
}
