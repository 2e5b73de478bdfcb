package persist

import (
	"cmp"
	"slices"
)

// span is a range of numbers, both ends included.
type span struct {
	From uint64 `json:"from"`
	To   uint64 `json:"to"`
	// At is when the reading To was taken, in milliseconds since the Unix epoch;
	// 0 where that is not known.
	At int64 `json:"at,omitempty"`
}

// spans are sorted; they neither overlap nor touch.
type spans []span

// index is the place of the first span that ends at or after a number.
func (s spans) index(seq uint64) int {
	i, _ := slices.BinarySearchFunc(s, seq, func(have span, seq uint64) int { return cmp.Compare(have.To, seq) })
	return i
}

func (s spans) has(seq uint64) bool {
	i := s.index(seq)
	return i < len(s) && s[i].From <= seq
}

// skip is the first number from seq on that is in no span.
func (s spans) skip(seq uint64) uint64 {
	if i := s.index(seq); i < len(s) && s[i].From <= seq {
		return s[i].To + 1
	}
	return seq
}

// upTo is the last number before the first span after seq, which is itself in
// none, or limit if that is less.
func (s spans) upTo(seq, limit uint64) uint64 {
	if i := s.index(seq); i < len(s) {
		return min(limit, s[i].From-1)
	}
	return limit
}

// add puts a span in; what it overlaps or touches becomes one with it.
func (s spans) add(added span) spans {
	i := s.index(max(added.From, 1) - 1)
	j := i
	for ; j < len(s) && s[j].From <= added.To+1; j++ {
		added.From = min(added.From, s[j].From)
		if s[j].To > added.To {
			added.To, added.At = s[j].To, s[j].At
		}
	}
	return slices.Replace(s, i, j, added)
}

// cut takes a range out.
func (s spans) cut(from, to uint64) spans {
	i := s.index(from)
	j := i
	var rest []span
	for ; j < len(s) && s[j].From <= to; j++ {
		if s[j].From < from {
			rest = append(rest, span{From: s[j].From, To: from - 1})
		}
		if s[j].To > to {
			rest = append(rest, span{From: to + 1, To: s[j].To, At: s[j].At})
		}
	}
	return slices.Replace(s, i, j, rest...)
}

// count is how many numbers are in the spans.
func (s spans) count() (n uint64) {
	for _, one := range s {
		n += one.To + 1 - one.From
	}
	return n
}
