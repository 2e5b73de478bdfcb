package journal_test

import (
	"database/sql"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/sqlite"
)

// BenchmarkAppend gives readings a second and what a reading takes on disk, for
// callers who append one reading after another.
func BenchmarkAppend(b *testing.B) {
	for _, callers := range []int{1, 10, 1000} {
		for _, interval := range []time.Duration{journal.DefaultCommitInterval, time.Microsecond} {
			b.Run(fmt.Sprintf("callers=%d/interval=%v", callers, interval), func(b *testing.B) {
				j := open(b, journal.Options{Path: filepath.Join(b.TempDir(), "x.db"), CommitInterval: interval})
				defer closed(b, j)
				reading := readingOf(1, time.Now())
				var left atomic.Int64
				left.Store(int64(b.N))
				b.ResetTimer()
				var all sync.WaitGroup
				for range callers {
					all.Go(func() {
						for left.Add(-1) >= 0 {
							if _, err := j.Append(bg(), reading); err != nil {
								b.Error(err)
							}
						}
					})
				}
				all.Wait()
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
			})
		}
	}
}

// BenchmarkBareSQLite is the floor: the same rows without a journal.
func BenchmarkBareSQLite(b *testing.B) {
	for _, rows := range []int{1, 10, 1000} {
		b.Run(fmt.Sprintf("rows a commit=%d", rows), func(b *testing.B) {
			db, err := sqlite.Open(b.Context(), filepath.Join(b.TempDir(), "x.db"), sqlite.Options{
				Migrations: []string{"CREATE TABLE reading(seq INTEGER PRIMARY KEY, d, t, p, v, c, e, m, r, s, o, q)"},
			})
			if err != nil {
				b.Fatal(err)
			}
			defer db.Close()
			insert, err := db.Writer().PrepareContext(b.Context(), "INSERT INTO reading VALUES (?,?,?,?,?,?,?,?,?,?,?,?)")
			if err != nil {
				b.Fatal(err)
			}
			now := time.Now().UnixMilli()
			b.ResetTimer()
			for seq := 0; seq < b.N; {
				err := db.Write(b.Context(), func(tx *sql.Tx) error {
					statement := tx.StmtContext(b.Context(), insert)
					for range rows {
						seq++
						if _, err := statement.ExecContext(b.Context(), seq, "desk-1", now, 61_753, 230_100, 271, 123_456_789, 4_567_000, true, -60, 5000, 0); err != nil {
							return err
						}
					}
					return nil
				})
				if err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "readings/s")
		})
	}
}

// BenchmarkPage gives readings a second read back, and bytes a reading.
func BenchmarkPage(b *testing.B) {
	const held = 100_000
	j := open(b, journal.Options{Path: filepath.Join(b.TempDir(), "x.db"), CommitInterval: time.Millisecond})
	defer closed(b, j)
	appendMany(b, j, 1, held)
	b.ResetTimer()
	for n := range b.N {
		mustPage(b, j, uint64(n*wattline.MaxPage%held+1), 0)
	}
	b.ReportMetric(float64(b.N*wattline.MaxPage)/b.Elapsed().Seconds(), "readings/s")
	var pages int64
	if err := j.Writer().QueryRowContext(b.Context(), "PRAGMA page_count").Scan(&pages); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(pages*4096)/held, "B/reading")
}
