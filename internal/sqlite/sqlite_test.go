package sqlite_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/wattline/wattline/internal/sqlite"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func schema() []string {
	return []string{
		"CREATE TABLE word(word TEXT PRIMARY KEY) STRICT",
		"CREATE TABLE uses(word TEXT NOT NULL REFERENCES word) STRICT",
	}
}

func open(t *testing.T, path string, options sqlite.Options) *sqlite.DB {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func insert(t *testing.T, db *sqlite.DB, word string) error {
	t.Helper()
	return db.Write(t.Context(), func(tx *sql.Tx) error {
		_, err := tx.ExecContext(t.Context(), "INSERT INTO word VALUES (?)", word)
		return err
	})
}

func count(t *testing.T, db *sqlite.DB) int {
	t.Helper()
	var n int
	if err := db.Reader().QueryRowContext(t.Context(), "SELECT count(*) FROM word").Scan(&n); err != nil {
		t.Fatal(err)
	}
	return n
}

func TestFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a folder with ?, # and %41.db")

	t.Run("is in WAL mode, synced fully and holds foreign keys", func(t *testing.T) {
		db := open(t, path, sqlite.Options{Migrations: schema()[:1]})
		for pragma, want := range map[string]string{"journal_mode": "wal", "synchronous": "2", "foreign_keys": "1"} {
			var got string
			if err := db.Writer().QueryRowContext(t.Context(), "PRAGMA "+pragma).Scan(&got); err != nil || got != want {
				t.Errorf("%s is %q (%v), want %q", pragma, got, err, want)
			}
		}
		if _, err := os.Stat(path); err != nil {
			t.Error("the file has another name:", err)
		}
		if err := insert(t, db, "watt"); err != nil {
			t.Fatal(err)
		}
		for _, file := range []string{path, path + "-wal", path + "-shm"} {
			if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
				t.Errorf("%s is not for its owner alone: %v %v", file, info, err)
			}
		}
		if n := count(t, db); n != 1 {
			t.Errorf("a reader sees %d rows after a write, want 1", n)
		}
	})
	t.Run("is migrated when it is opened by a later version", func(t *testing.T) {
		db := open(t, path, sqlite.Options{Migrations: schema()})
		if n := count(t, db); n != 1 {
			t.Errorf("%d rows survived the migration, want 1", n)
		}
		_, err := db.Writer().ExecContext(t.Context(), "INSERT INTO uses VALUES ('volt')")
		if err == nil {
			t.Error("a foreign key that points nowhere was taken")
		}
	})
	t.Run("is refused, and not set aside, by an earlier version", func(t *testing.T) {
		_, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema()[:1], SetAside: true})
		if !errors.Is(err, sqlite.ErrNewer) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("cannot be written by a reader", func(t *testing.T) {
		db := open(t, path, sqlite.Options{Migrations: schema()})
		if _, err := db.Reader().ExecContext(t.Context(), "DELETE FROM word"); err == nil {
			t.Error("a reader deleted")
		}
	})
}

func TestWrite(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Migrations: schema()})
	t.Run("leaves nothing behind when it fails", func(t *testing.T) {
		mistake := errors.New("mistake")
		err := db.Write(t.Context(), func(tx *sql.Tx) error {
			if _, err := tx.ExecContext(t.Context(), "INSERT INTO word VALUES ('ohm')"); err != nil {
				return err
			}
			return mistake
		})
		if !errors.Is(err, mistake) || count(t, db) != 0 {
			t.Errorf("error %v, %d rows", err, count(t, db))
		}
	})
	t.Run("ends with its context", func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := db.Write(ctx, func(*sql.Tx) error { return nil }); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("says that the file is full, and goes on when there is room", func(t *testing.T) {
		limit(t, db, 8)
		err := insert(t, db, strings.Repeat("x", 100_000))
		if !sqlite.IsFull(err) || sqlite.IsDamaged(err) {
			t.Fatalf("got %v", err)
		}
		limit(t, db, 1<<30)
		if err := insert(t, db, "siemens"); err != nil || count(t, db) != 1 {
			t.Errorf("error %v, %d rows", err, count(t, db))
		}
	})
}

func limit(t *testing.T, db *sqlite.DB, pages int) {
	t.Helper()
	if _, err := db.Writer().ExecContext(t.Context(), fmt.Sprintf("PRAGMA max_page_count = %d", pages)); err != nil {
		t.Fatal(err)
	}
}

func TestHash(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), sqlite.Options{})
	for column, accepted := range map[string]bool{
		"randomblob(32)": true, "randomblob(31)": false, "'text'": false, "NULL": false, "7": false,
	} {
		var hash [32]byte
		err := db.Reader().QueryRowContext(t.Context(), "SELECT "+column).Scan(sqlite.Hash(&hash))
		if (err == nil) != accepted || accepted == (hash == [32]byte{}) {
			t.Errorf("%s is read as %x: %v", column, hash, err)
		}
	}
}

func TestUsedBytes(t *testing.T) {
	db := open(t, filepath.Join(t.TempDir(), "x.db"), sqlite.Options{Migrations: schema()})
	empty := used(t, db)
	if err := insert(t, db, strings.Repeat("x", 100_000)); err != nil {
		t.Fatal(err)
	}
	if full := used(t, db); full < empty+100_000 {
		t.Errorf("%d bytes in use after 100 kB were written, %d before", full, empty)
	}
	if _, err := db.Writer().ExecContext(t.Context(), "DELETE FROM word"); err != nil {
		t.Fatal(err)
	}
	if after := used(t, db); after != empty {
		t.Errorf("%d bytes in use after all was deleted, want %d", after, empty)
	}
}

func used(t *testing.T, db *sqlite.DB) int64 {
	t.Helper()
	n, err := db.UsedBytes(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func TestDamagedFile(t *testing.T) {
	damages := map[string]func(content []byte) []byte{
		"is not a database":       func([]byte) []byte { return []byte(strings.Repeat("not a database. ", 1000)) },
		"was cut short":           func(content []byte) []byte { return content[:len(content)/2] },
		"has garbage in the page": func(content []byte) []byte { copy(content[4096:], strings.Repeat("?", 3000)); return content },
	}
	for name, damage := range damages {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.db")
			fill(t, path)
			content, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(content)
			if err := os.WriteFile(path, damaged, 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema()}); !sqlite.IsDamaged(err) {
				t.Fatalf("without SetAside: got %v", err)
			}

			var log bytes.Buffer
			db := open(t, path, sqlite.Options{
				Migrations: schema(), SetAside: true, Log: slog.New(slog.NewTextHandler(&log, nil)),
			})
			if count(t, db) != 0 || insert(t, db, "new") != nil {
				t.Error("the new file does not work")
			}
			kept, err := os.ReadFile(db.SetAsideAs())
			if err != nil || !bytes.Equal(kept, damaged) {
				t.Errorf("the damaged file was not kept as it was: %v", err)
			}
			if !strings.Contains(log.String(), db.SetAsideAs()) {
				t.Errorf("the log does not name the file: %s", &log)
			}
		})
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: schema()})
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"a", "b", "c", "d"} {
		if err := insert(t, db, prefix+strings.Repeat("x", 4000)); err != nil {
			t.Fatal(err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}
