package quarters

import (
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// scan is what a device's records say to a question, taken day by day.
type scan struct {
	question
	since Day // nothing is kept of the device before it; 0 if that is not known
	next  Day // the day to come
	// finer are days read by quarter-hours, which take the place of others.
	finer map[Day]Packed

	// pieces are summaries of spans, or of parts of them between holes, in the
	// order of time. holes is the time of the range that no record speaks for.
	pieces []store.Span
	open   int64 // the start of the last piece, while it may grow; else -1
	holes  []span
	// stale is what is known of quarter-hours in the holes: late readings un-sealed them,
	// and others of theirs may be gone.
	stale  []wattline.Summary
	before end
	after  end
	// coarse are days that have to be read by quarter-hours, and broken those
	// whose record cannot be read.
	coarse, broken []Day
}

// end is the nearest reading to an end of the range that the records know, and
// the side of the nearest hole before it that is nearer to the range.
type end struct {
	point wattline.Point
	hole  int64
	known bool
	holed bool
}

func newScan(q question, since Day) *scan {
	return &scan{question: q, since: since, next: q.first, open: -1}
}

// take goes on to a record; cells is room to unpack it.
func (s *scan) take(p *Packed, level Level, cells *[PerDay]wattline.Summary) {
	if p.Day < s.next || p.Day > s.last {
		return
	}
	s.skip(p.Day)
	s.next++
	if finer, ok := s.finer[p.Day]; ok {
		p, level = &finer, Quarters
	}
	data, n := p.level(level)
	if p.Sealed == (Set{}) && data == nil {
		s.unknown(span{p.Day.milli(), (p.Day + 1).milli()})
		return
	}
	if err := decode(cells[:n], data, part{p.Day.milli(), s.Values}); err != nil {
		s.broken = append(s.broken, p.Day)
		s.unknown(span{p.Day.milli(), (p.Day + 1).milli()})
		return
	}
	if level != Quarters && s.needsFiner(p, cells[:n]) {
		s.coarse = append(s.coarse, p.Day)
		return
	}
	s.parts(p, cells[:n])
}

// finish goes on to the end of the question's days.
func (s *scan) finish() { s.skip(s.last + 1) }

// skip passes over days without a record.
func (s *scan) skip(until Day) {
	if from := max(s.next, s.since); from < until {
		s.unknown(span{from.milli(), until.milli()})
	}
	s.next = max(s.next, until)
}

// needsFiner tells whether a part is sealed only here and there, or was before, or
// holds readings on both sides of an end of the range.
func (s *scan) needsFiner(p *Packed, cells []wattline.Summary) bool {
	width, quarters := dayMS/int64(len(cells)), PerDay/len(cells)
	for i := range cells {
		start := p.Day.milli() + int64(i)*width
		if start >= s.latest || start >= s.to && s.after.known {
			return false
		}
		switch p.Sealed.among(i*quarters, (i+1)*quarters) {
		case 0:
			if s.holds(&cells[i]) || s.cuts(&cells[i]) {
				return true
			}
		case quarters:
			if s.cuts(&cells[i]) {
				return true
			}
		default:
			return true
		}
	}
	return false
}

func (s *scan) parts(p *Packed, cells []wattline.Summary) {
	width, quarters := dayMS/int64(len(cells)), PerDay/len(cells)
	for i := range cells {
		start := p.Day.milli() + int64(i)*width
		part := span{start, start + width}
		if p.Sealed.among(i*quarters, (i+1)*quarters) == quarters {
			s.sealed(part, &cells[i])
		} else {
			s.unknown(part)
			s.recall(&cells[i])
		}
	}
}

// holds tells whether a summary is of readings within the range alone.
func (s *scan) holds(summary *wattline.Summary) bool {
	return summary.Count > 0 && pointAt(&summary.First) >= s.from && pointAt(&summary.Last) < s.to
}

// cuts tells whether a part has readings on both sides of an end of the range.
func (s *scan) cuts(summary *wattline.Summary) bool {
	if summary.Count == 0 {
		return false
	}
	first, last := pointAt(&summary.First), pointAt(&summary.Last)
	return first < s.from && last >= s.from || first < s.to && last >= s.to
}

// sealed takes a sealed part and its summary.
func (s *scan) sealed(part span, summary *wattline.Summary) {
	if summary.Count == 0 {
		return
	}
	switch first, last := pointAt(&summary.First), pointAt(&summary.Last); {
	case last < s.from:
		s.before = end{point: summary.Last, known: true}
	case first >= s.to:
		s.follow(&summary.First)
	case first >= s.from && last < s.to:
		s.add(first, summary)
	default:
		if first < s.from {
			s.before = end{point: summary.First, known: true}
		}
		s.unknown(part)
		if last >= s.to {
			s.follow(&summary.Last)
		}
	}
}

// follow takes a reading after the range; the first one counts.
func (s *scan) follow(point *wattline.Point) {
	if !s.after.known {
		s.after.point, s.after.known = *point, true
	}
}

// recall takes what was known of a part before it was un-sealed, besides what the
// readings say now.
func (s *scan) recall(summary *wattline.Summary) {
	switch {
	case summary.Count == 0:
	case pointAt(&summary.Last) < s.from:
		s.before.point, s.before.known = summary.Last, true
	case pointAt(&summary.First) >= s.to:
		s.follow(&summary.First)
	case s.holds(summary):
		s.stale = append(s.stale, *summary)
	}
}

// unknown takes a part that no record speaks for.
func (s *scan) unknown(part span) {
	if part.from < s.from {
		s.before.hole, s.before.holed = min(part.to, s.from), true
	}
	if part.to > s.to && !s.after.known && !s.after.holed {
		s.after.hole, s.after.holed = max(part.from, s.to), true
	}
	within := span{max(part.from, s.from), min(part.to, s.to)}
	if within.from >= within.to {
		return
	}
	s.open = -1
	if n := len(s.holes); n > 0 && s.holes[n-1].to == within.from {
		s.holes[n-1].to = within.to
		return
	}
	s.holes = append(s.holes, within)
}

// add takes the summary of a part of the range.
func (s *scan) add(at int64, summary *wattline.Summary) {
	start := s.start(at)
	if start == s.open {
		last := &s.pieces[len(s.pieces)-1]
		last.Summary = last.Summary.Merge(*summary)
		return
	}
	if s.pieces == nil {
		s.pieces = make([]store.Span, 0, (s.to-start)/s.every+1)
	}
	s.open = start
	s.pieces = append(s.pieces, store.Span{})
	piece := &s.pieces[len(s.pieces)-1]
	piece.Start, piece.Summary = s.startTime(start), *summary // in place: a Summary is large
}

// renew puts what is known of un-sealed quarter-hours together with what the readings
// say of them.
func (s *scan) renew(said []store.Span) []store.Span {
	if s.stale == nil {
		return said
	}
	quarters := make(map[int64]int, len(said))
	for i := range said {
		quarters[pointAt(&said[i].Summary.First)/quartMS] = i
	}
	for _, known := range s.stale {
		if i, ok := quarters[pointAt(&known.First)/quartMS]; ok {
			said[i].Summary = renewed(known, said[i].Summary)
		} else {
			said = append(said, store.Span{Summary: known})
		}
	}
	return said
}

// join is the spans of the range: the records' pieces and those of the readings
// in the holes.
func (s *scan) join(readings []store.Span) []store.Span {
	if len(s.holes) == 0 {
		return s.pieces
	}
	pieces := append(s.pieces, readings...)
	slices.SortFunc(pieces, func(a, b store.Span) int {
		return a.Summary.First.Time.Compare(b.Summary.First.Time.Time)
	})
	var spans []store.Span
	open := int64(-1)
	for _, piece := range pieces {
		start := s.start(pointAt(&piece.Summary.First))
		if start == open {
			last := &spans[len(spans)-1]
			last.Summary = last.Summary.Merge(piece.Summary)
			continue
		}
		open = start
		spans = append(spans, store.Span{Start: s.startTime(start), Summary: piece.Summary})
	}
	return spans
}
