package persist

// Bounds of a track.
const (
	// maxSeq is beyond what any journal can reach; larger numbers are nonsense.
	maxSeq = 1 << 62
	// maxSpans bounds the ranges that are remembered above the contiguous part.
	// What is forgotten is asked for again, and the store takes it twice.
	maxSpans = 1024
)

// track follows the numbers of one stream: which are in the store, which wait
// in memory to be written, and which are lacking. It is plain data and knows no
// clock: time comes as calls of ripen.
type track struct {
	// stored is the number up to which everything is in the store, or is known to
	// be nowhere any more. storedAt is when the newest of these was taken.
	stored   uint64
	storedAt int64
	// done is what is in the store above that, held what waits in memory.
	done spans
	held spans
	// known is the greatest number that is known to exist.
	known uint64
	// Numbers up to ripe have had their time to arrive by themselves; those up
	// to ripening will have had it at the next ripen.
	ripe, ripening uint64
}

// arrive notes a live reading that is going to be held in memory. It is false
// for one that is there already.
func (t *track) arrive(seq uint64) bool {
	t.exists(seq)
	if seq <= t.stored || t.done.has(seq) || t.held.has(seq) {
		return false
	}
	t.held = t.held.add(span{From: seq, To: seq})
	return true
}

// exists notes that a number was given.
func (t *track) exists(seq uint64) { t.known = max(t.known, seq) }

// overdue notes that numbers up to seq were given before we began to listen:
// they will not arrive by themselves.
func (t *track) overdue(seq uint64) {
	t.exists(seq)
	t.ripe = max(t.ripe, seq)
}

// ripen passes the time that a reading is given to arrive. What is lacking is
// asked for after one to two of these times.
func (t *track) ripen() { t.ripe, t.ripening = max(t.ripe, t.ripening), t.known }

// settle notes that a range is in the store; at is when its last was taken.
func (t *track) settle(settled span) {
	t.held = t.held.cut(settled.From, settled.To)
	if settled.To <= t.stored {
		return
	}
	t.exists(settled.To)
	t.done = t.done.add(settled)
	if first := t.done[0]; first.From <= t.stored+1 {
		t.stored, t.done = first.To, t.done[1:]
		t.storedAt = max(t.storedAt, first.At)
	}
	if len(t.done) > maxSpans {
		t.done = t.done[:maxSpans]
	}
}

// gap is the first range that is lacking and ripe, at most limit numbers.
func (t *track) gap(limit uint64) (from, to uint64, ok bool) {
	return t.lacking(t.stored+1, t.ripe, limit)
}

// lacking is the first range within [from, end] that is neither in the store nor
// in memory, at most limit numbers of it.
func (t *track) lacking(from, end, limit uint64) (first, last uint64, ok bool) {
	first = max(from, t.stored+1)
	for first <= end {
		next := t.held.skip(t.done.skip(first))
		if next == first {
			last = t.held.upTo(first, t.done.upTo(first, end))
			return first, min(last, first+limit-1), true
		}
		first = next
	}
	return 0, 0, false
}

// forgo gives up what is lacking in a range, because it is nowhere any more,
// and counts it.
func (t *track) forgo(from, to uint64) (lost uint64) {
	for {
		first, last, ok := t.lacking(from, to, maxSeq)
		if !ok {
			return lost
		}
		lost += last + 1 - first
		t.settle(span{From: first, To: last})
		from = last + 1
	}
}

// endsAt corrects what is known by the collector's own word: numbers beyond
// last were not given yet.
func (t *track) endsAt(last uint64) {
	for _, seen := range []spans{t.done, t.held} {
		if len(seen) > 0 {
			last = max(last, seen[len(seen)-1].To)
		}
	}
	last = max(last, t.stored)
	t.known, t.ripe, t.ripening = min(t.known, last), min(t.ripe, last), min(t.ripening, last)
}

// behind is how many numbers are known and not in the store.
func (t *track) behind() uint64 { return t.known - t.stored - t.done.count() }
