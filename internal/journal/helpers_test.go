package journal_test

import (
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		appendForEver(path)
	}
	if path := os.Getenv(workPath); path != "" {
		workAndSay(path)
		return
	}
	flag.Parse()
	if !given("rapid.checks") {
		_ = flag.Set("rapid.checks", "15") // each is some dozens of files
	}
	goleak.VerifyTestMain(m)
}

func given(name string) (found bool) {
	flag.Visit(func(f *flag.Flag) { found = found || f.Name == name })
	return found
}

// fatal is what *testing.T and *rapid.T have in common.
type fatal interface {
	Helper()
	Fatal(...any)
	Fatalf(string, ...any)
}

func open(t fatal, options journal.Options) *journal.Journal {
	t.Helper()
	j, err := journal.Open(context.Background(), options)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

func opened(t *testing.T, options journal.Options) *journal.Journal {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "journal.db")
	}
	j := open(t, options)
	t.Cleanup(func() { closed(t, j) })
	return j
}

func closed(t fatal, j *journal.Journal) {
	t.Helper()
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
}

// bubble runs a test in fake time.
func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// readingOf is a reading that can be told from every other by its number.
func readingOf(n int, at time.Time) wattline.Reading {
	return wattline.Reading{
		Device: fmt.Sprintf("desk-%d", n%7), Time: wattline.At(at), Relay: wattline.RelayOf(n%2 == 0),
		PowerW: wattline.Milli(n), VoltageV: 230_100, CurrentA: -5, EnergyWh: wattline.Milli(n) * 1000, MeterWh: 12,
		RSSIdBm: -60, CoversS: 5000, Quality: wattline.Quality(n % 8),
	}
}

func mustAppend(t fatal, j *journal.Journal, reading wattline.Reading) wattline.Reading {
	t.Helper()
	kept, err := j.Append(context.Background(), reading)
	if err != nil {
		t.Fatal(err)
	}
	return kept
}

// appendMany appends readings from..to, many at a time.
func appendMany(t fatal, j *journal.Journal, from, to int) {
	t.Helper()
	const together = 500
	for ; from <= to; from += together {
		var all sync.WaitGroup
		errs := make(chan error, together)
		for n := from; n <= min(to, from+together-1); n++ {
			all.Go(func() {
				_, err := j.Append(context.Background(), readingOf(n, time.Now()))
				errs <- err
			})
		}
		all.Wait()
		close(errs)
		for err := range errs {
			if err != nil {
				t.Fatal(err)
			}
		}
	}
}

func mustPage(t fatal, j *journal.Journal, from uint64, limit int) wattline.ReplayPage {
	t.Helper()
	page, err := j.Page(context.Background(), wattline.ReplayQuery{Stream: j.Stream(), From: from, Limit: limit})
	if err != nil {
		t.Fatal(err)
	}
	return page
}

// everything pages through the whole journal and checks that the numbers are
// consecutive.
func everything(t fatal, j *journal.Journal) []wattline.Reading {
	t.Helper()
	var all []wattline.Reading
	from := uint64(1)
	for {
		page := mustPage(t, j, from, 0)
		from = max(from, page.First)
		for i, reading := range page.Readings {
			if reading.Seq != from+uint64(i) || reading.Stream != j.Stream() {
				t.Fatalf("reading %d of the page from %d has number %d", i, from, reading.Seq)
			}
		}
		all = append(all, page.Readings...)
		from += uint64(len(page.Readings))
		if from > page.Last {
			return all
		}
		if len(page.Readings) == 0 {
			t.Fatalf("page from %d is empty, the last number is %d", from, page.Last)
		}
	}
}

func codeOf(err error) wattline.Code {
	if err == nil {
		return ""
	}
	return wattline.AsError(err).Code
}

func replay(j *journal.Journal, from uint64) wattline.ReplayQuery {
	return wattline.ReplayQuery{Stream: j.Stream(), From: from}
}
