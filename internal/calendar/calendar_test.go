package calendar_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/calendar"
)

func zone(t testing.TB, name string) *time.Location {
	t.Helper()
	found, err := time.LoadLocation(name)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func at(t testing.TB, text string) time.Time {
	t.Helper()
	parsed, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		t.Fatal(err)
	}
	return parsed
}

func TestPeriodsMeanWhatTheySay(t *testing.T) {
	for _, c := range []struct{ zone, now, from, to, want string }{
		// The last Sunday of March 2026 has 23 hours in Madrid.
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "", "", "2026-03-29T22:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "today", "", "2026-03-29T22:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "yesterday", "", "2026-03-28T23:00:00.000Z/2026-03-29T22:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "yesterday", "now", "2026-03-28T23:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "yesterday", "today", "2026-03-28T23:00:00.000Z/2026-03-29T22:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "", "yesterday", "2026-03-27T23:00:00.000Z/2026-03-28T23:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "-24h", "", "2026-03-29T10:20:30.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "-2d", "", "2026-03-28T11:20:30.000Z/2026-03-30T10:20:30.000Z"}, // the same time of day
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "-48h", "-90m", "2026-03-28T10:20:30.000Z/2026-03-30T08:50:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "last month", "", "2026-01-31T23:00:00.000Z/2026-02-28T23:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "Last-Month", "", "2026-01-31T23:00:00.000Z/2026-02-28T23:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "last month", "this month", "2026-01-31T23:00:00.000Z/2026-02-28T23:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "last week", "", "2026-03-22T23:00:00.000Z/2026-03-29T22:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "this week", "", "2026-03-29T22:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "this month", "", "2026-02-28T23:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "last year", "", "2024-12-31T23:00:00.000Z/2025-12-31T23:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "this year", "", "2025-12-31T23:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "last hour", "", "2026-03-30T09:00:00.000Z/2026-03-30T10:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "2026-03-29", "2026-03-30", "2026-03-28T23:00:00.000Z/2026-03-29T22:00:00.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "2026-03-29", "", "2026-03-28T23:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"Europe/Madrid", "2026-03-30T10:20:30Z", "2026-03-29T10:00:00+02:00", "", "2026-03-29T08:00:00.000Z/2026-03-30T10:20:30.000Z"},
		{"UTC", "2026-03-31T12:00:00Z", "-1mo", "", "2026-02-28T12:00:00.000Z/2026-03-31T12:00:00.000Z"},
		{"UTC", "2024-02-29T12:00:00Z", "-1y", "", "2023-02-28T12:00:00.000Z/2024-02-29T12:00:00.000Z"},
		{"UTC", "2026-01-01T00:00:00Z", "last year", "", "2025-01-01T00:00:00.000Z/2026-01-01T00:00:00.000Z"},
		{"UTC", "2026-03-30T10:20:30Z", "-2w", "-1w", "2026-03-16T10:20:30.000Z/2026-03-23T10:20:30.000Z"},
		// An hour that comes twice is two hours; yesterday had 25.
		{"Europe/Madrid", "2026-10-26T08:00:00Z", "yesterday", "", "2026-10-24T22:00:00.000Z/2026-10-25T23:00:00.000Z"},
		{"Europe/Madrid", "2026-10-25T01:30:00Z", "this hour", "", "2026-10-25T01:00:00.000Z/2026-10-25T01:30:00.000Z"},
		{"Europe/Madrid", "2026-10-25T01:30:00Z", "last hour", "", "2026-10-25T00:00:00.000Z/2026-10-25T01:00:00.000Z"},
		// Clocks that go forward at midnight: the day began at one o'clock.
		{"America/Sao_Paulo", "2018-11-04T12:00:00Z", "today", "", "2018-11-04T03:00:00.000Z/2018-11-04T12:00:00.000Z"},
		{"America/Sao_Paulo", "2018-12-04T02:30:00Z", "-1mo", "", "2018-11-04T02:30:00.000Z/2018-12-04T02:30:00.000Z"},
		// There was no 30 December 2011; the day before it is yesterday.
		{"Pacific/Apia", "2011-12-31T00:00:00Z", "yesterday", "", "2011-12-29T10:00:00.000Z/2011-12-30T10:00:00.000Z"},
	} {
		t.Run(c.zone+" "+c.now+" "+c.from+" to "+c.to, func(t *testing.T) {
			clock := calendar.Clock{Now: at(t, c.now), Zone: zone(t, c.zone)}
			got, faults := clock.Period(c.from, c.to)
			if text := got.From.String() + "/" + got.To.String(); text != c.want || len(faults) > 0 {
				t.Errorf("%s %v, want %s", text, faults, c.want)
			}
		})
	}
}

func TestWhatIsNoPeriodIsRefusedWithItsName(t *testing.T) {
	clock := calendar.Clock{Now: at(t, "2026-03-30T10:20:30Z"), Zone: time.UTC}
	for _, c := range []struct{ from, to, fields string }{
		{"soon", "", "from"},
		{"", "last summer", "to"},
		{"soon", "late", "from to"},
		{"-", "", "from"},
		{"-7", "", "from"},
		{"--7d", "", "from"},
		{"-+7d", "", "from"},
		{"-7d ", "", "from"},
		{"-1.5h", "", "from"},
		{"-9999999s", "", "from"},
		{"-900y", "", "from"},
		{"+1h", "", "from"},
		{"last", "", "from"},
		{"this quarter", "", "from"},
		{"next week", "", "from"},
		{"last  week", "", "from"},
		{"1999-12-31", "", "from"},
		{"2026-03-30", "2200-01-01", "to"},
		{"now", "", "from"},
		{"today", "today", "from"},
		{"2026-03-31", "", "from"},
	} {
		var fields []string
		_, faults := clock.Period(c.from, c.to)
		for _, fault := range faults {
			fields = append(fields, fault.Field)
		}
		if got := strings.Join(fields, " "); got != c.fields {
			t.Errorf("from %q to %q: faults of %q, want %q", c.from, c.to, got, c.fields)
		}
	}
}

func windows() []wattline.Window {
	return []wattline.Window{"quarter", "hour", "day", "week", "month", "year"}
}

func zones() *rapid.Generator[string] {
	return rapid.SampledFrom([]string{
		"UTC", "Europe/Madrid", "America/Sao_Paulo", "America/Havana", "Australia/Lord_Howe", "Asia/Beirut",
		"Asia/Kathmandu", "Pacific/Apia", "Africa/Casablanca", "Antarctica/Troll",
	})
}

func instants() *rapid.Generator[time.Time] {
	return rapid.Custom(func(t *rapid.T) time.Time {
		return time.UnixMilli(rapid.Int64Range(1_000_000_000_000, 1_900_000_000_000).Draw(t, "ms")).UTC()
	})
}

func TestEveryInstantLiesInOneWindow(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		in, now := zone(t, zones().Draw(rt, "zone")), instants().Draw(rt, "now")
		window := rapid.SampledFrom(windows()).Draw(rt, "window")
		start, next := calendar.Start(window, now, in), calendar.Next(window, now, in)
		if start.After(now) || !next.After(now) {
			rt.Fatalf("the %s from %v to %v does not hold %v", window, start, next, now)
		}
		if again := calendar.Next(window, start, in); !again.Equal(next) {
			rt.Fatalf("the %s from %v ends at %v, not at %v", window, start, again, next)
		}
		if last := calendar.Start(window, next.Add(-time.Millisecond), in); !last.Equal(start) {
			rt.Fatalf("the last instant before %v is in the %s from %v, not from %v", next, window, last, start)
		}
	})
}

func TestTheLastOneEndsWhereThisOneBegins(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := calendar.Clock{Now: instants().Draw(rt, "now").AddDate(2, 0, 0), Zone: zone(t, zones().Draw(rt, "zone"))}
		name := string(rapid.SampledFrom(windows()[1:]).Draw(rt, "window"))
		last, faults := clock.Period("last "+name, "")
		if len(faults) > 0 {
			rt.Fatal(faults)
		}
		this, err := clock.Instant("this " + name)
		if err != nil || !last.To.Equal(this.Time) {
			rt.Fatalf("%v, and this %s begins at %v", last, name, this)
		}
		if cut := calendar.Next(wattline.Window(name), last.From.Time, clock.Zone); !cut.Equal(last.To.Time) {
			rt.Fatalf("%v is more than one %s: %v", last, name, cut)
		}
		both, faults := clock.Period("last "+name, "this "+name)
		if len(faults) > 0 || both != last {
			rt.Fatalf("from last to this is %v, the last alone %v", both, last)
		}
	})
}

func TestDaysAgoIsTheSameTimeOfDay(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		clock := calendar.Clock{Now: instants().Draw(rt, "now"), Zone: zone(t, zones().Draw(rt, "zone"))}
		unit := rapid.SampledFrom([]string{"s", "m", "h", "d", "w", "mo", "y"}).Draw(rt, "unit")
		number := rapid.IntRange(1, 40).Draw(rt, "number")
		text := "-" + string(rune('0'+number/10)) + string(rune('0'+number%10)) + unit
		got, err := clock.Instant(text)
		if err != nil {
			if got.Year() >= 2000 {
				rt.Fatal(err)
			}
			return
		}
		if slices.Contains([]string{"s", "m", "h"}, unit) {
			each := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour}[unit]
			if ago := clock.Now.Sub(got.Time); ago != time.Duration(number)*each {
				rt.Fatalf("%s is %v ago", text, ago)
			}
			return
		}
		// Where that time was left out, the clocks moved by at most a day (Samoa).
		then, now := got.In(clock.Zone), clock.Now.In(clock.Zone)
		wall := func(at time.Time) time.Duration {
			return time.Duration(at.Hour())*time.Hour + time.Duration(at.Minute())*time.Minute
		}
		if off := (wall(then) - wall(now)).Abs(); off != 0 && off > time.Hour && off < 22*time.Hour || !got.Before(clock.Now) {
			rt.Fatalf("%s before %v is %v", text, now, then)
		}
	})
}
