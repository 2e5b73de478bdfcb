package history

import (
	"archive/zip"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
)

func zone(t interface{ Fatal(...any) }, name string) *time.Location {
	location, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return location
}

// everyZone is all the names that the time zone database has.
func everyZone(t testing.TB) (names []string) {
	t.Helper()
	database, err := zip.OpenReader(filepath.Join(runtime.GOROOT(), "lib", "time", "zoneinfo.zip")) //nolint:staticcheck // tests run where Go is
	if err != nil {
		t.Fatal(err)
	}
	defer database.Close()
	for _, file := range database.File {
		if !strings.HasSuffix(file.Name, "/") {
			names = append(names, file.Name)
		}
	}
	return names
}

func windows() []wattline.Window {
	return []wattline.Window{"quarter", "hour", "day", "week", "month", "year"}
}

func TestWindowsTileTheRangeAndBeginWhereTheCalendarSays(t *testing.T) {
	zones := everyZone(t)
	rapid.Check(t, func(t *rapid.T) {
		in := zone(t, rapid.SampledFrom(zones).Draw(t, "zone"))
		window := rapid.SampledFrom(windows()).Draw(t, "window")
		most := map[wattline.Window]int64{"quarter": 3 * 86400, "hour": 10 * 86400, "day": 200 * 86400, "week": 900 * 86400, "month": 3000 * 86400, "year": 20 * 366 * 86400}[window]
		from := time.Unix(rapid.Int64Range(946_684_800, 1_900_000_000).Draw(t, "from"), 0).UTC()
		to := from.Add(time.Duration(rapid.Int64Range(1, most).Draw(t, "length")) * time.Second)
		cuts, more := edges(window, from, to, in, maxWindows)
		if more || !cuts[0].Equal(from) || !cuts[len(cuts)-1].Equal(to) {
			t.Fatalf("from %v to %v: %v", from, to, cuts)
		}
		for i := 1; i < len(cuts); i++ {
			if !cuts[i].After(cuts[i-1]) {
				t.Fatalf("edge %v does not come after %v", cuts[i], cuts[i-1])
			}
			if length := cuts[i].Sub(cuts[i-1]); length > longest(window) {
				t.Fatalf("a %s of %v from %v", window, length, cuts[i-1])
			}
			if i < len(cuts)-1 && !begins(window, cuts[i].In(in)) {
				t.Fatalf("a %s begins at %v", window, cuts[i].In(in))
			}
			if cuts[i].Unix()%int64(every(cuts).Seconds()) != 0 && i < len(cuts)-1 {
				t.Fatalf("%v is not cut by spans of %v", cuts[i], every(cuts))
			}
		}
	})
}

func longest(window wattline.Window) time.Duration {
	const day = 24 * time.Hour
	return map[wattline.Window]time.Duration{
		"quarter": 15 * time.Minute, "hour": 2 * time.Hour, "day": day + 3*time.Hour, "week": 7*day + 3*time.Hour, "month": 31*day + 3*time.Hour, "year": 366*day + 3*time.Hour,
	}[window]
}

// begins tells whether an instant is the first of its window: one quarter-hour
// before, the calendar shows another.
func begins(window wattline.Window, at time.Time) bool {
	before := at.Add(-15 * time.Minute)
	switch window {
	case wattline.WindowQuarter:
		return at.Minute()%15 == 0 && at.Second() == 0
	case wattline.WindowHour:
		return at.Minute() == 0 && at.Second() == 0
	case wattline.WindowDay:
		return at.YearDay() != before.YearDay()
	case wattline.WindowWeek:
		_, week := at.ISOWeek()
		_, weekBefore := before.ISOWeek()
		return week != weekBefore
	case wattline.WindowYear:
		return at.Year() != before.Year()
	}
	return at.Month() != before.Month()
}

func TestKnownDays(t *testing.T) {
	for _, c := range []struct {
		zone, day string
		want      time.Duration
	}{
		{"Europe/Madrid", "2026-03-29", 23 * time.Hour},
		{"Europe/Madrid", "2026-10-25", 25 * time.Hour},
		{"Europe/Madrid", "2026-06-01", 24 * time.Hour},
		{"Australia/Lord_Howe", "2026-04-05", 24*time.Hour + 30*time.Minute},
		{"Australia/Lord_Howe", "2026-10-04", 23*time.Hour + 30*time.Minute},
		{"America/Sao_Paulo", "2018-11-04", 23 * time.Hour}, // midnight was left out
		{"America/Sao_Paulo", "2018-02-17", 25 * time.Hour},
		{"America/Havana", "2025-11-02", 25 * time.Hour}, // midnight came twice
		{"Asia/Beirut", "2026-03-29", 23 * time.Hour},
		{"Asia/Kolkata", "2026-03-29", 24 * time.Hour},
	} {
		in := zone(t, c.zone)
		noon, err := time.ParseInLocation("2006-01-02 15", c.day+" 12", in)
		if err != nil {
			t.Fatal(err)
		}
		cuts, _ := edges(wattline.WindowDay, noon.Add(-48*time.Hour), noon.Add(48*time.Hour), in, 10)
		for i := 1; i < len(cuts); i++ {
			if !cuts[i-1].After(noon) && cuts[i].After(noon) {
				if got := cuts[i].Sub(cuts[i-1]); got != c.want {
					t.Errorf("%s in %s has %v", c.day, c.zone, got)
				}
			}
		}
	}
}

func TestADayThatAZoneLeftOutHasNoWindow(t *testing.T) {
	in := zone(t, "Pacific/Apia") // there was no 30 December 2011
	cuts, _ := edges(wattline.WindowDay, time.Date(2011, 12, 29, 0, 0, 0, 0, in), time.Date(2012, 1, 1, 0, 0, 0, 0, in), in, 10)
	var got []string
	for _, cut := range cuts {
		got = append(got, cut.In(in).Format("01-02 15"))
	}
	if fmt.Sprint(got) != "[12-29 00 12-31 00 01-01 00]" {
		t.Error(got)
	}
}

func TestTooManyWindowsAreNotMade(t *testing.T) {
	from := time.Date(2016, 1, 1, 0, 0, 0, 0, time.UTC)
	if _, more := edges(wattline.WindowQuarter, from, from.AddDate(10, 0, 0), time.UTC, maxWindows); !more {
		t.Error("ten years of quarter-hours were made")
	}
	if cuts, more := edges(wattline.WindowQuarter, from, from.AddDate(1, 0, 0), time.UTC, maxWindows); more || len(cuts) != 366*96+1 {
		t.Errorf("a year has %d quarter-hours", len(cuts)-1)
	}
}
