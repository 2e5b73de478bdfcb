package journal

import (
	"slices"
	"time"
)

// state is what the writer knows of the file without asking it. It changes only
// after a commit.
type state struct {
	stream string
	// first and last are the numbers held; first is last + 1 when empty.
	first, last uint64
	newest      map[string]newest
	hooks       map[string]mark

	bytes   int64
	drops   drops
	failing string // the last commit's error, "" if it went well
	aside   string // the name that a damaged file was given
}

// newestTime is when the newest reading was taken, but no later than now, which it
// is where there is none.
func (s *state) newestTime(now time.Time) time.Time {
	var newest time.Time
	for _, last := range s.newest {
		if last.reading.Time.After(newest) {
			newest = last.reading.Time.Time
		}
	}
	if newest.IsZero() || newest.After(now) {
		return now
	}
	return newest
}

// mark is how far a hook has stored.
type mark struct {
	seq       uint64
	forgotten bool
}

// drops counts what was lost to a bound or to damage since the start.
type drops struct {
	readings uint64
	from, to uint64
	// episode tells that the log has been told and the danger is not over.
	episode bool
}

// awaited is the hooks that are waited for, sorted: those that the
// configuration names and those that were heard of and not forgotten.
func awaited(waitFor []string, hooks map[string]mark) []string {
	names := slices.Clone(waitFor)
	for name, m := range hooks {
		if !m.forgotten && !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// storedByAll is the number up to which every awaited hook has stored; 0 where
// none is awaited, for then nobody is known to have anything.
func storedByAll(waitFor []string, hooks map[string]mark) uint64 {
	names := awaited(waitFor, hooks)
	if len(names) == 0 {
		return 0
	}
	least := hooks[names[0]].seq
	for _, name := range names[1:] {
		least = min(least, hooks[name].seq)
	}
	return least
}

// next is what a mark becomes when a hook says that it has stored up to seq. A
// forgotten hook is waited for again only when it has got further: what the
// broker retained of it must not bring it back.
func (m mark) next(seq uint64, known bool) mark {
	if known && seq <= m.seq {
		return m
	}
	return mark{seq: seq}
}

// excess is how many of the oldest readings to drop at once so that the pages
// in use come below their bound: a share of them that corresponds to the
// overshoot, never more than a chunk, and enough to free pages.
func excess(bytes, maxBytes int64, readings uint64) uint64 {
	const leafReadings = 64 // about a page of them
	if bytes <= maxBytes || readings == 0 {
		return 0
	}
	share := uint64(float64(readings) * float64(bytes-maxBytes) / float64(bytes))
	return min(max(share, leafReadings), chunk, readings)
}
