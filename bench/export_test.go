package bench_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// exported is how many readings the export has: 300 plugs for almost four days.
const exported = 10_000_000

// exports is how often they are read and exported; the best of it counts.
const exports = 3

// BenchmarkExport takes all readings of an archive out as CSV, through the API of a
// process of its own, and holds that against the time that the store alone takes to
// read them.
func BenchmarkExport(b *testing.B) {
	folder := b.TempDir()
	kept := openArchive(b, filepath.Join(folder, "archive"))
	to := time.Now().UTC().Truncate(24 * time.Hour)
	from := to.Add(-exported / historyPlugs * historyPoll)
	fill(b, kept, from, to)
	seal(b, kept, from, to)
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	kept = openArchive(b, filepath.Join(folder, "archive"))
	floor := bestOf(exports, func() { scanAll(b, kept, from, to) })
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	devices := make([]wattline.Device, historyPlugs)
	for i := range devices {
		devices[i] = wattline.Device{ID: plugName(i), Kind: "workstation", Location: "hq/" + plugName(i), Address: "127.0.0.1:9"}
	}
	s := up(b, systemOptions{devices: devices, poll: time.Hour, folder: folder, elsewhere: true})
	url := fmt.Sprintf("%s/api/v1/readings?format=csv&from=%s&to=%s", s.url, wattline.At(from), wattline.At(to))
	before, most := memoryOf(b, s.pid), s.mostMemory(b)
	took := bestOf(exports, func() { s.export(b, url) })
	during := most()
	rate := func(d time.Duration) string { return fmt.Sprintf("%.2f million/s", exported/d.Seconds()/1e6) }
	const what = "Export of 10 million readings to CSV"
	results.row(what+", readings", rate(took), rate(floor), ratio(floor, took), "≥ 0.6")
	results.row(what+", everything in one process: most memory of its own", fmt.Sprintf("%d MB", during.own>>20),
		fmt.Sprintf("%d MB before it", before.own>>20), fmt.Sprintf("%d MB more", (during.own-before.own)>>20), "≤ 100 MB")
	results.row(what+", everything in one process: most resident, with the archive's mapped files", fmt.Sprintf("%d MB", during.resident>>20),
		fmt.Sprintf("%d MB before it", before.resident>>20), "–", "–")
}

// scanAll reads all readings from the store, in pages as the API does.
func scanAll(b *testing.B, kept store.Store, from, to time.Time) {
	b.Helper()
	query := store.Query{From: from, To: to, Limit: wattline.MaxHistoryPage}
	for i := range historyPlugs {
		query.Devices = append(query.Devices, plugName(i))
	}
	for all := 0; ; {
		page, err := kept.Readings(context.Background(), query)
		if err != nil {
			b.Fatal(err)
		}
		if all += len(page); len(page) < query.Limit {
			if wanted := exported / historyPlugs * historyPlugs; all < wanted-historyPlugs || all > wanted {
				b.Fatalf("%d readings, not %d", all, wanted)
			}
			return
		}
		last := page[len(page)-1]
		query.After = store.Position{Device: last.Device, Time: last.Time.Time}
	}
}

// export takes an answer to its end and throws it away.
func (s system) export(b *testing.B, url string) {
	b.Helper()
	request, err := http.NewRequestWithContext(b.Context(), http.MethodGet, url, http.NoBody)
	if err != nil {
		b.Fatal(err)
	}
	request.Header.Set("Authorization", "Bearer "+adminToken)
	response, err := (&http.Client{Transport: &http.Transport{DisableCompression: true}}).Do(request)
	if err != nil {
		b.Fatal(err)
	}
	defer response.Body.Close()
	lines := lineCount{}
	if _, err := io.CopyBuffer(&lines, response.Body, make([]byte, 64<<10)); err != nil || response.StatusCode != http.StatusOK {
		b.Fatal(response.Status, err)
	}
	if wanted := exported/historyPlugs*historyPlugs + 1; lines.n < wanted-historyPlugs || lines.n > wanted {
		b.Fatalf("%d lines, not %d", lines.n, wanted)
	}
}

type lineCount struct{ n int }

func (l *lineCount) Write(piece []byte) (int, error) {
	l.n += bytes.Count(piece, []byte{'\n'})
	return len(piece), nil
}

// memory is what a process has in memory: of its own, and with the files that are mapped
// into it, whose pages the kernel takes back whenever it needs them.
type memory struct{ own, resident int64 }

// memoryOf reads /proc/pid/status (proc(5), RssAnon and VmRSS).
func memoryOf(b *testing.B, pid int) memory {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		b.Error(err)
		return memory{}
	}
	size := func(name string) int64 {
		_, after, _ := strings.Cut(string(text), name)
		kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
		if err != nil {
			b.Error(err)
		}
		return kilobytes << 10
	}
	return memory{own: size("RssAnon:"), resident: size("VmRSS:")}
}

// mostMemory watches until it is asked for the most that there was.
func (s system) mostMemory(b *testing.B) func() memory {
	b.Helper()
	stop, found := make(chan struct{}), make(chan memory)
	go func() {
		most := memory{}
		for {
			now := memoryOf(b, s.pid)
			most = memory{max(most.own, now.own), max(most.resident, now.resident)}
			select {
			case <-time.After(20 * time.Millisecond):
			case <-stop:
				found <- most
				return
			}
		}
	}()
	return func() memory { close(stop); return <-found }
}
