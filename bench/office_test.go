package bench_test

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// observed is for how long a running office is watched.
const observed = 30 * time.Second

// BenchmarkOffice runs everything in one process, with its plugs in another, and
// measures what it takes at a poll of five seconds.
func BenchmarkOffice(b *testing.B) {
	perPlug := map[int]float64{}
	for _, plugs := range []int{100, 300, 1000} {
		b.Run(fmt.Sprint(plugs), func(b *testing.B) { perPlug[plugs] = office(b, plugs) / float64(plugs) })
	}
	results.row("CPU of a plug at 5 s, 1000 plugs against 100", fmt.Sprintf("%.4f %%", perPlug[1000]), fmt.Sprintf("%.4f %%", perPlug[100]),
		fmt.Sprintf("%.2f", perPlug[1000]/perPlug[100]), "≤ 1.05")
}

// office returns the share of a core that it takes, in percent.
func office(b *testing.B, plugs int) float64 {
	s := up(b, systemOptions{devices: emulate(b, plugs), poll: 5 * time.Second})
	before, polls, began := usageOf(b, s.pid), s.scraped(b, "wattline_collector_polls_total", ""), time.Now()
	late := s.lateness(b)
	var resident int64
	for time.Since(began) < observed {
		<-time.After(time.Second)
		resident = max(resident, usageOf(b, s.pid).resident)
	}
	after := usageOf(b, s.pid)
	length := time.Since(began)
	done := s.scraped(b, "wattline_collector_polls_total", "") - polls
	name := fmt.Sprintf("%d plugs at 5 s, everything in one process: ", plugs)
	want := "–"
	if plugs == 300 {
		want = "≤ 100 MB"
	}
	share := 100 * (after.cpu - before.cpu).Seconds() / length.Seconds()
	results.row(name+"CPU of one core", fmt.Sprintf("%.1f %%", share), "–", "–", "–")
	results.row(name+"resident, most", fmt.Sprintf("%d MB", resident>>20), "–", "–", want)
	results.row(name+"polls done of those due", fmt.Sprintf("%.1f %%", 100*done/(float64(plugs)*length.Seconds()/5)), "–", "–", "–")
	results.row(name+"worst lateness of a poll", worst(late, s.lateness(b)), "–", "–", "–")
	return share
}

// lateness are the cumulative buckets of the polls' lateness.
func (s system) lateness(b *testing.B) (buckets []bucket) {
	b.Helper()
	for line := range strings.Lines(s.metrics(b)) {
		var count float64
		rest, ok := strings.CutPrefix(line, `wattline_collector_poll_lateness_seconds_bucket{le="`)
		if !ok {
			continue
		}
		bound, value, _ := strings.Cut(rest, `"} `)
		if _, err := fmt.Sscan(value, &count); err != nil {
			b.Fatal(err)
		}
		buckets = append(buckets, bucket{bound, count})
	}
	return buckets
}

type bucket struct {
	bound string
	count float64
}

// worst is the bound under which all observations between two scrapes lie.
func worst(before, after []bucket) string {
	all := after[len(after)-1].count - before[len(before)-1].count
	for i := range after {
		if after[i].count-before[i].count == all {
			return "under " + after[i].bound + " s"
		}
	}
	return "?"
}
