package archive_test

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/storetest"
	"github.com/wattline/wattline/internal/testserver"
)

// sealed runs Upkeep until all quarter-hours before an instant are sealed.
func sealed(t *testing.T, a *archive.Archive, before time.Time) {
	t.Helper()
	stop := keptUp(t, a)
	defer stop()
	testserver.Eventually(t, time.Minute, func() error {
		if at := a.SealedBefore(); at.Before(before) {
			return fmt.Errorf("sealed only before %v", at)
		}
		return nil
	})
}

func TestQuarterHoursOutliveTheirReadings(t *testing.T) {
	t.Parallel()
	const retention = 120 * 24 * time.Hour
	now := time.Date(2026, 7, 7, 0, 0, 0, 0, time.UTC)
	options := archive.Options{Dir: t.TempDir(), Retention: retention, Now: func() time.Time { return now }}
	var a *archive.Archive
	storetest.Outlives(t, func(t *testing.T) store.Store {
		a = open(t, options)
		return a
	}, func(before time.Time) store.Store {
		now = before.Add(retention + 24*time.Hour)
		recent := span("outlived-a", 0, 10) // enough for a block
		for n := range recent {
			recent[n].Time = wattline.At(now.Add(time.Duration(n-10) * time.Hour))
		}
		write(t, a, recent)
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		sealed(t, a, now.Add(-5*time.Hour))
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		closeIt(t, a)
		options.Retention = 0 // raised: readings of that time are taken again
		a = open(t, options)
		return a
	})
}

func TestReadingsStayUntilTheirQuarterHoursAreSealed(t *testing.T) {
	t.Parallel()
	const retention = 30 * 24 * time.Hour
	now := start.AddDate(0, 0, 1)
	options := archive.Options{Dir: t.TempDir(), Retention: retention, Now: func() time.Time { return now }}
	a := open(t, options)
	write(t, a, span("a", 0, 2000))
	now = now.AddDate(0, 0, 40)
	recent := span("a", 41*24*720-7200, 41*24*720)
	write(t, a, recent)
	for range 2 {
		if err := a.Merge(t.Context()); err != nil {
			t.Fatal(err)
		}
		want(t, a, "a", append(span("a", 0, 2000), recent...))
		closeIt(t, a)
		a = open(t, options)
	}
	sealed(t, a, start.AddDate(0, 0, 40))
	if err := a.Merge(t.Context()); err != nil {
		t.Fatal(err)
	}
	if left := read(t, a, "a"); len(left) > len(recent)+200 {
		t.Errorf("%d readings are left", len(left))
	}
	closeIt(t, a)
}

// asModel compares an archive's answers with those that its readings would give.
func asModel(t *testing.T, a *archive.Archive, devices ...string) {
	t.Helper()
	model := storetest.NewMemory()
	for _, device := range devices {
		if err := model.Write(t.Context(), read(t, a, device)); err != nil {
			t.Fatal(err)
		}
	}
	for _, every := range []time.Duration{store.QuarterHour, time.Hour, 24 * time.Hour} {
		query := store.SummaryQuery{
			Devices: devices, From: start.AddDate(0, 0, -20), To: start.AddDate(0, 0, 20).Add(time.Minute), Every: every, Values: true,
		}
		want, err := model.Summaries(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		got, err := a.Summaries(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("summaries of every %v (-readings +archive):\n%.3000s", every, diff)
		}
	}
}

func TestADamagedFileOfQuarterHoursIsMadeAnew(t *testing.T) {
	t.Parallel()
	spoil := func(t *testing.T, path string) {
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(content[len(content)/3:], strings.Repeat("?", len(content)/3))
		overwrite(t, path, string(content))
	}
	for name, damage := range map[string]func(*testing.T, string){
		"it is gone":            remove,
		"it is garbage":         func(t *testing.T, path string) { overwrite(t, path, strings.Repeat("garbage", 9000)) },
		"it is cut short":       func(t *testing.T, path string) { cut(t, path, size(t, path)/2) },
		"a third of it is lost": spoil,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			a := open(t, archive.Options{Dir: dir})
			write(t, a, span("a", 0, 4000))
			write(t, a, span("b", 20_000, 21_000))
			sealed(t, a, start.AddDate(0, 0, 3))
			closeIt(t, a)
			damage(t, filepath.Join(dir, "quarter-hours.sqlite"))

			a = open(t, archive.Options{Dir: dir})
			asModel(t, a, "a", "b")
			write(t, a, span("a", 5000, 6000))
			asModel(t, a, "a", "b")
			sealed(t, a, start.AddDate(0, 0, 3))
			asModel(t, a, "a", "b")
			closeIt(t, a)
		})
	}
}

func TestAFileOfQuarterHoursThatIsDamagedInUseIsMadeAnew(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	log := &testserver.Text{}
	a := open(t, archive.Options{Dir: dir, Log: log.Logger(slog.LevelWarn)})
	defer closeIt(t, a)
	// Long enough not to be held in memory.
	for d := range 3 {
		device := string(rune('a' + d))
		for n := range 40 {
			at := n * 17280
			write(t, a, span(device, at, at+3))
		}
	}
	sealed(t, a, start.AddDate(0, 0, 40))
	if err := a.SpoilRecords(t.Context()); err != nil {
		t.Fatal(err)
	}
	asModel(t, a, "a", "b", "c")
	late := span("a", 5, 6)
	if err := a.Write(t.Context(), late); err != nil {
		t.Fatal(err)
	}
	asModel(t, a, "a", "b", "c")
	if !strings.Contains(log.String(), "was damaged") {
		t.Errorf("the log says only: %s", log)
	}
	sealed(t, a, start.AddDate(0, 0, 40))
	asModel(t, a, "a", "b", "c")
}

func TestReadingsStayWhenAFileOfQuarterHoursIsLostThatCannotBeSetAside(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	a := open(t, archive.Options{Dir: dir})
	defer closeIt(t, a)
	for n := range 40 {
		at := n * 17280
		write(t, a, span("a", at, at+3))
	}
	sealed(t, a, start.AddDate(0, 0, 40))
	if err := a.SpoilRecords(t.Context()); err != nil {
		t.Fatal(err)
	}
	remove(t, filepath.Join(dir, "quarter-hours.sqlite")) // so that it cannot be renamed
	query := store.SummaryQuery{Devices: []string{"a"}, From: start, To: start.AddDate(0, 0, 40), Every: 24 * time.Hour}
	testserver.Eventually(t, time.Minute, func() error {
		_, err := a.Summaries(t.Context(), query)
		return err
	})
	if at := a.SealedBefore(); !at.IsZero() {
		t.Errorf("all is said to be sealed before %v", at)
	}
}

func TestALaterVersionsFileOfQuarterHoursIsRefused(t *testing.T) {
	dir := t.TempDir()
	closeIt(t, open(t, archive.Options{Dir: dir}))
	if err := archive.AgeRecords(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	_, err := archive.Open(t.Context(), archive.Options{Dir: dir})
	if err == nil || !strings.Contains(err.Error(), "later version") {
		t.Errorf("error %v", err)
	}
}
