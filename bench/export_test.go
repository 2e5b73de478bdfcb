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

// exported is how many readings the export has: 300 plugs for some hours.
const exported = 2_000_000

// BenchmarkExport takes all readings of an archive out as CSV, through the API of a
// process of its own, and holds that against the time that the store alone takes to
// read them.
func BenchmarkExport(b *testing.B) {
	folder := b.TempDir()
	kept := openArchive(b, filepath.Join(folder, "archive"))
	from := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -2)
	to := from.Add(exported / historyPlugs * historyPoll)
	fill(b, kept, from, to)
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	kept = openArchive(b, filepath.Join(folder, "archive"))
	cpu0 := usageOf(b, os.Getpid()).cpu
	floor := best(b, func() { scanAll(b, kept, from, to) })
	b.Logf("XX cpu per scanned %.3f us", (usageOf(b, os.Getpid()).cpu-cpu0).Seconds()*1e6/asked/exported)
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	devices := make([]wattline.Device, historyPlugs)
	for i := range devices {
		devices[i] = wattline.Device{ID: plugName(i), Kind: "workstation", Location: "hq/" + plugName(i), Address: "127.0.0.1:9"}
	}
	s := up(b, systemOptions{devices: devices, poll: time.Hour, folder: folder, elsewhere: true})
	before := s.mostResident(b)
	url := fmt.Sprintf("%s/api/v1/readings?format=csv&from=%s&to=%s", s.url, wattline.At(from), wattline.At(to))
	cpu := usageOf(b, s.pid).cpu
	took := best(b, func() { s.export(b, url) })
	b.Logf("XX cpu per reading %.3f us", (usageOf(b, s.pid).cpu-cpu).Seconds()*1e6/asked/exported)
	rate := func(d time.Duration) string { return fmt.Sprintf("%.2f million/s", exported/d.Seconds()/1e6) }
	results.row("Export of 2 million readings to CSV, readings", rate(took), rate(floor), ratio(floor, took), "≥ 0.6")
	results.row("Export of 2 million readings to CSV: most resident, everything in one process",
		fmt.Sprintf("%d MB", s.mostResident(b)>>20), fmt.Sprintf("%d MB before it", before>>20), "–", "≤ 100 MB")
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

// mostResident is the most memory that the process has had (proc(5), VmHWM).
func (s system) mostResident(b *testing.B) int64 {
	b.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.pid))
	if err != nil {
		b.Fatal(err)
	}
	_, after, _ := strings.Cut(string(text), "VmHWM:")
	kilobytes, err := strconv.ParseInt(strings.Fields(after)[0], 10, 64)
	if err != nil {
		b.Fatal(err)
	}
	return kilobytes << 10
}
