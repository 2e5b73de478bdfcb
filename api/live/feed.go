package live

import (
	"cmp"
	"encoding/json"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// The names of what a feed says of itself, between the events.
const (
	// SnapshotDone follows what was there when a snapshot was asked for.
	SnapshotDone = "snapshot"
	// MissedSome says how many values were left out, because newer ones of the same
	// device have replaced them, since the event of an id.
	MissedSome = "missed"
	// Gap says that events may be lacking: after the id since, up to the id from.
	Gap = "gap"
	// Closed is the last message, and says why.
	Closed = "closed"
)

// Message is an event, or what a feed says of itself.
type Message struct {
	// Name is a Kind, or one of the names above.
	Name string
	// ID is where to resume from after it; empty in a snapshot, which is whole or not
	// at all.
	ID string
	// Data is JSON. It is shared by all subscribers and must not be changed.
	Data []byte
	// To are the subscriptions that it is for.
	To []string
}

// missed, gap and snapshotDone are the data of the messages of these names.
type missed struct {
	Missed int    `json:"missed"`
	Since  string `json:"since,omitempty"`
}

type gap struct {
	Since string `json:"since,omitempty"`
	From  string `json:"from"`
}

type snapshotDone struct {
	Devices int `json:"devices"`
}

// batchBytes and batchCount are where a batch ends.
const (
	batchBytes = 32 << 10
	batchCount = 256
)

// Feed is a subscriber's way through the events. It belongs to one goroutine.
type Feed struct {
	hub           *Hub
	who           access.Principal
	mark          string // of who, in the ids
	subscriptions []subscription
	// at is the number of the last event that was looked at, told the id of the last
	// one that was handed out.
	at   uint64
	told string
	// fills come before the next event.
	fills  []fill
	lost   bool      // a gap is to be told of
	behind time.Time // since when; zero if not

	window [64]*event
	batch  []Message
	bytes  int
	missed int
}

// subscription is one of the filters of a feed, by the name that the client gave it.
type subscription struct {
	name   string
	filter Filter
	to     []string // the name alone
}

// Listen begins a feed for somebody with the next event. It has no subscriptions.
func (h *Hub) Listen(who access.Principal) *Feed {
	return &Feed{hub: h, who: who, mark: h.ids.mark(who), at: h.newest()}
}

// Subscribe adds a filter from the next event on.
func (f *Feed) Subscribe(name string, filter Filter) {
	f.subscriptions = append(f.subscriptions, subscription{name: name, filter: filter, to: []string{name}})
}

// Unsubscribe takes a filter away; it tells whether there was one of that name.
func (f *Feed) Unsubscribe(name string) bool {
	had := len(f.subscriptions)
	f.subscriptions = slices.DeleteFunc(f.subscriptions, func(s subscription) bool { return s.name == name })
	f.fills = slices.DeleteFunc(f.fills, func(pending fill) bool { return pending.of == name })
	return len(f.subscriptions) < had
}

// Resume goes back to just after the event of an id. If not all that followed it is
// kept any more, or the id is not one that this hub gave to somebody of these rights,
// it is false and the feed says so with its first message.
func (f *Feed) Resume(id string) bool {
	number, ours := f.hub.ids.number(id, f.mark)
	if !ours {
		f.lost = true
		return false
	}
	f.told = id
	if number+1 < f.hub.after(f.at, nil).first {
		f.lost = true
		return false
	}
	f.at = number
	return true
}

// Position is the id to resume from: that of the last event that was looked at. It is
// empty while something is handed out that would not come again.
func (f *Feed) Position() string {
	if len(f.fills) > 0 {
		return ""
	}
	return f.here()
}

func (f *Feed) here() string { return f.hub.ids.of(f.at) + f.mark }

// Take is what comes next, in order, at most a batch of it, and empty if there is
// nothing. It is valid until the next call. With an error, a *wattline.Error, the
// feed has ended after what comes with it.
func (f *Feed) Take() ([]Message, error) {
	f.batch, f.bytes, f.missed = f.batch[:0], 0, 0
	before := f.told
	if f.lost {
		f.gap()
	}
	f.fill()
	err := f.follow()
	if f.missed > 0 {
		f.hub.meters.missed.Add(float64(f.missed))
		f.batch = slices.Insert(f.batch, 0, note(MissedSome, missed{f.missed, before}))
	}
	return f.batch, err
}

func (f *Feed) full() bool { return f.bytes >= batchBytes || len(f.batch) >= batchCount }

// follow goes on through the ring until the batch is full or there is no more.
func (f *Feed) follow() error {
	for !f.full() && len(f.fills) == 0 {
		seen := f.hub.after(f.at, f.window[:])
		if f.at+1 < seen.first {
			f.at = seen.first - 1
			f.gap()
			continue
		}
		if err := f.patience(seen.newest - f.at); err != nil {
			return err
		}
		sparing := seen.newest-f.at > uint64(f.hub.options.Backlog)
		for _, e := range seen.events {
			f.consider(e, sparing)
			if f.at = e.number; f.full() {
				break
			}
		}
		if f.at == seen.newest {
			if seen.ended {
				return errEnded()
			}
			return nil
		}
	}
	return nil
}

// patience ends with a feed that has been far behind for too long.
func (f *Feed) patience(lag uint64) error {
	switch {
	case lag <= uint64(f.hub.options.Backlog):
		f.behind = time.Time{}
	case f.behind.IsZero():
		f.behind = time.Now()
	case time.Since(f.behind) > f.hub.options.Slow:
		return errSlow()
	}
	return nil
}

// consider hands out an event to the subscriptions that it is for. Sparing, it only
// counts a value that a newer one has replaced.
func (f *Feed) consider(e *event, sparing bool) {
	first := len(f.batch)
	for i := range f.subscriptions {
		s := &f.subscriptions[i]
		data := f.shown(e, &s.filter)
		switch {
		case data == nil:
		case sparing && e.superseded():
			f.missed++
			return
		default:
			f.told = e.idFor(f.mark)
			f.add(first, Message{Name: string(e.kind), ID: f.told, Data: data, To: s.to})
		}
	}
}

// add puts a message into the batch, or adds a subscription to the same one, which
// is there from first on.
func (f *Feed) add(first int, message Message) {
	for i := first; i < len(f.batch); i++ {
		if had := &f.batch[i]; &had.Data[0] == &message.Data[0] {
			had.To = append(slices.Clip(had.To), message.To...)
			return
		}
	}
	f.batch = append(f.batch, message)
	f.bytes += len(message.Data)
}

// shown is the data of an event as it is for a filter; nil where it is not for it.
func (f *Feed) shown(e *event, filter *Filter) []byte {
	if !filter.wants(e.kind) {
		return nil
	}
	if e.about == nil {
		if filter.all && access.Decide(f.who, access.Survey, wattline.Device{}) == access.Allowed {
			return e.data
		}
		return nil
	}
	now := e.about.now.Load()
	sees := f.sees(filter, e.after) && (now == e.after || f.sees(filter, now))
	if e.kind != Registry {
		if !sees {
			return nil
		}
		return e.data
	}
	saw := f.sees(filter, e.before)
	switch {
	case sees && saw:
		return e.views.changed
	case sees:
		return e.views.added
	case saw && !f.sees(filter, e.after):
		return e.views.removed
	}
	return nil // it has gone out of view since, which is told in its turn
}

// sees tells whether a device of a description may be seen and is wanted.
func (f *Feed) sees(filter *Filter, device *wattline.Device) bool {
	return device != nil && filter.holds(*device) && access.Decide(f.who, access.See, *device) == access.Allowed
}

// nowhere is an id that nothing can be resumed from.
const nowhere = "-"

// gap says that what follows begins at the position. Whoever loses the connection in
// the snapshot that follows must not go on from what they had before.
func (f *Feed) gap() {
	f.lost = false
	f.hub.meters.gaps.Inc()
	message := note(Gap, gap{f.told, f.here()})
	message.ID = cmp.Or(f.Position(), nowhere)
	f.batch = append(f.batch, message)
}

// note is a message of what a feed says of itself. Its data are texts and numbers,
// which cannot fail.
func note(name string, value any) Message {
	data, err := json.Marshal(value)
	if err != nil {
		data = []byte("{}")
	}
	return Message{Name: name, Data: data}
}

func errEnded() error {
	return wattline.Errorf(wattline.CodeNoResponder, "the gateway ends; connect again")
}

func errSlow() error {
	return wattline.Errorf(wattline.CodeBusy, "events were taken too slowly for too long; connect again, and ask for less")
}
