package archive_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
)

const benchDevices, benchPolls = 300, 10

// benchBatch is some polls of all devices.
func benchBatch(n int) []wattline.Reading {
	batch := make([]wattline.Reading, 0, benchDevices*benchPolls)
	for poll := range benchPolls {
		for d := range benchDevices {
			one := numbered(fmt.Sprintf("plug-%03d", d), n*benchPolls+poll)
			one.PowerW += wattline.Milli(d * 37 % 91)
			batch = append(batch, one)
		}
	}
	return batch
}

func BenchmarkWrite(b *testing.B) {
	a := open(b, archive.Options{Dir: b.TempDir()})
	defer closeIt(b, a)
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch := benchBatch(n)
		n++
		b.StartTimer()
		write(b, a, batch)
	}
	b.ReportMetric(float64(n*benchDevices*benchPolls)/b.Elapsed().Seconds(), "readings/s")
}

// BenchmarkBareAppend appends the same samples to a TSDB and nothing more.
func BenchmarkBareAppend(b *testing.B) {
	db, err := tsdb.Open(b.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	n := 0
	for b.Loop() {
		b.StopTimer()
		batch := benchBatch(n)
		n++
		b.StartTimer()
		app := db.Appender(b.Context())
		for _, r := range batch {
			for f, value := range []float64{
				float64(r.EnergyWh), float64(r.CoversS), float64(r.PowerW), float64(r.VoltageV), float64(r.CurrentA),
				float64(r.MeterWh), 1, float64(r.RSSIdBm), float64(r.Quality),
			} {
				if _, err := app.Append(0, labels.FromStrings("__name__", fmt.Sprint(f), "device", r.Device), r.Time.UnixMilli(), value); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n*benchDevices*benchPolls)/b.Elapsed().Seconds(), "readings/s")
}

func BenchmarkQuestions(b *testing.B) {
	dir := b.TempDir()
	a := open(b, archive.Options{Dir: dir})
	var devices []string
	const days = 2
	for n := range days * 24 * 3600 / 5 / benchPolls {
		write(b, a, benchBatch(n))
	}
	for d := range benchDevices {
		devices = append(devices, fmt.Sprintf("plug-%03d", d))
	}
	closeIt(b, a)
	b.Run("open", func(b *testing.B) {
		for b.Loop() {
			closeIt(b, open(b, archive.Options{Dir: dir}))
		}
	})
	a = open(b, archive.Options{Dir: dir})
	defer closeIt(b, a)
	b.Run("summaries of all by hour", func(b *testing.B) {
		for b.Loop() {
			_, err := a.Summaries(b.Context(), store.SummaryQuery{
				Devices: devices, From: start, To: start.AddDate(0, 0, days), Every: time.Hour,
			})
			if err != nil {
				b.Fatal(err)
			}
		}
		b.ReportMetric(float64(b.N*benchDevices*days*24*720)/b.Elapsed().Seconds(), "readings/s")
	})
	b.Run("raw day of one", func(b *testing.B) {
		for b.Loop() {
			query := store.Query{Devices: devices[:1], From: start, To: start.AddDate(0, 0, 1), Limit: store.MaxLimit}
			page, err := a.Readings(b.Context(), query)
			if err != nil || len(page) != query.Limit {
				b.Fatal(len(page), err)
			}
		}
	})
}
