// Package agenttest has a bus in memory for the tests of agents: what is
// delivered reaches the subscribers at once, what is published is kept for the
// test to look at.
package agenttest

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// Bus does what agents need of bus.Bus. Make it with New.
type Bus struct {
	t testing.TB

	mu          sync.Mutex
	subscribers map[int]subscriber
	responders  map[int]responder
	next        int
	retained    map[wattline.Topic]json.RawMessage
	published   []bus.Message
	roles       []string
	refused     map[wattline.TopicKind]error
}

type subscriber struct {
	filter  wattline.Topic
	handle  func(context.Context, bus.Message)
	granted func()
}

type responder struct {
	filter wattline.Topic
	handle bus.Handler
}

// New makes a bus without subscribers.
func New(t testing.TB) *Bus {
	return &Bus{
		t: t, subscribers: map[int]subscriber{}, responders: map[int]responder{}, retained: map[wattline.Topic]json.RawMessage{},
		refused: map[wattline.TopicKind]error{},
	}
}

// Instance is always agent-1.
func (b *Bus) Instance() string { return "agent-1" }

// Announce keeps the role.
func (b *Bus) Announce(role string, _ ...string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.roles = append(b.roles, role)
}

// Roles are those that were announced.
func (b *Bus) Roles() []string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]string(nil), b.roles...)
}

// AnnounceStream does nothing.
func (b *Bus) AnnounceStream(func() (string, uint64)) {}

// Subscribe registers a handler, which gets what is retained.
func (b *Bus) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	b.mu.Lock()
	b.next++
	id := b.next
	b.subscribers[id] = subscriber{o.Filter, handle, o.Granted}
	var kept []bus.Message
	for topic, payload := range b.retained {
		if o.Filter.Covers(topic) {
			kept = append(kept, bus.Message{Topic: topic, Payload: payload, Retained: true})
		}
	}
	b.mu.Unlock()
	for _, message := range kept {
		handle(context.Background(), message)
	}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.subscribers, id)
	}, nil
}

// Reconnect grants every subscription anew. Nothing retained comes again.
func (b *Bus) Reconnect() {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, s := range b.subscribers {
		if s.granted != nil {
			s.granted()
		}
	}
}

// Respond registers a handler for Request.
func (b *Bus) Respond(o bus.RespondOptions, handle bus.Handler) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.next++
	id := b.next
	b.responders[id] = responder{o.Filter, handle}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.responders, id)
	}, nil
}

// Publish keeps the message and hands it to the subscribers.
func (b *Bus) Publish(_ context.Context, topic wattline.Topic, payload any) error {
	message := bus.Message{Topic: topic, Payload: b.encode(payload)}
	b.mu.Lock()
	if err := b.refused[topic.Kind]; err != nil {
		b.mu.Unlock()
		return err
	}
	b.published = append(b.published, message)
	b.mu.Unlock()
	b.deliver(message)
	return nil
}

// Refuse has Publish fail for a kind of topic; nil ends that.
func (b *Bus) Refuse(kind wattline.TopicKind, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.refused[kind] = err
}

// Retain is Publish; nil deletes what is retained.
func (b *Bus) Retain(ctx context.Context, topic wattline.Topic, payload any) error {
	b.mu.Lock()
	if payload == nil {
		delete(b.retained, topic)
	} else {
		b.retained[topic] = b.encode(payload)
	}
	b.mu.Unlock()
	return b.Publish(ctx, topic, payload)
}

// Deliver is a message from elsewhere; nil is a deletion.
func (b *Bus) Deliver(topic wattline.Topic, payload any) {
	b.deliver(bus.Message{Topic: topic, Payload: b.encode(payload)})
}

// DeliverDevice is the registry's word for a device.
func (b *Bus) DeliverDevice(device wattline.Device) {
	b.Deliver(wattline.Topic{Kind: wattline.TopicDevice, Device: device.ID}, device)
}

func (b *Bus) deliver(message bus.Message) {
	b.mu.Lock()
	var handlers []func(context.Context, bus.Message)
	for _, s := range b.subscribers {
		if s.filter.Covers(message.Topic) {
			handlers = append(handlers, s.handle)
		}
	}
	b.mu.Unlock()
	for _, handle := range handlers {
		handle(context.Background(), message)
	}
}

// Request puts a query or a command to whoever answers its topic.
func (b *Bus) Request(ctx context.Context, topic wattline.Topic, body any) (any, error) {
	b.mu.Lock()
	var handle bus.Handler
	for _, r := range b.responders {
		if r.filter.Covers(topic) {
			handle = r.handle
		}
	}
	b.mu.Unlock()
	if handle == nil {
		return nil, wattline.Errorf(wattline.CodeNoResponder, "nobody answers %+v", topic)
	}
	raw, ok := body.(json.RawMessage)
	if !ok {
		raw = b.encode(body)
	}
	return handle(ctx, bus.Request{Topic: topic, Asker: "gateway-1", Envelope: wattline.Envelope{
		V: wattline.EnvelopeVersion, ID: "ask-1", Actor: "test", Body: raw, IssuedAt: wattline.At(time.Now()),
	}})
}

// Ask is Request as the one who asks sees it.
func (b *Bus) Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error) {
	ctx, cancel := context.WithTimeout(ctx, ask.Timeout)
	defer cancel()
	answer, err := b.Request(ctx, ask.Topic, ask.Body)
	if err != nil {
		return nil, err
	}
	return b.encode(answer), nil
}

// Published are the payloads on a topic, decoded, in their order.
func Published[T any](b *Bus, topic wattline.Topic) []T {
	b.mu.Lock()
	defer b.mu.Unlock()
	var payloads []T
	for _, message := range b.published {
		if message.Topic != topic || len(message.Payload) == 0 {
			continue
		}
		var payload T
		if err := json.Unmarshal(message.Payload, &payload); err != nil {
			b.t.Errorf("published on %+v: %v", topic, err)
			return nil
		}
		payloads = append(payloads, payload)
	}
	return payloads
}

// IsRetained tells whether the topic has a retained payload.
func (b *Bus) IsRetained(topic wattline.Topic) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	_, ok := b.retained[topic]
	return ok
}

func (b *Bus) encode(payload any) []byte {
	if payload == nil {
		return nil
	}
	encoded, err := json.Marshal(payload)
	if err != nil {
		b.t.Errorf("encode %T: %v", payload, err)
	}
	return encoded
}
