package bench_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
)

const (
	historyPlugs = 300
	historyDays  = 30
	plugsARoom   = 10
	historyPoll  = 10 * time.Second
	asked        = 5 // times each question
)

// BenchmarkHistory asks the history component over an archive of 300 plugs and
// 30 days, read every ten seconds.
func BenchmarkHistory(b *testing.B) {
	dir := b.TempDir()
	kept := openArchive(b, dir)
	from := time.Now().UTC().Truncate(24*time.Hour).AddDate(0, 0, -historyDays)
	to := from.AddDate(0, 0, historyDays)
	fill(b, kept, from, to)
	seal(b, kept, from, to)
	if err := kept.Close(); err != nil {
		b.Fatal(err)
	}
	readings := historyPlugs * int(to.Sub(from)/historyPoll)
	results.row("Archive, 300 plugs and 30 days at 10 s: bytes on disk per reading",
		fmt.Sprintf("%.1f", float64(sizeOf(b, dir))/float64(readings)), "–", "–", "≤ 20")
	kept = openArchive(b, dir)
	defer kept.Close()
	asking := history.New(history.Options{Store: kept, Log: slog.New(slog.DiscardHandler)}).Verbs()

	all := best(b, func() { hoursByRoom(b, asking[wattline.VerbConsumption], from, to) })
	results.row("Archive: energy by hour and room, 300 plugs, 30 days, all pages", ms(all), "–", "–", "≤ 300 ms")
	day := best(b, func() { dayOfOne(b, asking[wattline.VerbReadings], from.AddDate(0, 0, 11)) })
	floor := best(b, func() { bareDay(b, kept, from.AddDate(0, 0, 11)) })
	results.row("Archive: one plug's raw day, above the store's own time", ms(day), ms(floor), ms(day-floor)+" more", "≤ 20 ms more")
}

func openArchive(b *testing.B, dir string) *archive.Archive {
	b.Helper()
	kept, err := archive.Open(b.Context(), archive.Options{Dir: dir})
	if err != nil {
		b.Fatal(err)
	}
	return kept
}

// fill writes the readings of all plugs, some minutes at a time as a hook would.
func fill(b *testing.B, kept store.Store, from, to time.Time) {
	b.Helper()
	batch := make([]wattline.Reading, 0, 10*historyPlugs)
	for at := from; at.Before(to); at = at.Add(historyPoll) {
		n := int(at.Sub(from) / historyPoll)
		for plug := range historyPlugs {
			batch = append(batch, plugged(plug, n, at))
		}
		if len(batch) == cap(batch) || !at.Add(historyPoll).Before(to) {
			if err := kept.Write(context.Background(), batch); err != nil {
				b.Fatal(err)
			}
			batch = batch[:0]
		}
	}
}

// plugged is the n-th reading of a plug whose load is worked at by day.
func plugged(plug, n int, at time.Time) wattline.Reading {
	watts := wattline.Milli(2_000 + plug*10)
	if hour := at.Hour(); hour >= 8 && hour < 18 {
		watts += wattline.Milli(60_000 + (n*7919+plug*104_729)%15_000)
	}
	energy := wattline.Milli(n)*(20_000+wattline.Milli(plug))/120 + wattline.Milli(plug)*1_000_000
	return wattline.Reading{
		Device: plugName(plug), Time: wattline.At(at.Add(time.Duration(plug) * 31 * time.Millisecond)),
		PowerW: watts, VoltageV: wattline.Milli(229_500 + (n*31+plug*17)%1000), CurrentA: watts / 230, EnergyWh: energy,
		MeterWh: energy / 1000 * 1000, Relay: wattline.RelayOn, RSSIdBm: -55 - n/50%12, CoversS: wattline.Milli(historyPoll.Milliseconds()),
	}
}

func plugName(plug int) string { return fmt.Sprintf("plug-%03d", plug) }

// seal makes the quarter-hours of all that was written, as the upkeep does in time.
func seal(b *testing.B, kept store.Store, from, to time.Time) {
	b.Helper()
	for plug := range historyPlugs {
		query := store.RebuildQuery{Devices: []string{plugName(plug)}, From: from, To: to}
		if _, err := kept.Rebuild(context.Background(), query); err != nil {
			b.Fatal(err)
		}
	}
}

func hoursByRoom(b *testing.B, ask func(context.Context, json.RawMessage) (any, error), from, to time.Time) {
	b.Helper()
	query := wattline.ConsumptionQuery{
		From: wattline.At(from), To: wattline.At(to), Window: wattline.WindowHour, Timezone: "Europe/Madrid", Limit: wattline.MaxHistoryPage,
	}
	for room := range historyPlugs / plugsARoom {
		group := wattline.Group{Name: fmt.Sprintf("hq/f1/r%02d", room)}
		for plug := range plugsARoom {
			group.Devices = append(group.Devices, plugName(room*plugsARoom+plug))
		}
		query.Groups = append(query.Groups, group)
	}
	rows := 0
	for {
		page := answer[wattline.ConsumptionPage](b, ask, query)
		rows += len(page.Rows)
		if query.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if want := historyPlugs / plugsARoom * historyDays * 24; rows != want {
		b.Fatalf("%d rows, want %d", rows, want)
	}
}

func dayOfOne(b *testing.B, ask func(context.Context, json.RawMessage) (any, error), day time.Time) {
	b.Helper()
	query := wattline.ReadingsQuery{
		Devices: []string{plugName(42)}, From: wattline.At(day), To: wattline.At(day.AddDate(0, 0, 1)), Limit: wattline.MaxHistoryPage,
	}
	readings := 0
	for {
		page := answer[wattline.ReadingsPage](b, ask, query)
		readings += len(page.Readings)
		if query.Cursor = page.Next; page.Next == "" {
			break
		}
	}
	if want := int(24 * time.Hour / historyPoll); readings != want {
		b.Fatalf("%d readings, want %d", readings, want)
	}
}

// bareDay asks the store itself, with pages of the same length.
func bareDay(b *testing.B, kept store.Store, day time.Time) {
	b.Helper()
	query := store.Query{Devices: []string{plugName(42)}, From: day, To: day.AddDate(0, 0, 1), Limit: wattline.MaxHistoryPage}
	for {
		page, err := kept.Readings(context.Background(), query)
		if err != nil {
			b.Fatal(err)
		}
		if len(page) < query.Limit {
			return
		}
		last := page[len(page)-1]
		query.After = store.Position{Device: last.Device, Time: last.Time.Time}
	}
}

// answer asks as the bus does, from JSON to JSON.
func answer[T any](b *testing.B, ask func(context.Context, json.RawMessage) (any, error), query any) T {
	b.Helper()
	body, err := json.Marshal(query)
	if err != nil {
		b.Fatal(err)
	}
	result, err := ask(context.Background(), body)
	if err != nil {
		b.Fatal(err)
	}
	if _, err := json.Marshal(result); err != nil {
		b.Fatal(err)
	}
	page, ok := result.(T)
	if !ok {
		b.Fatalf("the answer is %T", result)
	}
	return page
}

// best is the shortest of some tries, without what else this machine does.
func best(b *testing.B, do func()) time.Duration {
	b.Helper()
	return bestOf(asked, do)
}

func bestOf(tries int, do func()) time.Duration {
	shortest := time.Duration(math.MaxInt64)
	for range tries {
		began := time.Now()
		do()
		shortest = min(shortest, time.Since(began))
	}
	return shortest
}

func ms(d time.Duration) string { return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000) }

// sizeOf is the size of the files in a folder, but for those in folders of a name.
func sizeOf(b *testing.B, dir string, but ...string) (bytes int64) {
	b.Helper()
	err := filepath.WalkDir(dir, func(_ string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			if slices.Contains(but, entry.Name()) {
				return fs.SkipDir
			}
			return err
		}
		info, err := entry.Info()
		if err == nil {
			bytes += info.Size()
		}
		return err
	})
	if err != nil {
		b.Fatal(err)
	}
	return bytes
}
