package bus

import "github.com/wattline/wattline"

// A filter is a Topic whose empty levels match anything.

func levelsOf(t wattline.Topic) [9]string {
	return [...]string{t.Site, t.Device, t.Component, t.Instance, t.Verb, t.ID, t.Hook, t.Stream, t.Event}
}

// overlap tells whether some topic passes both filters.
func overlap(a, b wattline.Topic) bool {
	if a.Kind != b.Kind {
		return false
	}
	as, bs := levelsOf(a), levelsOf(b)
	for i := range as {
		if as[i] != "" && bs[i] != "" && as[i] != bs[i] {
			return false
		}
	}
	return true
}

// join is the narrowest filter that passes what either of two overlapping ones
// passes.
func join(a, b wattline.Topic) wattline.Topic {
	keep := func(x, y string) string {
		if x == y {
			return x
		}
		return ""
	}
	return wattline.Topic{
		Kind:      a.Kind,
		Site:      keep(a.Site, b.Site),
		Device:    keep(a.Device, b.Device),
		Component: keep(a.Component, b.Component),
		Instance:  keep(a.Instance, b.Instance),
		Verb:      keep(a.Verb, b.Verb),
		ID:        keep(a.ID, b.ID),
		Hook:      keep(a.Hook, b.Hook),
		Stream:    keep(a.Stream, b.Stream),
		Event:     keep(a.Event, b.Event),
	}
}

// cover is a set of filters that pass everything that the given ones pass and
// of which no two overlap: with overlapping ones some brokers deliver a message
// twice. It may pass more than was asked for.
func cover(filters []wattline.Topic) map[wattline.Topic]bool {
	covers := make(map[wattline.Topic]bool)
	for _, filter := range filters {
		for grown := true; grown; {
			grown = false
			for other := range covers {
				if overlap(filter, other) {
					delete(covers, other)
					filter, grown = join(filter, other), true
				}
			}
		}
		covers[filter] = true
	}
	return covers
}
