package bus

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

const (
	presenceQueue = 4096
	// watchInterval is how often expiry is looked after.
	watchInterval = time.Second
	// EventClockSkew is the type of the event that tells of a ClockSkew.
	EventClockSkew = "clock_skew"
)

// ClockSkew is the payload of the event clock_skew: an instance's clock was
// found to be more than a second off an observer's.
type ClockSkew struct {
	Instance string `json:"instance"`
	Observer string `json:"observer"`
	// SkewS is positive where the instance's clock is ahead of the observer's.
	SkewS wattline.Milli `json:"skew_s"`
	At    wattline.Time  `json:"at"`
}

// listeners want to hear of presence.
type listeners struct {
	mu      sync.Mutex
	all     []func(wattline.Presence)
	newest  []func(wattline.Presence) // have not yet heard who is there
	changed chan struct{}
}

// OnPresence registers a function that hears of every instance that is alive,
// then of every change (also of a collector's newest number, at each heartbeat)
// and of every end, which has the status offline. It is called from one
// goroutine of the bus, in order, while Run runs, and must return soon.
func (b *Bus) OnPresence(hear func(wattline.Presence)) {
	l := &b.listeners
	l.mu.Lock()
	defer l.mu.Unlock()
	l.newest = append(l.newest, hear)
	wake.Up(l.changed)
}

// Instances are those that are alive by their heartbeat, this one included,
// ordered by name.
func (b *Bus) Instances() []wattline.Presence { return b.presence.live() }

// Pick is a live instance that has a role and, unless site is empty, serves a
// site. Several take turns.
func (b *Bus) Pick(role, site string) (instance string, ok bool) {
	return b.presence.pick(role, site)
}

// watchPresence is the subscription to presence and what reads it. One
// goroutine does all of it, so that listeners hear things in order.
func (b *Bus) watchPresence() (*subscription, func(context.Context)) {
	queue := newQueue[Message](presenceQueue)
	wanted := &subscription{
		filter:  wattline.Topic{Kind: wattline.TopicPresence},
		settled: make(chan error, 1),
		deliver: func(message Message) {
			if !queue.push(message) {
				b.dropped("presence full")
			}
		},
	}
	return wanted, func(ctx context.Context) {
		tick := time.NewTicker(watchInterval)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case message := <-queue.items:
				queue.taken(message)
				b.hearPresence(*message, time.Now())
			case now := <-tick.C:
				for _, gone := range b.presence.expire(now) {
					b.log.Warn("an instance has gone silent", "other", gone.Instance)
					b.tell(gone)
				}
				b.responders.sweep(now)
			case <-b.listeners.changed:
				b.welcome()
			}
		}
	}
}

func (b *Bus) hearPresence(message Message, now time.Time) {
	instance := message.Topic.Instance
	if len(message.Payload) == 0 { // deleted by somebody: as good as an end
		b.takePresence(wattline.Presence{Instance: instance, Status: wattline.PresenceOffline}, message.Retained, now)
		return
	}
	presence, err := decodePresence(message.Payload, instance)
	if err != nil {
		b.dropped("presence undecodable", "other", instance, "err", err)
		return
	}
	b.takePresence(presence, message.Retained, now)
}

func (b *Bus) takePresence(p wattline.Presence, retained bool, now time.Time) {
	own := p.Instance == b.options.Instance
	if own && !b.isSelf(p, retained) {
		return
	}
	result := b.presence.hear(p, retained, now)
	switch {
	case result.full:
		b.dropped("instances full", "other", p.Instance)
	case result.changed:
		b.log.Debug("presence", "other", p.Instance, "status", p.Status, "roles", p.Roles, "sites", p.Sites)
		b.tell(p)
	}
	if result.arrived {
		b.pending.again(func(c *call) bool { return c.concerns(p) })
	}
	if result.skewed {
		b.reportSkew(p, result.skew, now)
	}
	if own && !retained {
		wake.Up(b.heardSelf)
	}
}

// isSelf sorts out what is announced under our own name: the echo of our own
// announcement, an old will of ours, or somebody else's.
func (b *Bus) isSelf(p wattline.Presence, retained bool) bool {
	ours := p.Since.Equal(b.announced.since.Time)
	switch {
	case p.Status == wattline.PresenceOffline:
		if !retained && !b.stopping() {
			wake.Up(b.announced.changed) // contradict it
		}
		return false
	case !ours && !retained:
		b.metrics.twins.Inc()
		if b.complaints.due("twin", time.Now()) {
			b.log.Error("another process uses this instance's name: the two push each other off the broker",
				"since", p.Since, "version", p.Version)
		}
		return false
	}
	return ours
}

func (b *Bus) reportSkew(p wattline.Presence, skew time.Duration, now time.Time) {
	b.metrics.skews.Inc()
	b.log.Warn("an instance's clock differs from ours; its requests may be dropped as late", "other", p.Instance, "skew", skew)
	event := ClockSkew{
		Instance: p.Instance,
		Observer: b.options.Instance,
		SkewS:    wattline.Milli(skew.Milliseconds()),
		At:       wattline.At(now),
	}
	topic := wattline.Topic{Kind: wattline.TopicEvent, Event: EventClockSkew}
	if err := b.Publish(context.Background(), topic, event); err != nil {
		b.log.Debug("the clock skew is not published", "err", err)
	}
}

func (b *Bus) tell(p wattline.Presence) {
	b.listeners.mu.Lock()
	all := b.listeners.all
	b.listeners.mu.Unlock()
	for _, hear := range all {
		b.guard("presence", func() { hear(p) })
	}
}

// welcome tells new listeners who is there.
func (b *Bus) welcome() {
	l := &b.listeners
	l.mu.Lock()
	newest := l.newest
	l.newest = nil
	l.all = append(slices.Clip(l.all), newest...)
	l.mu.Unlock()
	for _, p := range b.presence.live() {
		for _, hear := range newest {
			b.guard("presence", func() { hear(p) })
		}
	}
}
