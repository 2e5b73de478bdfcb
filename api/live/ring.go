package live

// ring holds the newest events, numbered from 1, as many as fit by count and size.
type ring struct {
	slots []*event
	// first and next: the numbers held are those from first to before next.
	first, next uint64
	bytes, most int
}

func newRing(events, bytes int) ring {
	return ring{slots: make([]*event, events), first: 1, next: 1, most: bytes}
}

func (r *ring) at(number uint64) **event { return &r.slots[number%uint64(len(r.slots))] }

// push takes the event of the number next. The oldest make room for it.
func (r *ring) push(e *event) {
	for r.first < r.next && (r.next-r.first == uint64(len(r.slots)) || r.bytes+e.size() > r.most) {
		oldest := r.at(r.first)
		r.bytes -= (*oldest).size()
		*oldest = nil
		r.first++
	}
	*r.at(r.next) = e
	r.bytes += e.size()
	r.next++
}

// after copies the events that follow a number, as many as there are and fit.
func (r *ring) after(number uint64, into []*event) []*event {
	count := min(r.next-1-number, uint64(len(into)))
	for i := range count {
		into[i] = *r.at(number + 1 + i)
	}
	return into[:count]
}
