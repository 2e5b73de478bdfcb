package influx1_test

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/transfer/influx1"
)

// TestAnImportIsWhatAModelMakesOfIt draws points in any order, some of them twice,
// and makes the readings of them in the simplest way there is.
func TestAnImportIsWhatAModelMakesOfIt(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var text strings.Builder
		power, status := map[string]map[int]int{}, map[string]map[int]int{}
		for range rapid.IntRange(1, 60).Draw(rt, "points") {
			id := rapid.SampledFrom([]string{"sp_g0", "sp_w.r1.c1"}).Draw(rt, "id")
			at := rapid.IntRange(0, 200_000).Draw(rt, "at")
			if rapid.Bool().Draw(rt, "near") {
				at %= 100
			}
			if rapid.IntRange(0, 3).Draw(rt, "status") == 0 {
				value := rapid.IntRange(0, 1).Draw(rt, "on")
				fmt.Fprintf(&text, "status,id=%s,unit=S value=%di %d\n", id, value, after(at).UnixNano())
				put(status, id, at, value)
				continue
			}
			value := rapid.SampledFrom([]int{0, 0, 1, 60, 3999, 4001, -5}).Draw(rt, "power")
			fmt.Fprintf(&text, "power,id=%s,unit=W value=%d %d\n", id, value, after(at).UnixNano())
			put(power, id, at, value)
		}
		report, got := imported(t, []byte(text.String()), influx1.Options{})
		var want []wattline.Reading
		for _, id := range slices.Sorted(maps.Keys(power)) {
			want = append(want, model(id, power[id], status[id])...)
		}
		if diff := cmp.Diff(want, got); diff != "" || !report.OK() {
			rt.Fatalf("%+v (-want +got):\n%s", report, diff)
		}
	})
}

func put(into map[string]map[int]int, id string, at, value int) {
	if into[id] == nil {
		into[id] = map[int]int{}
	}
	into[id][at] = value
}

func model(id string, power, status map[int]int) []wattline.Reading {
	var readings []wattline.Reading
	joules2 := 0 // twice the joules since the last gap
	energy := wattline.Milli(0)
	times := slices.Sorted(maps.Keys(power))
	for i, at := range times {
		r := wattline.Reading{Device: id, Time: after(at), PowerW: wattline.Milli(1000 * power[at]), Relay: modelRelay(at, power[at], status)}
		if power[at] < 0 || power[at] > 4000 {
			r.Quality |= wattline.QualityImplausible
		}
		if i > 0 {
			before := times[i-1]
			if at-before <= 15 {
				r.CoversS = wattline.Milli(1000 * (at - before))
				joules2 += (clamp(power[at]) + clamp(power[before])) * (at - before)
			} else {
				r.Quality |= wattline.QualityAfterGap
				energy += wattline.Milli(1000 * joules2 / 7200)
				joules2 = 0
			}
		}
		r.EnergyWh = energy + wattline.Milli(1000*joules2/7200)
		readings = append(readings, r)
	}
	return readings
}

func clamp(power int) int { return min(max(power, 0), 4000) }

func modelRelay(at, power int, status map[int]int) wattline.Relay {
	times := slices.Sorted(maps.Keys(status))
	before := slices.DeleteFunc(slices.Clone(times), func(t int) bool { return t > at })
	switch {
	case len(before) > 0:
		return wattline.RelayOf(status[before[len(before)-1]] == 1)
	case power > 0 || len(times) == 0:
		return wattline.RelayOn
	}
	return wattline.RelayOf(status[times[0]] == 1)
}
