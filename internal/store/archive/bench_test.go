package archive_test

import (
	"context"
	"fmt"
	"syscall"
	"testing"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
	"github.com/prometheus/prometheus/tsdb"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/quarters"
)

const (
	benchDevices = 300
	// batchSize is how many readings the hook writes at once when there are many.
	batchSize = 1000
)

// cpu is how much processor time the process has used.
func cpu(b *testing.B) time.Duration {
	var used syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &used); err != nil {
		b.Fatal(err)
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

func benchDevice(n int) string { return fmt.Sprintf("plug-%03d", n) }

// benchBatch is the nth batch of all devices in turn, the first one at an instant.
func benchBatch(n int, from time.Time) []wattline.Reading {
	batch := make([]wattline.Reading, batchSize)
	for i := range batch {
		device, poll := (n*batchSize+i)%benchDevices, (n*batchSize+i)/benchDevices
		batch[i] = numbered(benchDevice(device), poll)
		batch[i].Time = wattline.At(from.Add(time.Duration(poll)*5*time.Second + time.Duration(device)*17*time.Millisecond))
		batch[i].PowerW += wattline.Milli(device * 37 % 91)
		batch[i].EnergyWh += wattline.Milli(device * 1_000_003)
	}
	return batch
}

// writing measures what a batch costs, once every series has been made.
func writing(b *testing.B, from time.Time, write func([]wattline.Reading)) {
	n := 0
	for ; n*batchSize < benchDevices; n++ {
		write(benchBatch(n, from))
	}
	var used time.Duration
	first := n
	for b.Loop() {
		b.StopTimer()
		batch := benchBatch(n, from)
		n++
		before := cpu(b)
		b.StartTimer()
		write(batch)
		used += cpu(b) - before
	}
	b.ReportMetric(float64((n-first)*batchSize)/used.Seconds(), "readings/cpu-s")
}

// BenchmarkWrite writes what is measured now, and what a hook catches up with.
func BenchmarkWrite(b *testing.B) {
	for name, now := range map[string]time.Time{"live": start, "backlog": start.AddDate(0, 0, 2)} {
		b.Run(name, func(b *testing.B) {
			a := open(b, archive.Options{Dir: b.TempDir(), Now: func() time.Time { return now }})
			defer closeIt(b, a)
			defer keptUp(b, a)()
			writing(b, start, func(batch []wattline.Reading) { write(b, a, batch) })
		})
	}
}

// keptUp runs an archive's Upkeep until the function that it returns is called.
func keptUp(t testing.TB, a *archive.Archive) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- a.Upkeep(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

// BenchmarkBareAppend appends the same samples to a TSDB and nothing more.
func BenchmarkBareAppend(b *testing.B) {
	db, err := tsdb.Open(b.TempDir(), nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		b.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	type series struct {
		labels [9]labels.Labels
		refs   [9]storage.SeriesRef
	}
	known := map[string]*series{}
	writing(b, start, func(batch []wattline.Reading) {
		app := db.Appender(b.Context())
		for _, r := range batch {
			of := known[r.Device]
			if of == nil {
				of = &series{}
				known[r.Device] = of
				for f := range of.labels {
					of.labels[f] = labels.FromStrings("__name__", fmt.Sprint("field_", f), "device", r.Device)
				}
			}
			var relay float64
			if r.Relay == wattline.RelayOn {
				relay = 1
			}
			for f, value := range [...]float64{
				float64(r.EnergyWh), float64(r.CoversS), float64(r.PowerW), float64(r.VoltageV), float64(r.CurrentA),
				relay, float64(r.MeterWh), float64(r.RSSIdBm), float64(r.Quality),
			} {
				if of.refs[f], err = app.Append(of.refs[f], of.labels[f], r.Time.UnixMilli(), value); err != nil {
					b.Fatal(err)
				}
			}
		}
		if err := app.Commit(); err != nil {
			b.Fatal(err)
		}
	})
}

// BenchmarkSummaries asks for a month of all plugs at 10 s. The records are those
// that Upkeep makes; the readings of sealed days, which are not read, are left out.
func BenchmarkSummaries(b *testing.B) {
	const days = 30
	a := open(b, archive.Options{Dir: b.TempDir()})
	defer closeIt(b, a)
	devices := benchRecords(b, a, days)
	b.Run("record", func(b *testing.B) {
		record := benchRecord(start)
		for b.Loop() {
			packed := record.Pack()
			b.ReportMetric(float64(len(packed.DayLevel)+len(packed.HourLevel)+len(packed.QuarterLevel)), "bytes")
		}
	})
	for _, question := range []struct {
		name string
		store.SummaryQuery
	}{
		{"by hour", store.SummaryQuery{Every: time.Hour}},
		{"by hour with values", store.SummaryQuery{Every: time.Hour, Values: true}},
		{"by quarter-hour", store.SummaryQuery{Every: store.QuarterHour}},
		{"by day", store.SummaryQuery{Every: 24 * time.Hour}},
	} {
		b.Run(question.name, func(b *testing.B) {
			query := question.SummaryQuery
			query.Devices, query.From, query.To = devices, start, start.AddDate(0, 0, days)
			before := cpu(b)
			for b.Loop() {
				if _, err := a.Summaries(b.Context(), query); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64((cpu(b)-before).Milliseconds())/float64(b.N), "cpu-ms/op")
		})
	}
}

// benchRecords keeps sealed records of all plugs, the day before and the one after
// included, and names the plugs.
func benchRecords(b *testing.B, a *archive.Archive, days int) []string {
	var records []quarters.Record
	for n := -1; n <= days; n++ {
		records = append(records, benchRecord(start.AddDate(0, 0, n)))
	}
	var devices []string
	since := map[string]quarters.Day{}
	for d := range benchDevices {
		device := benchDevice(d)
		devices = append(devices, device)
		since[device] = records[0].Day
		var batch []quarters.Packed
		for i := range records {
			records[i].Device = device
			batch = append(batch, records[i].Pack())
		}
		if err := a.Records().Put(b.Context(), batch); err != nil {
			b.Fatal(err)
		}
	}
	if err := a.Records().SetSince(b.Context(), since); err != nil {
		b.Fatal(err)
	}
	return devices
}

// benchRecord is a day of a plug that is read every 10 s.
func benchRecord(from time.Time) quarters.Record {
	const poll = 10 * time.Second
	day := quarters.Record{Day: quarters.DayOf(from)}
	for n := range int(24 * time.Hour / poll) {
		one := numbered("plug", n+1_000_000)
		one.Time, one.CoversS = wattline.At(from.Add(time.Duration(n)*poll)), wattline.Milli(poll.Milliseconds())
		one.VoltageV += wattline.Milli(n * 7919 % 3001)
		one.CurrentA += wattline.Milli(n * 7919 % 101)
		q := n * quarters.PerDay / int(24*time.Hour/poll)
		day.Quarters[q] = day.Quarters[q].Merge(wattline.Summarize(one))
		day.Sealed.Add(q)
	}
	return day
}

// BenchmarkReadings reads the 8,640 raw readings of one of many plugs.
func BenchmarkReadings(b *testing.B) {
	const readings = 8640
	dir := b.TempDir()
	a := open(b, archive.Options{Dir: dir})
	for n := range readings * benchDevices / batchSize {
		write(b, a, benchBatch(n, start))
	}
	closeIt(b, a)
	a = open(b, archive.Options{Dir: dir})
	defer closeIt(b, a)
	b.Run("day of one", func(b *testing.B) {
		for b.Loop() {
			query := store.Query{Devices: []string{benchDevice(7)}, From: start, To: start.AddDate(0, 0, 1), Limit: store.MaxLimit}
			page, err := a.Readings(b.Context(), query)
			if err != nil || len(page) != readings {
				b.Fatal(len(page), err)
			}
		}
	})
}
