package persist

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const most = 60 // numbers in these tests

// set is what spans should be.
type set map[uint64]bool

func (s set) put(from, to uint64, in bool) {
	for n := from; n <= to; n++ {
		if in {
			s[n] = true
		} else {
			delete(s, n)
		}
	}
}

func TestSpansAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var have spans
		want := set{}
		for range rapid.IntRange(1, 40).Draw(t, "steps") {
			from := rapid.Uint64Range(1, most).Draw(t, "from")
			to := rapid.Uint64Range(from, most).Draw(t, "to")
			if rapid.Bool().Draw(t, "add") {
				have = have.add(span{From: from, To: to})
				want.put(from, to, true)
			} else {
				have = have.cut(from, to)
				want.put(from, to, false)
			}
			for i, one := range have {
				if one.From > one.To || i > 0 && one.From <= have[i-1].To+1 {
					t.Fatalf("not in order or not apart: %v", have)
				}
			}
			if have.count() != uint64(len(want)) {
				t.Fatalf("%v has %d numbers, want %d", have, have.count(), len(want))
			}
			for n := uint64(1); n <= most; n++ {
				if have.has(n) != want[n] {
					t.Fatalf("%v has %d: %v", have, n, have.has(n))
				}
				skipped := n
				for want[skipped] {
					skipped++
				}
				if got := have.skip(n); got != skipped {
					t.Fatalf("%v from %d skips to %d, want %d", have, n, got, skipped)
				}
			}
		}
	})
}

func TestSpanKeepsTheTimeOfItsEnd(t *testing.T) {
	have := spans{}.add(span{From: 1, To: 5, At: 50}).add(span{From: 6, To: 9, At: 90}).add(span{From: 3, To: 4, At: 40})
	if diff := cmp.Diff(spans{{From: 1, To: 9, At: 90}}, have); diff != "" {
		t.Error(diff)
	}
}

// trackModel is what a track should know, number by number.
type trackModel struct {
	track
	isDone, isHeld      set
	upTo, old, becoming uint64
}

func (m *trackModel) check(t *rapid.T) {
	stored := uint64(0)
	for m.isDone[stored+1] {
		stored++
	}
	if m.stored != stored || m.known != m.upTo {
		t.Fatalf("stored %d, want %d; known %d, want %d", m.stored, stored, m.known, m.upTo)
	}
	lacking := uint64(0)
	for n := uint64(1); n <= m.upTo; n++ {
		if !m.isDone[n] {
			lacking++
		}
	}
	if m.behind() != lacking {
		t.Fatalf("%d behind, want %d", m.behind(), lacking)
	}
	want := uint64(0)
	for n := uint64(1); n <= m.old && want == 0; n++ {
		if !m.isDone[n] && !m.isHeld[n] {
			want = n
		}
	}
	limit := rapid.Uint64Range(1, most).Draw(t, "limit")
	from, to, ok := m.gap(limit)
	if ok != (want != 0) || ok && (from != want || to < from || to > m.old || to-from >= limit) {
		t.Fatalf("gap %d to %d (%v), want one from %d", from, to, ok, want)
	}
	for n := from; ok && n <= to; n++ {
		if m.isDone[n] || m.isHeld[n] {
			t.Fatalf("gap %d to %d holds %d, which is not lacking", from, to, n)
		}
	}
	if next := to + 1; ok && to-from+1 < limit && next <= m.old && !m.isDone[next] && !m.isHeld[next] {
		t.Fatalf("gap %d to %d ends too early", from, to)
	}
}

func TestTrackAgainstModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := &trackModel{isDone: set{}, isHeld: set{}}
		number := rapid.Uint64Range(1, most)
		t.Repeat(map[string]func(*rapid.T){
			"": m.check,
			"arrive": func(t *rapid.T) {
				n := number.Draw(t, "n")
				fresh := !m.isDone[n] && !m.isHeld[n]
				if got := m.arrive(n); got != fresh {
					t.Fatalf("arrival of %d is fresh: %v", n, got)
				}
				m.upTo = max(m.upTo, n)
				if fresh {
					m.isHeld[n] = true
				}
			},
			"exists": func(t *rapid.T) { n := number.Draw(t, "n"); m.exists(n); m.upTo = max(m.upTo, n) },
			"overdue": func(t *rapid.T) {
				n := number.Draw(t, "n")
				m.overdue(n)
				m.upTo, m.old = max(m.upTo, n), max(m.old, n)
			},
			"ripen": func(*rapid.T) { m.ripen(); m.old, m.becoming = max(m.old, m.becoming), m.upTo },
			"settle": func(t *rapid.T) {
				from := number.Draw(t, "from")
				to := rapid.Uint64Range(from, most).Draw(t, "to")
				m.settle(span{From: from, To: to})
				m.isDone.put(from, to, true)
				m.isHeld.put(from, to, false)
				m.upTo = max(m.upTo, to)
			},
			"forgo": func(t *rapid.T) {
				from := number.Draw(t, "from")
				to := rapid.Uint64Range(from, most).Draw(t, "to")
				want := uint64(0)
				for n := from; n <= to; n++ {
					if !m.isDone[n] && !m.isHeld[n] {
						m.isDone[n] = true
						want++
						m.upTo = max(m.upTo, n)
					}
				}
				if lost := m.forgo(from, to); lost != want {
					t.Fatalf("forgoing %d to %d lost %d, want %d", from, to, lost, want)
				}
			},
			"end": func(t *rapid.T) {
				last := number.Draw(t, "last")
				m.endsAt(last)
				for _, s := range []set{m.isDone, m.isHeld} {
					for n := range s {
						last = max(last, n)
					}
				}
				m.upTo, m.old, m.becoming = min(m.upTo, last), min(m.old, last), min(m.becoming, last)
			},
		})
	})
}

func TestTrackForgetsRangesRatherThanGrow(t *testing.T) {
	var m track
	for n := uint64(1); n <= 10*maxSpans; n += 2 {
		m.settle(span{From: n + 1, To: n + 1})
	}
	if len(m.done) != maxSpans {
		t.Errorf("%d ranges", len(m.done))
	}
	m.ripen()
	m.ripen()
	for from, to, ok := m.gap(1000); ok; from, to, ok = m.gap(1000) {
		m.settle(span{From: from, To: to})
	}
	if m.stored != m.known || m.behind() != 0 {
		t.Errorf("stored %d of %d", m.stored, m.known)
	}
}
