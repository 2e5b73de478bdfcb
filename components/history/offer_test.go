package history_test

import (
	"context"
	"regexp"
	"strconv"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store/storetest"
)

// someDays writes readings of so many a day, of a third of the day, and none on some days.
func someDays(t *rapid.T, s *storetest.Memory, device string, days int) {
	var readings []wattline.Reading
	for day := range days {
		n := rapid.SampledFrom([]int{0, 0, 3, 20, 60}).Draw(t, "readings of a day")
		for i := range n {
			readings = append(readings, wattline.Reading{
				Device: device, Relay: wattline.RelayOn,
				Time: wattline.At(morning.AddDate(0, 0, day).Add(time.Duration(i) * 8 * time.Hour / time.Duration(n))),
			})
		}
	}
	if err := s.Write(context.Background(), readings); err != nil {
		t.Fatal(err)
	}
}

var (
	offeredDays   = regexp.MustCompile(`a window or period of up to (\d+) days`)
	offeredWindow = regexp.MustCompile(`a window of up to (\w+)`)
	offeredGroups = regexp.MustCompile(`groups of up to (\d+) devices`)
)

func TestWhatIsOfferedInsteadIsAccepted(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := storetest.NewMemory()
		const days = 16
		devices := []string{"a", "b", "c", "d"}
		for _, device := range devices {
			someDays(t, s, device, days)
		}
		h := history.New(history.Options{Store: s, Log: quiet(), MaxReadings: rapid.IntRange(20, 300).Draw(t, "most")})
		query := aggregateOf(hours(morning, days*24, wattline.Group{Name: "g", Devices: devices}), "power", "median")
		query.Limit, query.Window = wattline.MaxHistoryPage, rapid.SampledFrom([]wattline.Window{"", "week", "day"}).Draw(t, "window")
		_, err := ask[wattline.AggregatePage](t, h, "aggregate", query)
		if err == nil {
			return
		}
		accepted := func(what string, query wattline.AggregateQuery) {
			for {
				page, got := ask[wattline.AggregatePage](t, h, "aggregate", query)
				if got != nil {
					t.Fatalf("%v, but %s was refused: %v", err, what, got)
				}
				if query.Cursor = page.Next; page.Next == "" {
					return
				}
			}
		}
		if found := offeredDays.FindStringSubmatch(err.Error()); found != nil {
			n, _ := strconv.Atoi(found[1])
			period, windows := query, query
			at := morning.Add(time.Duration(rapid.IntRange(0, days*24*60).Draw(t, "begins")) * time.Minute)
			period.From, period.To = wattline.At(at), wattline.At(at.AddDate(0, 0, n))
			accepted("a period", period)
			if windows.Window = "day"; n >= 7 {
				windows.Window = "week"
			}
			accepted("a window", windows)
		}
		if found := offeredWindow.FindStringSubmatch(err.Error()); found != nil {
			length, _ := time.ParseDuration(found[1])
			windows := query
			for window, least := range map[wattline.Window]time.Duration{"quarter": 15 * time.Minute, "hour": time.Hour, "day": 24 * time.Hour} {
				if windows.Window = window; length >= least {
					accepted("a window", windows)
				}
			}
		}
		if found := offeredGroups.FindStringSubmatch(err.Error()); found != nil {
			n, _ := strconv.Atoi(found[1])
			smaller := query
			smaller.Groups = []wattline.Group{{Name: "g", Devices: rapid.Permutation(devices).Draw(t, "devices")[:min(n, len(devices))]}}
			accepted("a smaller group", smaller)
		}
	})
}
