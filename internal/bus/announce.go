package bus

import (
	"encoding/json"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// announcement is what this process says of itself.
type announcement struct {
	since   wattline.Time
	changed chan struct{}

	mu       sync.Mutex
	presence wattline.Presence
	stream   func() (string, uint64)
}

func newAnnouncement(instance, version string, since time.Time) *announcement {
	return &announcement{
		since:    wattline.At(since),
		changed:  make(chan struct{}, 1),
		presence: wattline.Presence{Instance: instance, Version: version, Since: wattline.At(since)},
	}
}

// presenceNow is the announcement of a moment.
func (a *announcement) presenceNow(status wattline.PresenceStatus, now time.Time) wattline.Presence {
	a.mu.Lock()
	presence, stream := a.presence, a.stream
	presence.Roles = slices.Clone(presence.Roles)
	presence.Sites = slices.Clone(presence.Sites)
	a.mu.Unlock()
	presence.Status = status
	presence.Clock = wattline.At(now)
	if stream != nil {
		presence.Stream, presence.Seq = stream()
		presence.Packs = true
	}
	return presence
}

// Announce adds a role to what this process says of itself, and the sites it
// serves. All roles share the sites; without any the process serves every site.
// It may be called at any time.
func (b *Bus) Announce(role string, sites ...string) {
	a := b.announced
	a.mu.Lock()
	defer a.mu.Unlock()
	a.presence.Roles = merged(a.presence.Roles, role)
	a.presence.Sites = merged(a.presence.Sites, sites...)
	wake.Up(a.changed)
}

// AnnounceStream sets where the presence gets the journal's stream and newest
// number from, at every announcement, and says that the stream is published as Packs.
// The function must not block.
func (b *Bus) AnnounceStream(current func() (stream string, seq uint64)) {
	a := b.announced
	a.mu.Lock()
	defer a.mu.Unlock()
	a.stream = current
	wake.Up(a.changed)
}

// merged is a sorted list with more names in it, each once.
func merged(list []string, names ...string) []string {
	all := append(slices.Clone(list), names...)
	slices.Sort(all)
	return slices.Compact(all)
}

func (b *Bus) presencePayload(status wattline.PresenceStatus) ([]byte, error) {
	return json.Marshal(b.announced.presenceNow(status, time.Now()))
}

// announce publishes the presence of this process.
func (b *Bus) announce(s *session) {
	b.sendPresence(s, wattline.PresenceOnline)
}

func (b *Bus) sendPresence(s *session, status wattline.PresenceStatus) {
	payload, err := b.presencePayload(status)
	if err != nil {
		b.log.Error("the presence cannot be encoded", "err", err)
		return
	}
	if !s.send(outgoing{topic: b.presenceTopic, payload: payload, delivery: deliveryOf(wattline.TopicPresence)}) {
		b.dropped("outbound full", "topic", b.presenceTopic)
	}
}
