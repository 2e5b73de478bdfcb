package api_test

import (
	"context"
	"encoding/json"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// fakeBus delivers what a test publishes, and answers as it is told to.
type fakeBus struct {
	mu         sync.Mutex
	connected  bool
	instances  []wattline.Presence
	handlers   map[int]subscriber
	next       int
	queries    bus.Handler // answers what is asked of the gateway
	subscribed chan struct{}
	asked      []bus.Ask
	listings   int
	// devices are those that the registry has.
	devices map[string]wattline.Device
	// former are those that it had.
	former map[string]wattline.Device
	// apply answers the registry's apply, if given.
	apply func(wattline.ApplyQuery) (wattline.Applied, error)
	// answer replies to commands and queries, except the registry's list.
	answer func(ctx context.Context, ask bus.Ask) (any, error)
	// list answers the registry's list; nil has no_responder.
	list func(wattline.ListQuery) (wattline.DevicePage, error)
}

type subscriber struct {
	filter wattline.Topic
	handle func(context.Context, bus.Message)
}

func newFakeBus() *fakeBus {
	b := &fakeBus{
		connected: true,
		devices:   map[string]wattline.Device{},
		handlers:  map[int]subscriber{},
		// One for each topic that the gateway follows, and one for what it answers.
		subscribed: make(chan struct{}, 6),
		instances: []wattline.Presence{
			{Instance: "agent-1", Status: wattline.PresenceOnline, Roles: []string{wattline.RoleCollector, wattline.RoleController}},
			{Instance: "hook-1", Status: wattline.PresenceOnline, Roles: []string{wattline.RoleHook}},
		},
	}
	b.answer = b.answerRegistered
	return b
}

func (b *fakeBus) Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error) {
	b.mu.Lock()
	answer, list := b.answer, b.list
	isList := ask.Topic.Component == wattline.RoleRegistry && ask.Topic.Verb == wattline.VerbList && ask.Actor == "gateway"
	if isList {
		b.listings++
	} else {
		b.asked = append(b.asked, ask)
	}
	b.mu.Unlock()
	var value any
	var err error
	switch {
	case !isList:
		value, err = answer(ctx, ask)
	case list == nil:
		err = wattline.Errorf(wattline.CodeNoResponder, "no registry")
	default:
		query, _ := ask.Body.(wattline.ListQuery)
		value, err = list(query)
	}
	if err != nil {
		return nil, err
	}
	if raw, ok := value.(json.RawMessage); ok {
		return raw, nil
	}
	return json.Marshal(value)
}

func (b *fakeBus) Subscribe(o bus.SubscribeOptions, handle func(context.Context, bus.Message)) (func(), error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	id := b.next
	b.next++
	b.handlers[id] = subscriber{o.Filter, handle}
	b.subscribed <- struct{}{}
	return func() {
		b.mu.Lock()
		defer b.mu.Unlock()
		delete(b.handlers, id)
	}, nil
}

func (b *fakeBus) Connected() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.connected
}

func (b *fakeBus) Instances() []wattline.Presence {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.instances
}

func (b *fakeBus) Pick(role, site string) (string, bool) {
	for _, presence := range b.Instances() {
		if presence.Serves(role, site) {
			return presence.Instance, true
		}
	}
	return "", false
}

func (b *fakeBus) Instance() string { return "gateway-1" }

func (b *fakeBus) Respond(_ bus.RespondOptions, handle bus.Handler) (func(), error) {
	b.set(func(b *fakeBus) { b.queries = handle })
	b.subscribed <- struct{}{}
	return func() {}, nil
}

// confirm asks the gateway, as a controller does at a command's turn.
func (b *fakeBus) confirm(t testing.TB, id string) error {
	b.mu.Lock()
	handle := b.queries
	b.mu.Unlock()
	_, err := handle(context.Background(), bus.Request{
		Topic:    wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleGateway, Instance: "gateway-1", Verb: wattline.VerbConfirm},
		Envelope: wattline.Envelope{Body: payload(t, wattline.ConfirmQuery{ID: id})},
	})
	return err
}

// set changes the bus while it is used.
func (b *fakeBus) set(change func(*fakeBus)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	change(b)
}

// asks are those made so far.
func (b *fakeBus) asks() []bus.Ask {
	b.mu.Lock()
	defer b.mu.Unlock()
	return append([]bus.Ask{}, b.asked...)
}

// forget begins asks anew.
func (b *fakeBus) forget() { b.set(func(b *fakeBus) { b.asked = nil }) }

// deliver hands a message to whoever subscribed, and returns when it was taken.
func (b *fakeBus) deliver(message bus.Message) {
	b.mu.Lock()
	var handlers []func(context.Context, bus.Message)
	for _, s := range b.handlers {
		if s.filter.Kind == message.Topic.Kind {
			handlers = append(handlers, s.handle)
		}
	}
	b.mu.Unlock()
	for _, handle := range handlers {
		handle(context.Background(), message)
	}
}

func payload(t testing.TB, value any) []byte {
	t.Helper()
	if value == nil {
		return nil
	}
	data, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return data
}

func (b *fakeBus) device(t testing.TB, device wattline.Device) {
	t.Helper()
	b.set(func(b *fakeBus) { b.devices[device.ID] = device })
	b.deliver(bus.Message{
		Topic:   wattline.Topic{Kind: wattline.TopicDevice, Device: device.ID},
		Payload: payload(t, device), Retained: true,
	})
}

func (b *fakeBus) state(t testing.TB, site string, state wattline.State, retained bool) {
	t.Helper()
	b.deliver(bus.Message{
		Topic:   wattline.Topic{Kind: wattline.TopicState, Site: site, Device: state.Device},
		Payload: payload(t, state), Retained: retained,
	})
}

func (b *fakeBus) reading(t testing.TB, site string, reading wattline.Reading, retained bool) {
	t.Helper()
	b.deliver(bus.Message{
		Topic:   wattline.Topic{Kind: wattline.TopicData, Site: site, Device: reading.Device},
		Payload: payload(t, reading), Retained: retained,
	})
}

// command is what a controller tells of a command.
func (b *fakeBus) command(t testing.TB, result wattline.Result) {
	t.Helper()
	b.deliver(bus.Message{Topic: wattline.Topic{Kind: wattline.TopicEvent, Event: "command"}, Payload: payload(t, result)})
}

// noon is an instant to build others from.
func noon() wattline.Time {
	return wattline.At(time.Date(2026, 3, 28, 12, 0, 0, 0, time.UTC))
}

func later(by time.Duration) wattline.Time { return wattline.At(noon().Add(by)) }

func readingOf(id string, at wattline.Time) wattline.Reading {
	return wattline.Reading{
		Device: id, Time: at, PowerW: 61753, VoltageV: 230100, CurrentA: 271, EnergyWh: 16323, MeterWh: 16000,
		Relay: wattline.RelayOn, RSSIdBm: -51, CoversS: 5000, Quality: wattline.QualityAfterGap, Stream: "s1", Seq: 7,
	}
}

func stateOf(id string, at wattline.Time) wattline.State {
	return wattline.State{
		Device: id, Availability: wattline.AvailabilityUp, Since: at, Time: at, Relay: wattline.RelayOn, LED: wattline.RelayOn,
		Capabilities: []wattline.Capability{wattline.CapabilityRelay, wattline.CapabilityMeter, wattline.CapabilityLED},
		Model:        "HS110(EU)", Firmware: "1.5.4", MAC: "50:C7:BF:00:00:01", Collector: "agent-1",
	}
}

// answerAll is a system in which everything works.
func answerAll(_ context.Context, ask bus.Ask) (any, error) {
	switch body := ask.Body.(type) {
	case wattline.Command:
		relay := wattline.RelayOff
		if body.Action == wattline.ActionOn {
			relay = wattline.RelayOn
		}
		return wattline.Result{
			ID: ask.ID, Device: body.Device, Action: body.Action, Outcome: wattline.OutcomeDone,
			Relay: relay, Time: later(time.Hour), Actor: ask.Actor,
		}, nil
	case wattline.GetQuery:
		reading := readingOf(body.Device, later(time.Hour))
		return wattline.FreshState{State: stateOf(body.Device, later(time.Hour)), Reading: &reading}, nil
	case wattline.WatchQuery:
		return wattline.Watch{Device: body.Device, Until: later(time.Minute), PollS: 1000}, nil
	case wattline.ReadingsQuery:
		return wattline.ReadingsPage{Readings: []wattline.Reading{readingOf(body.Devices[0], body.From)}, Next: after(body.Cursor)}, nil
	case wattline.AggregateQuery:
		return wattline.AggregatePage{Rows: []wattline.Aggregate{{
			Group: body.Groups[0].Name, Start: body.From, End: body.To, Count: 3, Value: new(61.5),
		}}, Next: after(body.Cursor)}, nil
	case wattline.RebuildQuery:
		return wattline.RebuildPage{Days: 3, Changed: 1, Done: 31, Total: 62, Next: "31.desk-1"}, nil
	case wattline.ConsumptionQuery:
		energy, coverage := wattline.Milli(1500), wattline.Milli(1000)
		return wattline.ConsumptionPage{Rows: []wattline.Consumption{{
			Group: body.Groups[0].Name, Start: body.From, End: body.To, EnergyWh: &energy, MeanW: &energy,
			MinW: &energy, MaxW: &energy, Coverage: coverage, Estimated: true,
		}}, Next: after(body.Cursor)}, nil
	}
	if answer := answerOperator(ask); answer != nil {
		return answer, nil
	}
	return ask.Body, nil
}

// after is where the second of two pages begins.
func after(cursor string) string {
	if cursor == "" {
		return "more"
	}
	return ""
}

// deviceMessage is one of the three kinds about desk-1.
func deviceMessage(kind uint8, text []byte) bus.Message {
	topics := []wattline.Topic{
		{Kind: wattline.TopicDevice, Device: "desk-1"},
		{Kind: wattline.TopicState, Site: "hq", Device: "desk-1"},
		{Kind: wattline.TopicData, Site: "hq", Device: "desk-1"},
	}
	return bus.Message{Topic: topics[int(kind)%len(topics)], Payload: text}
}
