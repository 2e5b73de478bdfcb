package bench_test

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/testserver"
)

// onDisk is how many readings are written to see what one takes.
const onDisk = 120_000

// BenchmarkDisk takes what a reading takes on disk in the journal and in InfluxDB; for
// the archive see BenchmarkHistory.
func BenchmarkDisk(b *testing.B) {
	b.Run("journal", func(b *testing.B) { diskRow("Journal", journalBytes(b)) })
	b.Run("influx", func(b *testing.B) {
		before, after := influxBytes(b)
		diskRow("InfluxDB, as it was written", before)
		diskRow("InfluxDB, once it has packed it", after)
	})
}

func diskRow(what string, bytes int64) {
	results.row(what+", 300 plugs at 10 s: bytes on disk per reading", fmt.Sprintf("%.1f", float64(bytes)/onDisk), "–", "–", "–")
}

// journalBytes appends as many pollers do, so that many readings share a commit.
func journalBytes(b *testing.B) int64 {
	b.Helper()
	dir := b.TempDir()
	kept, err := journal.Open(b.Context(), journal.Options{Path: filepath.Join(dir, "journal.sqlite"), CommitInterval: 5 * time.Millisecond})
	if err != nil {
		b.Fatal(err)
	}
	begin := ingestStart()
	var pollers sync.WaitGroup
	for plug := range historyPlugs {
		pollers.Go(func() {
			for n := range onDisk / historyPlugs {
				one := plugged(plug, n, begin.Add(time.Duration(n)*historyPoll))
				if _, err := kept.AppendAll(context.Background(), []wattline.Reading{one}, nil); err != nil {
					b.Error(err)
					return
				}
			}
		})
	}
	pollers.Wait()
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	return sizeOf(b, dir)
}

// influxBytes is the size of the server's files when the readings are written, and
// when it has made its compact ones of them.
func influxBytes(b *testing.B) (written, packed int64) {
	b.Helper()
	server := testserver.Influx(b,
		"--storage-cache-snapshot-write-cold-duration", "2s", // ten minutes otherwise
		"--storage-compact-full-write-cold-duration", "2s") // four hours otherwise
	bucket := server.NewBucket()
	server.MakeBucket(bucket+"-quarters", 0)
	kept := openInflux(b, influx.Options{URL: server.URL(), Org: server.Org(), Bucket: bucket, Token: server.Token()})
	defer kept.Close()
	begin := ingestStart()
	for n := 0; n < onDisk/historyPlugs; n += 10 {
		var batch []wattline.Reading
		for i := n; i < n+10; i++ {
			for plug := range historyPlugs {
				batch = append(batch, plugged(plug, i, begin.Add(time.Duration(i)*historyPoll)))
			}
		}
		if err := kept.Write(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	written = sizeOf(b, server.Engine(), "_series") // files of names, which have 4 MiB beforehand
	const calm = 15 * time.Second
	<-time.After(calm)
	return written, sizeOf(b, server.Engine(), "_series")
}
