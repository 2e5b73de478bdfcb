package persist

import (
	"slices"
	"time"

	"github.com/wattline/wattline"
)

// stream is a collector's numbering as this hook sees it. Plain data; the hook
// guards it.
type stream struct {
	track
	name string
	// instance answers for the stream, as far as is known, and online says that
	// it is alive.
	instance string
	online   bool
	seen     time.Time
	// begun is when it was first heard of, as far as is known.
	begun time.Time
	// gone says that the instance no longer has the stream: what is lacking has
	// been counted as lost, but if the stream comes back it goes on.
	gone bool

	// changed counts what happened to the stream, and saved is the count that is
	// on disk (0: nothing is), with onDisk as its stored.
	changed, saved uint64
	onDisk         uint64
	// told says that the collector was told that announced is stored.
	told      bool
	announced uint64

	// asking says that a replay is under way; after a failure there is none
	// before retryAt. served orders the streams, the least lately served first.
	asking   bool
	failures int
	retryAt  time.Time
	served   uint64
}

// maxEvicted bounds the streams whose end is still to be noted, while the disk takes
// nothing, in multiples of those that are followed.
const maxEvicted = 16

// book is all streams that are followed, bounded.
type book struct {
	streams map[string]*stream
	max     int
	// evicted are streams that were given up for room or age, whose row and
	// retained topic are still to be deleted.
	evicted []string
	turns   uint64
}

func newBook(maxStreams int) *book { return &book{streams: map[string]*stream{}, max: maxStreams} }

// follow finds or begins a stream; to make room another may be given up.
func (b *book) follow(name string, now time.Time) *stream {
	if s, ok := b.streams[name]; ok {
		s.seen = now
		return s
	}
	for len(b.streams) >= b.max {
		b.evict(b.dispensable())
	}
	s := &stream{name: name, seen: now, begun: now, changed: 1}
	b.streams[name] = s
	b.evicted = slices.DeleteFunc(b.evicted, func(gone string) bool { return gone == name })
	return s
}

// dispensable is the stream that would be missed the least: one that no
// collector has named, else one that lacks nothing, else the longest unseen.
func (b *book) dispensable() string {
	var worst *stream
	for _, s := range b.streams {
		if worst == nil || s.lessWorthThan(worst) {
			worst = s
		}
	}
	return worst.name
}

func (s *stream) lessWorthThan(other *stream) bool {
	switch {
	case s.online != other.online:
		return other.online
	case (s.instance == "") != (other.instance == ""):
		return s.instance == ""
	case (s.behind() == 0) != (other.behind() == 0):
		return s.behind() == 0
	}
	return s.seen.Before(other.seen)
}

func (b *book) evict(name string) {
	delete(b.streams, name)
	if len(b.evicted) >= maxEvicted*b.max {
		b.evicted = b.evicted[1:] // its row and topic stay, and are given up another time
	}
	b.evicted = append(b.evicted, name)
}

// expire gives up the streams that nobody has named for so long that no journal
// has them any more. It returns how many readings they lacked.
func (b *book) expire(before time.Time) (lost uint64) {
	for name, s := range b.streams {
		if s.online || s.asking || !s.seen.Before(before) {
			continue
		}
		if !s.gone {
			lost += s.behind()
		}
		b.evict(name)
	}
	return lost
}

// arrive notes a live reading; it is false for one that is there already. A
// reading without a usable number always is new.
func (b *book) arrive(reading *wattline.Reading, now time.Time) bool {
	if reading.Stream == "" || reading.Seq > maxSeq {
		return true
	}
	s := b.follow(reading.Stream, now)
	if !s.arrive(reading.Seq) {
		return false // what the broker retains tells nothing of a journal that is gone
	}
	s.gone = false
	return true
}

// miss notes a live reading for which there is no room in memory. It is lost if
// no journal has it.
func (b *book) miss(reading *wattline.Reading, now time.Time) (lost bool) {
	if reading.Stream == "" || reading.Seq > maxSeq {
		return true
	}
	b.follow(reading.Stream, now).exists(reading.Seq)
	return false
}

// settle notes that readings are in the store.
func (b *book) settle(readings []wattline.Reading) {
	for len(readings) > 0 {
		first := &readings[0]
		n := consecutive(readings)
		if s, ok := b.streams[first.Stream]; ok && first.Seq <= maxSeq {
			s.settle(span{From: first.Seq, To: first.Seq + uint64(n) - 1, At: readings[n-1].Time.UnixMilli()})
			s.changed++
		}
		readings = readings[n:]
	}
}

// consecutive is how many readings at the beginning follow one another in their
// stream's numbers.
func consecutive(readings []wattline.Reading) int {
	n := 1
	for n < len(readings) && readings[n].Stream == readings[0].Stream && readings[n].Seq == readings[0].Seq+uint64(n) {
		n++
	}
	return n
}

// presence takes what an instance says of itself.
func (b *book) presence(p wattline.Presence, now time.Time) {
	serves := p.Serves(wattline.RoleCollector, "")
	for _, s := range b.streams {
		if s.instance == p.Instance && (!serves || s.name != p.Stream) {
			// Alive with another stream, it can still say that this one is gone.
			s.online = serves
		}
	}
	if !serves || p.Stream == "" || p.Seq > maxSeq {
		return
	}
	s := b.follow(p.Stream, now)
	if s.instance != p.Instance {
		s.changed++
	}
	if !s.online || s.instance != p.Instance {
		s.failures, s.retryAt = 0, time.Time{}
		s.overdue(p.Seq)
	}
	s.instance, s.online, s.gone = p.Instance, true, false
	s.exists(p.Seq)
}

// ripen passes time for all streams.
func (b *book) ripen() {
	for _, s := range b.streams {
		s.ripen()
	}
}

// nextToAsk is the stream whose turn it is to be replayed; nil for none. It is
// marked as being asked.
func (b *book) nextToAsk(now time.Time) *stream {
	var next *stream
	for _, s := range b.streams {
		if s.asking || s.gone || !s.online || now.Before(s.retryAt) {
			continue
		}
		if _, _, lacking := s.gap(1); lacking && (next == nil || s.served < next.served) {
			next = s
		}
	}
	if next != nil {
		b.turns++
		next.asking, next.served = true, b.turns
	}
	return next
}

// changes is what the disk does not have yet.
func (b *book) changes() (rows []row, deleted []string, err error) {
	for _, s := range b.streams {
		if s.changed == s.saved {
			continue
		}
		r, err := rowOf(s)
		if err != nil {
			return nil, nil, err
		}
		rows = append(rows, r)
	}
	return rows, slices.Clone(b.evicted), nil
}

// noteSaved notes that the disk has these.
func (b *book) noteSaved(rows []row, deleted []string) {
	for _, r := range rows {
		if s, ok := b.streams[r.name]; ok {
			s.saved, s.onDisk = r.changed, r.stored
		}
	}
	b.evicted = slices.DeleteFunc(b.evicted, func(name string) bool { return slices.Contains(deleted, name) })
}

// news is what is on disk and the collectors have not been told.
func (b *book) news() (rows []row) {
	for _, s := range b.streams {
		if s.saved > 0 && (!s.told || s.announced != s.onDisk) {
			rows = append(rows, row{name: s.name, stored: s.onDisk})
		}
	}
	return rows
}

// touchAll has every stream saved again.
func (b *book) touchAll() {
	for _, s := range b.streams {
		s.changed++
	}
}
