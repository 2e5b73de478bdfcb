package bus

import (
	"context"
	"encoding/json"
	"time"

	"github.com/wattline/wattline"
)

// DefaultTimeout is how long an ask waits unless it says so itself.
const DefaultTimeout = 5 * time.Second

// Ask is a request to somebody else.
type Ask struct {
	// Topic is a query or a command. A query without an Instance goes to a live
	// one that has the component's role.
	Topic wattline.Topic
	// Body is the query or command; nil is an empty object.
	Body any
	// Actor is who is behind it, for the audit.
	Actor string
	// Timeout is how long to wait (5 s, at most an hour). The context may end it
	// sooner.
	Timeout time.Duration
	// ID makes the request known again: a responder acts once for it. Empty means
	// a new one; see NewID. Only one ask of an id may wait at a time.
	ID string
}

// question is an ask on its way.
type question struct {
	*call
	topic   wattline.Topic
	payload []byte
	began   time.Time
	timeout time.Duration
	// anyone says that the bus chose the instance, and may choose another.
	anyone bool
}

// Ask sends a request and waits for its reply, whose body it returns. A reply's
// error comes back as it is. The others are of the codes invalid, too_large,
// conflict (the id is under way), broker_down and no_responder (at once; nothing
// was sent), busy (too much waits already, here) and timeout (the outcome is
// unknown). It works through the loss of the connection, given one to begin with.
func (b *Bus) Ask(ctx context.Context, ask Ask) (json.RawMessage, error) {
	began := time.Now()
	b.busy.begin()
	defer b.busy.end()
	reply, err := b.ask(ctx, ask, began)
	switch {
	case err != nil:
		b.metrics.asks.With(string(wattline.AsError(err).Code)).Inc()
		return nil, err
	case reply.Error != nil:
		b.metrics.asks.With("error").Inc()
		return nil, reply.Error
	}
	b.metrics.asks.With("ok").Inc()
	b.metrics.askSeconds.Observe(time.Since(began).Seconds())
	return reply.Body, nil
}

func (b *Bus) ask(ctx context.Context, ask Ask, began time.Time) (wattline.Reply, error) {
	q, err := b.prepare(ctx, ask, began)
	if err != nil {
		return wattline.Reply{}, err
	}
	if err := b.pending.add(q.call); err != nil {
		return wattline.Reply{}, err
	}
	answered := false
	defer func() { b.pending.remove(q.call, answered) }()
	if err := b.put(q); err != nil {
		return wattline.Reply{}, err
	}
	reply, err := b.awaitReply(ctx, q)
	answered = err == nil
	return reply, err
}

// prepare validates an ask, finds whom to ask, and makes the envelope.
func (b *Bus) prepare(ctx context.Context, ask Ask, began time.Time) (*question, error) {
	if ask.Timeout == 0 {
		ask.Timeout = DefaultTimeout
	}
	if end, ok := ctx.Deadline(); ok {
		ask.Timeout = min(ask.Timeout, end.Sub(began))
	}
	if ask.ID == "" {
		ask.ID = NewID()
	}
	if ask.Body == nil {
		ask.Body = struct{}{}
	}
	body, err := b.encode(ask.Body)
	if err != nil {
		return nil, err
	}
	envelope := wattline.Envelope{
		V:        wattline.EnvelopeVersion,
		ID:       ask.ID,
		IssuedAt: wattline.At(began),
		Deadline: wattline.At(began.Add(ask.Timeout)),
		Actor:    ask.Actor,
		Body:     body,
	}
	replyTo := wattline.Topic{Kind: wattline.TopicReply, Instance: b.options.Instance, ID: ask.ID}
	if envelope.ReplyTo, err = b.options.Topics.Build(replyTo); err != nil {
		return nil, err
	}
	if err := checkAsk(ctx, ask, envelope, b.options.Topics); err != nil {
		return nil, err
	}
	q := &question{topic: ask.Topic, began: began, timeout: ask.Timeout, call: &call{
		id:       ask.ID,
		replies:  make(chan []byte, 1),
		again:    make(chan struct{}, 1),
		instance: ask.Topic.Instance,
	}}
	if q.payload, err = b.encode(envelope); err != nil {
		return nil, err
	}
	return q, b.address(q)
}

func checkAsk(ctx context.Context, ask Ask, envelope wattline.Envelope, topics wattline.Topics) error {
	if err := ctx.Err(); err != nil || ask.Timeout <= 0 {
		return wattline.AsError(context.DeadlineExceeded)
	}
	if ask.Timeout > maxAhead {
		return wattline.Invalid(wattline.FieldError{Field: "timeout", Reason: "must be at most an hour"})
	}
	if kind := ask.Topic.Kind; kind != wattline.TopicQuery && kind != wattline.TopicCommand {
		return wattline.Invalid(wattline.FieldError{Field: "topic", Reason: "must be a query or a command"})
	}
	if ask.Topic.Kind == wattline.TopicQuery && ask.Topic.Instance == "" {
		ask.Topic.Instance = "any" // one will be found
	}
	if _, err := topics.Build(ask.Topic); err != nil {
		return err
	}
	return envelope.Validate(topics)
}

// address finds out whether somebody is there to ask, and for a query whom.
func (b *Bus) address(q *question) error {
	switch {
	case b.stopping():
		return errStopping()
	case !b.Connected():
		return errBrokerDown()
	case q.topic.Kind == wattline.TopicCommand:
		q.site = q.topic.Site
		if _, ok := b.Pick(wattline.RoleController, q.site); !ok {
			return wattline.Errorf(wattline.CodeNoResponder, "no controller is alive for the site %q", q.site)
		}
	case q.topic.Instance == "":
		q.anyone = true
		if !b.redirect(q) {
			return wattline.Errorf(wattline.CodeNoResponder, "no %q is alive", q.topic.Component)
		}
	case !b.presence.isLive(q.topic.Instance):
		return wattline.Errorf(wattline.CodeNoResponder, "the instance %q is not alive", q.topic.Instance)
	}
	return nil
}

// redirect chooses a live instance of the component.
func (b *Bus) redirect(q *question) bool {
	instance, ok := b.Pick(q.topic.Component, "")
	if ok {
		q.topic.Instance = instance
		q.redirect(instance)
	}
	return ok
}

// put sends the question, for the first time or again.
func (b *Bus) put(q *question) error {
	to, err := b.options.Topics.Build(q.topic)
	if err != nil {
		return err
	}
	return b.transmit(b.live(), outgoing{topic: to, payload: q.payload, delivery: deliveryOf(q.topic.Kind)})
}

// repeat sends it again, a query to somebody else if the one asked has gone.
func (b *Bus) repeat(q *question) {
	if q.anyone && !b.presence.isLive(q.topic.Instance) {
		b.redirect(q)
	}
	b.metrics.repeats.Inc()
	if err := b.put(q); err != nil {
		b.log.Debug("a request is not repeated now", "id", q.id, "err", err)
	}
}

// schedule is when, counted from the beginning, a question is repeated and, at
// the last, given up.
func schedule(timeout time.Duration) []time.Duration {
	return []time.Duration{timeout / 3, timeout * 2 / 3, timeout}
}

func (b *Bus) awaitReply(ctx context.Context, q *question) (wattline.Reply, error) {
	steps := schedule(q.timeout)
	timer := time.NewTimer(time.Until(q.began.Add(steps[0])))
	defer timer.Stop()
	for {
		select {
		case payload := <-q.replies:
			reply, err := decodeReply(payload, q.id)
			if err == nil {
				return reply, nil
			}
			b.dropped("reply undecodable", "id", q.id, "err", err)
		case <-q.again:
			b.repeat(q)
		case <-timer.C:
			if steps = steps[1:]; len(steps) == 0 {
				return wattline.Reply{}, wattline.Errorf(wattline.CodeTimeout, "no reply to %s within %v", q.id, q.timeout)
			}
			b.repeat(q)
			timer.Reset(time.Until(q.began.Add(steps[0])))
		case <-ctx.Done():
			return wattline.Reply{}, wattline.AsError(ctx.Err())
		}
	}
}

// replies is the subscription to the replies to this process.
func (b *Bus) replies() *subscription {
	return &subscription{
		filter:  wattline.Topic{Kind: wattline.TopicReply, Instance: b.options.Instance},
		settled: make(chan error, 1),
		deliver: func(message Message) {
			unexpected := "retained"
			if !message.Retained {
				unexpected = b.pending.deliver(message.Topic.ID, message.Payload)
			}
			if unexpected != "" {
				b.metrics.replies.With(unexpected).Inc()
			}
		},
	}
}
