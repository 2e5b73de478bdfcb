package truth

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/e2e/chaos/plan"
)

// What is promised of readings, as the table has it.
const (
	promiseNumbers = "journal out of order"
	promiseMissing = "readings missing in "
	promiseDouble  = "readings twice in "
	promiseAltered = "readings altered in "
	promiseForeign = "readings in %s that nobody took"
	promiseOrder   = "readings out of order in "
	promiseReal    = "readings that no plug gave"
)

// identity is what makes two readings the same.
type identity struct {
	device string
	ms     int64
}

func identityOf(r wattline.Reading) identity { return identity{r.Device, r.Time.UnixMilli()} }

// checkNumbers: the journal is one stream, numbered from 1 without a hole, and
// within it a device's time goes on and its energy never falls.
func checkNumbers(taken []wattline.Reading) (broken []Violation) {
	say := func(r wattline.Reading, format string, args ...any) {
		broken = append(broken, Violation{promiseNumbers, r.Device, r.Time.Time, fmt.Sprintf("number %d: ", r.Seq) + fmt.Sprintf(format, args...)})
	}
	before := map[string]wattline.Reading{}
	for i, r := range taken {
		if want := uint64(i + 1); r.Seq != want {
			say(r, "follows %d", want-1)
			return broken
		}
		if r.Stream != taken[0].Stream {
			say(r, "the stream is %s, it began as %s", r.Stream, taken[0].Stream)
		}
		if had, known := before[r.Device]; known && !r.Time.After(had.Time.Time) {
			say(r, "is not later than number %d", had.Seq)
		} else if known && r.EnergyWh < had.EnergyWh {
			say(r, "the energy falls from %v to %v", had.EnergyWh, r.EnergyWh)
		}
		before[r.Device] = r
	}
	return broken
}

// checkStored: a store has what was taken, each once, unaltered, and nothing else,
// and gives it by device and time.
func checkStored(store string, stored, taken []wattline.Reading) (broken []Violation) {
	say := func(promise string, r wattline.Reading, format string, args ...any) {
		broken = append(broken, Violation{promise, r.Device, r.Time.Time, fmt.Sprintf(format, args...)})
	}
	want := make(map[identity]wattline.Reading, len(taken))
	for _, r := range taken {
		want[identityOf(r)] = r
	}
	seen := make(map[identity]bool, len(stored))
	for i, r := range stored {
		id := identityOf(r)
		if i > 0 && (stored[i-1].Device > r.Device || stored[i-1].Device == r.Device && stored[i-1].Time.After(r.Time.Time)) {
			say(promiseOrder+store, r, "comes after %s at %s", stored[i-1].Device, clock(stored[i-1].Time.Time))
		}
		had, known := want[id]
		switch {
		case seen[id]:
			say(promiseDouble+store, r, "number %d", had.Seq)
		case !known:
			say(fmt.Sprintf(promiseForeign, store), r, "%+v", r)
		case !same(r, had):
			say(promiseAltered+store, r, "number %d is %+v, taken was %+v", had.Seq, r, had)
		}
		seen[id] = true
	}
	for _, r := range taken {
		if !seen[identityOf(r)] {
			say(promiseMissing+store, r, "number %d", r.Seq)
		}
	}
	return broken
}

// same compares all that was measured; a store need not keep the number.
func same(a, b wattline.Reading) bool {
	a.Stream, a.Seq, b.Stream, b.Seq = "", 0, "", 0
	a.Time, b.Time = wattline.Time{}, wattline.Time{}
	return a == b
}

// onItsWay is how long an answer may take from the plug into the journal.
const onItsWay = 15 * time.Second

// match pairs each reading with the answer that it was made of: the last one that
// the plug had given by then, that says the same, and that made no other. A reading
// without one is a violation. used is the numbers of the answers that became
// readings, by plug.
func match(l Ledger) (used map[string]map[int64]bool, broken []Violation) {
	used = map[string]map[int64]bool{}
	for plug, readings := range byPlug(l) {
		used[plug] = map[int64]bool{}
		for _, r := range readings {
			answer, ok := answerTo(r, l.Answers[plug], used[plug])
			if !ok {
				broken = append(broken, Violation{
					promiseReal, r.Device, r.Time.Time,
					fmt.Sprintf("number %d is %+v; the plug's answers then were %+v", r.Seq, r, around(l.Answers[plug], r.Time.Time)),
				})
				continue
			}
			used[plug][answer.N] = true
		}
	}
	return used, broken
}

// byPlug is the readings that were taken of each plug, under whatever name, by
// time. Those made of the day statistics are left out: no answer has them.
func byPlug(l Ledger) map[string][]wattline.Reading {
	readings := map[string][]wattline.Reading{}
	for _, r := range l.Taken {
		if !r.Quality.Has(wattline.QualityEstimated) {
			readings[l.Plugs[r.Device]] = append(readings[l.Plugs[r.Device]], r)
		}
	}
	for _, of := range readings {
		slices.SortFunc(of, func(a, b wattline.Reading) int { return a.Time.Compare(b.Time.Time) })
	}
	return readings
}

// stamped is how long a busy collector may take from an answer to its time.
const stamped = 2 * time.Second

// answerTo looks back from when the reading was taken. Of several answers that are
// alike, that to a command's reading back, which comes right after the switching,
// is the last choice.
func answerTo(r wattline.Reading, answers []Answer, used map[int64]bool) (found Answer, ok bool) {
	for i := upTo(answers, r.Time.Time) - 1; i >= 0 && r.Time.Sub(answers[i].At) <= onItsWay; i-- {
		a := answers[i]
		switch {
		case ok && found.At.Sub(a.At) > stamped:
			return found, true
		case a.Switched || used[a.N] || !tells(a, r):
		case i == 0 || !answers[i-1].Switched:
			return a, true
		case !ok:
			found, ok = a, true
		}
	}
	return found, ok
}

// upTo is how many answers had been given by an instant. Both clocks are one, cut
// to milliseconds.
func upTo(answers []Answer, at time.Time) int {
	n, _ := slices.BinarySearchFunc(answers, at.Add(time.Millisecond), func(a Answer, at time.Time) int { return a.At.Compare(at) })
	return n
}

// around is a few answers before an instant and one after it.
func around(answers []Answer, at time.Time) []Answer {
	n := upTo(answers, at)
	return answers[max(0, n-3):min(len(answers), n+1)]
}

func tells(a Answer, r wattline.Reading) bool {
	return a.PowerW == r.PowerW && a.VoltageV == r.VoltageV && a.CurrentA == r.CurrentA && a.MeterWh == r.MeterWh &&
		wattline.RelayOf(a.On) == r.Relay
}

// sortedKeys is for the same report however often it is made.
func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// readSpan is from the first reading of a device until its last one.
func readSpan(taken []wattline.Reading, device string) (span Span, known bool) {
	for _, r := range taken {
		if r.Device != device {
			continue
		}
		if !known {
			span.From, known = r.Time.Time, true
		}
		span.To = r.Time.Time
	}
	return span, known
}

// twoNames is the longest time for which a plug was read under its old name after it
// had been read under its new one.
func twoNames(l Ledger) (longest time.Duration) {
	for _, f := range l.Faults {
		if f.What != plan.Rename {
			continue
		}
		before, known := readSpan(l.Taken, f.Target)
		after, renamed := readSpan(l.Taken, f.How)
		if known && renamed {
			longest = max(longest, before.To.Sub(after.From))
		}
	}
	return longest
}
