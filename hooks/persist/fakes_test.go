package persist_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/packed"
)

func TestMain(m *testing.M) {
	if text := os.Getenv(childEnv); text != "" {
		runChild(text)
		return
	}
	goleak.VerifyTestMain(m)
}

func bubble(t *testing.T, name string, test func(t *testing.T)) {
	t.Helper()
	t.Run(name, func(t *testing.T) { synctest.Test(t, test) })
}

// collector is a journal in memory, and what it says of itself.
type collector struct {
	instance, stream string
	all              []wattline.Reading // number n at n-1
	first            uint64
	online           bool
	packs            bool
	sites            []string
	ahead            time.Duration // of its clock
	asked            int
	// answer replaces the honest one.
	answer func(wattline.ReplayQuery) (wattline.ReplayPage, error)
}

func (c *collector) page(q wattline.ReplayQuery) (wattline.ReplayPage, error) {
	if q.Stream != c.stream {
		return wattline.ReplayPage{}, wattline.Errorf(wattline.CodeNotFound, "not my stream")
	}
	last := uint64(len(c.all))
	page := wattline.ReplayPage{Stream: c.stream, First: c.first, Last: last, Readings: []wattline.Reading{}}
	for n := max(q.From, c.first); n <= last && len(page.Readings) < q.Limit; n++ {
		page.Readings = append(page.Readings, c.all[n-1])
	}
	return page, nil
}

func (c *collector) presence() wattline.Presence {
	p := wattline.Presence{Instance: c.instance, Status: wattline.PresenceOffline}
	if c.online {
		p.Status, p.Roles = wattline.PresenceOnline, []string{wattline.RoleCollector}
		p.Clock = wattline.At(time.Now().Add(c.ahead))
		p.Stream, p.Seq, p.Packs, p.Sites = c.stream, uint64(len(c.all)), c.packs, c.sites
	}
	return p
}

// listener is a subscription.
type listener struct {
	kind   wattline.TopicKind
	handle func(context.Context, bus.Message)
}

// fakeBus delivers at once, on the caller's goroutine.
type fakeBus struct {
	mu         sync.Mutex
	down       bool
	forbidden  wattline.TopicKind // not granted to the hook
	live       map[int]listener
	next       int
	hears      []func(wattline.Presence)
	retained   map[wattline.Topic]uint64
	collectors map[string]*collector
	untrue     []string // broken promises
	store      *fakeStore
	answer     bus.Handler // the hook's
}

func newBus(s *fakeStore) *fakeBus {
	return &fakeBus{
		live: map[int]listener{}, retained: map[wattline.Topic]uint64{},
		collectors: map[string]*collector{}, store: s,
	}
}

func (b *fakeBus) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if o.Filter.Kind == b.forbidden {
		return nil, wattline.Errorf(wattline.CodeForbidden, "the broker refuses the subscription")
	}
	id := b.next
	b.next++
	b.live[id] = listener{o.Filter.Kind, handle}
	return func() { b.mu.Lock(); delete(b.live, id); b.mu.Unlock() }, nil
}

// Retain checks the promise that goes with a stored position.
func (b *fakeBus) Retain(_ context.Context, topic wattline.Topic, payload any) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	if payload == nil {
		delete(b.retained, topic)
		return nil
	}
	stored, ok := payload.(wattline.Stored)
	if !ok {
		return fmt.Errorf("retained %v", payload)
	}
	seq := stored.Seq
	b.retained[topic] = seq
	for _, c := range b.collectors {
		if c.stream != topic.Stream {
			continue
		}
		for n := c.first; n <= seq && n <= uint64(len(c.all)); n++ {
			if !b.store.has(c.all[n-1]) {
				b.untrue = append(b.untrue, fmt.Sprintf("%d of %s was said to be stored", n, c.stream))
			}
		}
	}
	return nil
}

func (b *fakeBus) Ask(_ context.Context, ask bus.Ask) (json.RawMessage, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	c := b.collectors[ask.Topic.Instance]
	switch {
	case b.down:
		return nil, wattline.Errorf(wattline.CodeBrokerDown, "no broker")
	case c == nil || !c.online:
		return nil, wattline.Errorf(wattline.CodeNoResponder, "nobody")
	}
	c.asked++
	answer := c.answer
	if answer == nil {
		answer = c.page
	}
	query, ok := ask.Body.(wattline.ReplayQuery)
	if !ok {
		return nil, fmt.Errorf("asked %v", ask.Body)
	}
	page, err := answer(query)
	if err != nil {
		return nil, err
	}
	return json.Marshal(page)
}

func (b *fakeBus) OnPresence(hear func(wattline.Presence)) {
	b.mu.Lock()
	b.hears = append(b.hears, hear)
	var now []wattline.Presence
	for _, c := range b.collectors {
		now = append(now, c.presence())
	}
	b.mu.Unlock()
	for _, p := range now {
		hear(p)
	}
}

func (b *fakeBus) Instance() string { return "hook-1" }

func (b *fakeBus) Instances() (live []wattline.Presence) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, c := range b.collectors {
		if c.online {
			live = append(live, c.presence())
		}
	}
	return live
}

func (b *fakeBus) Announce(string, ...string) {}

func (b *fakeBus) Respond(_ bus.RespondOptions, handle bus.Handler) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answer = handle
	return func() {}, nil
}

// ask puts a query to the hook, as an operator does.
func (b *fakeBus) ask(ctx context.Context, verb string, query any) (any, error) {
	body, err := json.Marshal(query)
	if err != nil {
		return nil, err
	}
	b.mu.Lock()
	answer := b.answer
	b.mu.Unlock()
	return answer(ctx, bus.Request{
		Topic:    wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleHook, Instance: "hook-1", Verb: verb},
		Envelope: wattline.Envelope{Body: body},
	})
}

// tell announces a collector, as a heartbeat does.
func (b *fakeBus) tell(c *collector) {
	b.mu.Lock()
	p, hears, down := c.presence(), slices.Clone(b.hears), b.down
	b.mu.Unlock()
	for _, hear := range hears {
		if !down {
			hear(p)
		}
	}
}

func (b *fakeBus) add(c *collector) *collector {
	b.mu.Lock()
	c.first, c.online = 1, true
	b.collectors[c.instance] = c
	b.mu.Unlock()
	b.tell(c)
	return c
}

// publish has a collector take a reading; it arrives live unless it is dropped
// on the way.
func (b *fakeBus) publish(c *collector, arrives bool) wattline.Reading {
	b.mu.Lock()
	n := len(c.all) + 1
	reading := wattline.Reading{
		Device: fmt.Sprintf("%s-desk-%d", c.stream, n%5), Time: wattline.At(time.Now().Add(c.ahead + time.Duration(n)*time.Millisecond)),
		PowerW: wattline.Milli(n), Relay: wattline.RelayOn, Stream: c.stream, Seq: uint64(n),
	}
	c.all = append(c.all, reading)
	arrives = arrives && !b.down
	b.mu.Unlock()
	if arrives {
		b.deliver(reading.Device, reading)
	}
	return reading
}

// pack has a collector take readings and publish them together.
func (b *fakeBus) pack(c *collector, readings int, arrives bool) {
	b.mu.Lock()
	down, from := b.down, len(c.all)
	b.mu.Unlock()
	for range readings {
		b.publish(c, false)
	}
	if arrives && !down {
		b.send(wattline.Topic{Kind: wattline.TopicPack, Site: "hq", Stream: c.stream},
			wattline.Pack{From: uint64(from + 1), Packed: packed.Append(nil, c.all[from:])})
	}
}

// give has a collector publish a reading that is numbered already.
func (b *fakeBus) give(c *collector, reading wattline.Reading) {
	b.mu.Lock()
	c.all = append(c.all, reading)
	b.mu.Unlock()
	b.deliver(reading.Device, reading)
}

func (b *fakeBus) deliver(device string, payload any) {
	b.send(wattline.Topic{Kind: wattline.TopicData, Site: "hq", Device: device}, payload)
}

func (b *fakeBus) send(topic wattline.Topic, payload any) {
	data, err := json.Marshal(payload)
	if err != nil {
		panic(err)
	}
	for _, handle := range b.listeners(topic.Kind) {
		handle(context.Background(), bus.Message{Topic: topic, Payload: data})
	}
}

func (b *fakeBus) listeners(kind wattline.TopicKind) (handles []func(context.Context, bus.Message)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, l := range b.live {
		if l.kind == kind {
			handles = append(handles, l.handle)
		}
	}
	return handles
}

func (b *fakeBus) stored(hook, stream string) uint64 {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.retained[wattline.Topic{Kind: wattline.TopicStored, Hook: hook, Stream: stream}]
}

// change changes a collector.
func (b *fakeBus) change(do func()) {
	b.mu.Lock()
	defer b.mu.Unlock()
	do()
}

func (b *fakeBus) asked(c *collector) int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return c.asked
}
