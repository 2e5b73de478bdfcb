package live

import (
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// maxFills is how much a feed may have to catch up with besides the events.
const maxFills = 256

// fill is something that comes before the next event, device by device: it is made
// when there is room for it, from what is then so.
type fill struct {
	of   string // the subscription
	next func(*subscription) (more bool)
}

// fill goes on with what comes before the next event, as long as there is room.
func (f *Feed) fill() {
	for len(f.fills) > 0 && !f.full() {
		if s := f.subscription(f.fills[0].of); s == nil || !f.fills[0].next(s) {
			f.fills = f.fills[1:]
		}
	}
}

func (f *Feed) subscription(name string) *subscription {
	for i := range f.subscriptions {
		if f.subscriptions[i].name == name {
			return &f.subscriptions[i]
		}
	}
	return nil
}

// Snapshot has a subscription begin with what there is: of each device that it may
// see the description, the state and the last reading, as far as it wants these
// kinds. The events after it follow without a gap; some may be in both.
func (f *Feed) Snapshot(name string) {
	devices, shown := f.hub.sorted(), 0
	f.fills = append(f.fills, fill{name, func(s *subscription) bool {
		if len(devices) == 0 {
			message := note(SnapshotDone, snapshotDone{shown})
			message.To = s.to
			if len(f.fills) == 1 {
				message.ID = f.here()
			}
			f.batch = append(f.batch, message)
			return false
		}
		if f.present(s, devices[0]) {
			shown++
		}
		devices = devices[1:]
		return true
	}})
}

// present adds what there is of a device; false if it may not be seen.
func (f *Feed) present(s *subscription, about *subject) bool {
	described := about.latest[0].Load()
	if !f.sees(&s.filter, described.after) {
		return false
	}
	for at, kind := range Kinds()[:values] {
		e := about.latest[at].Load()
		// What is newer than the description may belong to another place already.
		if e == nil || !s.filter.wants(kind) || e.number > described.number && e.after != described.after {
			continue
		}
		data := e.data
		if kind == Registry {
			data = e.views.added
		}
		f.add(len(f.batch), Message{Name: string(kind), Data: data, To: s.to})
	}
	return true
}

// Allow sets who listens, by what holds now. What goes out of view by it is removed,
// what comes into view is added. An error, if rights change faster than this can be
// told, ends the feed.
func (f *Feed) Allow(who access.Principal) error {
	was := f.who
	if was.Role == who.Role && was.Scope.String() == who.Scope.String() {
		return nil
	}
	f.who, f.mark = who, f.hub.ids.mark(who)
	known := f.descriptions()
	for i := range f.subscriptions {
		if s := &f.subscriptions[i]; s.filter.wants(Registry) {
			f.fills = append(f.fills, fill{s.name, f.differences(s, was, known)})
		}
	}
	if len(f.fills) > maxFills {
		return errSlow()
	}
	return nil
}

// descriptions are those of each device since the last event that was looked at, this
// one included.
func (f *Feed) descriptions() map[*subject][]*wattline.Device {
	known := map[*subject][]*wattline.Device{}
	for at := f.at; ; {
		seen := f.hub.after(at, f.window[:])
		for _, e := range seen.events {
			if at = e.number; e.kind != Registry {
				continue
			}
			if known[e.about] == nil {
				known[e.about] = []*wattline.Device{e.before}
			}
			known[e.about] = append(known[e.about], e.after)
		}
		if len(seen.events) == 0 {
			break
		}
	}
	for _, about := range f.hub.sorted() {
		if known[about] == nil {
			known[about] = []*wattline.Device{about.now.Load()}
		}
	}
	return known
}

// differences is what has come into a subscription's view and gone out of it by a
// change of rights. A device that was changed meanwhile may have been kept in view by
// any of its descriptions: it is said again that it is there, or that it is not.
func (f *Feed) differences(s *subscription, was access.Principal, known map[*subject][]*wattline.Device) func(*subscription) bool {
	before := Feed{hub: f.hub, who: was}
	var gone, come []*subject
	for about, devices := range known {
		saw := slices.ContainsFunc(devices, func(device *wattline.Device) bool { return before.sees(&s.filter, device) })
		sees := f.sees(&s.filter, about.now.Load())
		switch {
		case sees && (!saw || len(devices) > 1):
			come = append(come, about)
		case saw && !sees:
			gone = append(gone, about)
		}
	}
	return func(s *subscription) bool {
		switch {
		case len(gone) > 0:
			data := gone[0].latest[0].Load().views.removed
			f.add(len(f.batch), Message{Name: string(Registry), Data: data, To: s.to})
			gone = gone[1:]
		case len(come) > 0:
			f.present(s, come[0])
			come = come[1:]
		}
		return len(gone)+len(come) > 0
	}
}
