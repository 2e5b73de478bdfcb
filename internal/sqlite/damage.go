package sqlite

import (
	"context"
	"database/sql"
	"errors"
	"net/url"
	"os"
	"path/filepath"
	"syscall"
	"time"

	driver "modernc.org/sqlite"
	codes "modernc.org/sqlite/lib"

	"github.com/wattline/wattline/internal/files"
)

var errDamaged = errors.New("the file is damaged")

// IsDamaged tells whether an error says that the file's content is broken: not
// a database at all, cut short, or with pages that contradict each other.
func IsDamaged(err error) bool {
	if errors.Is(err, errDamaged) {
		return true
	}
	code, ok := codeOf(err)
	if !ok {
		return false
	}
	primary := code & 0xff
	return primary == codes.SQLITE_CORRUPT || primary == codes.SQLITE_NOTADB || code == codes.SQLITE_IOERR_SHORT_READ
}

// IsFull tells whether an error says that the disk, or the file's own limit, is
// full. Nothing of the transaction was kept; it may be tried again.
func IsFull(err error) bool {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return true
	}
	code, ok := codeOf(err)
	return ok && (code&0xff == codes.SQLITE_FULL || code == codes.SQLITE_IOERR_SHMSIZE)
}

// codeOf is SQLite's extended result code.
func codeOf(err error) (int, bool) {
	var known *driver.Error
	if !errors.As(err, &known) {
		return 0, false
	}
	return known.Code(), true
}

// SetAside renames a file that nobody has open, with its write-ahead log, and
// returns its new name: the old one, ".damaged-" and the time.
func SetAside(path string) (string, error) {
	aside := path + ".damaged-" + time.Now().UTC().Format("20060102T150405.000000000Z")
	if err := os.Rename(path, aside); err != nil {
		return "", err
	}
	if err := os.Rename(path+"-wal", aside+"-wal"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	if err := os.Remove(path + "-shm"); err != nil && !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	return aside, files.SyncFolder(filepath.Dir(path))
}

// Salvage gives row the rows of a question to a file that may be damaged, as far
// as they can be read; the error says what ended it. The file is not changed.
func Salvage(ctx context.Context, path, query string, row func(*sql.Rows) error) error {
	name := url.URL{Scheme: "file", Path: filepath.ToSlash(path), RawQuery: "mode=ro"}
	db, err := sql.Open("sqlite", name.String())
	if err != nil {
		return err
	}
	defer db.Close()
	return Rows(db.QueryContext(ctx, query)).Each(row)
}
