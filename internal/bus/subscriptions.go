package bus

import (
	"context"
	"slices"
	"sync"
	"sync/atomic"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// Message is what a subscription delivers. Several subscriptions may share the
// payload: it must not be changed.
type Message struct {
	Topic   wattline.Topic
	Payload []byte
	// Retained says that the broker had kept it. It may come again at any time,
	// and may be older than what came before; the next live one is the truth. An
	// empty payload that is not Retained deletes the topic.
	Retained bool
}

func (m Message) size() int { return len(m.Payload) }

// subscription is one reader of some topics. deliver is called by the MQTT
// client and never blocks.
type subscription struct {
	filter  wattline.Topic
	deliver func(Message)
	granted func()     // nil, or what SubscribeOptions has
	settled chan error // receives nil once granted, or why not; buffered
	fresh   bool       // not granted yet on this connection; guarded by subscriptions.mu
}

// subscriptions are all of a bus's, whatever the connection.
type subscriptions struct {
	mu      sync.Mutex
	all     atomic.Pointer[[]*subscription] // copied on every change, under mu
	changed chan struct{}
}

func newSubscriptions() *subscriptions {
	s := &subscriptions{changed: make(chan struct{}, 1)}
	s.all.Store(&[]*subscription{})
	return s
}

func (s *subscriptions) add(added *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	added.fresh = true
	all := append(slices.Clone(*s.all.Load()), added)
	s.all.Store(&all)
	wake.Up(s.changed)
}

func (s *subscriptions) remove(gone *subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := slices.DeleteFunc(slices.Clone(*s.all.Load()), func(other *subscription) bool { return other == gone })
	s.all.Store(&all)
	wake.Up(s.changed)
}

// renew makes every subscription a fresh one, for a new connection.
func (s *subscriptions) renew() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, subscription := range *s.all.Load() {
		subscription.fresh = true
	}
}

// wanted is the cover of all filters, and the fresh subscriptions, which it
// takes as done.
func (s *subscriptions) wanted() (covers map[wattline.Topic]bool, fresh []*subscription) {
	s.mu.Lock()
	defer s.mu.Unlock()
	all := *s.all.Load()
	filters := make([]wattline.Topic, len(all))
	for i, subscription := range all {
		filters[i] = subscription.filter
		if subscription.fresh {
			subscription.fresh = false
			fresh = append(fresh, subscription)
		}
	}
	return cover(filters), fresh
}

func (s *subscriptions) len() int { return len(*s.all.Load()) }

// receive is the MQTT client's callback for every message. It only sorts.
func (b *Bus) receive(_ mqtt.Client, m mqtt.Message) {
	topic, err := b.options.Topics.Parse(m.Topic())
	if err != nil {
		b.metrics.dropped.With("foreign topic").Inc()
		return
	}
	b.metrics.received.Inc()
	message := Message{Topic: topic, Payload: m.Payload(), Retained: m.Retained()}
	for _, subscription := range *b.subscriptions.all.Load() {
		if subscription.filter.Covers(topic) {
			subscription.deliver(message)
		}
	}
}

// SubscribeOptions says what to read. The levels of Filter that are empty match
// anything.
type SubscribeOptions struct {
	Filter wattline.Topic
	// Queue bounds what waits for the handler (1,024).
	Queue int
	// Name is for the log and the metrics.
	Name string
	// Granted, unless nil, is called whenever the broker has granted the subscription:
	// once, and again on every new connection. What the broker retains may still be on
	// its way. It must return at once.
	Granted func()
}

const defaultQueue = 1024

// Subscribe calls handle for every message that passes the filter, one after
// another in the order of arrival, on a goroutine of its own while Run runs.
// What does not fit into the queue is dropped and counted.
//
// On return the subscription is in force if there is a connection, and else it
// will be with the next one. It first gets what the broker retains, and again on
// every connection. The error is forbidden if the broker refuses the filter.
// Several subscriptions may overlap. After cancel, at most the message that is
// being handled is. It panics on a filter that cannot be, as Topics.Filter does.
func (b *Bus) Subscribe(o SubscribeOptions, handle func(context.Context, Message)) (cancel func(), err error) {
	fill(&o.Queue, defaultQueue)
	queue := newQueue[Message](o.Queue)
	done := make(chan struct{})
	wanted := &subscription{filter: o.Filter, granted: o.Granted, deliver: func(message Message) {
		if !queue.push(message) {
			b.dropped("subscription full", "subscription", o.Name)
		}
	}}
	work := func(ctx context.Context) {
		queue.work(ctx, done, func(message Message) { b.guard(o.Name, func() { handle(ctx, message) }) })
	}
	return b.subscribe(wanted, done, work)
}

// subscribe starts the workers, adds the subscription and waits until it is in
// force. The returned function undoes it and closes done.
func (b *Bus) subscribe(wanted *subscription, done chan struct{}, workers ...func(context.Context)) (func(), error) {
	b.options.Topics.Filter(wanted.filter) // panics here rather than later
	wanted.settled = make(chan error, 1)
	if err := b.start(workers...); err != nil {
		return nil, err
	}
	b.subscriptions.add(wanted)
	cancel := sync.OnceFunc(func() {
		b.subscriptions.remove(wanted)
		close(done)
	})
	if s := b.current(); s != nil {
		select {
		case err := <-wanted.settled:
			if err != nil {
				cancel()
				return nil, err
			}
		case <-s.lost:
		}
	}
	return cancel, nil
}

// filtersAtOnce bounds the filters of one SUBSCRIBE packet.
const filtersAtOnce = 100

// syncFilters makes the connection's filters those that the subscriptions need.
// A filter that serves a fresh subscription is asked for again, which makes the
// broker send what it retains. It returns the refused ones.
func (b *Bus) syncFilters(ctx context.Context, s *session) (refused map[wattline.Topic]bool, err error) {
	covers, fresh := b.subscriptions.wanted()
	added := make(map[wattline.Topic]bool)
	for filter := range covers {
		if !s.granted[filter] {
			added[filter] = true
		}
	}
	for _, subscription := range fresh {
		added[coverOf(covers, subscription.filter)] = true
	}
	refused, err = b.addFilters(ctx, s, added)
	if err != nil {
		return nil, err
	}
	for _, subscription := range fresh {
		var outcome error
		if refused[coverOf(covers, subscription.filter)] {
			outcome = wattline.Errorf(wattline.CodeForbidden, "the broker refuses the subscription to %s",
				b.options.Topics.Filter(subscription.filter))
		} else if subscription.granted != nil {
			subscription.granted()
		}
		select {
		case subscription.settled <- outcome:
		default:
		}
	}
	return refused, b.removeFilters(ctx, s, covers)
}

func (b *Bus) addFilters(ctx context.Context, s *session, added map[wattline.Topic]bool) (map[wattline.Topic]bool, error) {
	byText := make(map[string]wattline.Topic, len(added))
	for filter := range added {
		byText[b.options.Topics.Filter(filter)] = filter
	}
	texts := make([]string, 0, len(byText))
	for text := range byText {
		texts = append(texts, text)
	}
	refused := make(map[wattline.Topic]bool)
	for chunk := range slices.Chunk(texts, filtersAtOnce) {
		asked := make(map[string]byte, len(chunk))
		for _, text := range chunk {
			asked[text] = 0
			s.granted[byText[text]] = true
		}
		no, err := s.subscribe(ctx, asked)
		if err != nil {
			return nil, err
		}
		for _, text := range no {
			delete(s.granted, byText[text])
			refused[byText[text]] = true
			b.log.Error("the broker refuses a subscription", "filter", text, "broker", s.broker.String())
		}
	}
	return refused, nil
}

func (b *Bus) removeFilters(ctx context.Context, s *session, wanted map[wattline.Topic]bool) error {
	var gone []string
	for filter := range s.granted {
		if !wanted[filter] {
			gone = append(gone, b.options.Topics.Filter(filter))
			delete(s.granted, filter)
		}
	}
	for chunk := range slices.Chunk(gone, filtersAtOnce) {
		if err := s.unsubscribe(ctx, chunk); err != nil {
			return err
		}
	}
	return nil
}

func coverOf(covers map[wattline.Topic]bool, filter wattline.Topic) wattline.Topic {
	for candidate := range covers {
		if overlap(candidate, filter) {
			return candidate
		}
	}
	return filter
}
