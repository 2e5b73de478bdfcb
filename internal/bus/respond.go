package bus

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wattline/wattline"
)

// ErrNotMine is returned by a handler that leaves a request to another instance:
// nothing is answered, and a repeat will be handed to it anew.
var ErrNotMine = errors.New("the request is for another instance")

// Request is what a responder gets: the topic tells which query or command, the
// envelope's Body is for the handler to decode.
type Request struct {
	Topic    wattline.Topic
	Envelope wattline.Envelope
	// Asker is the instance that the reply goes to.
	Asker string

	after *[]func()
}

// AfterReply has something done when the reply is on its way, a moment later and
// by the same goroutine: what the asker need not wait for. It is for the handler
// alone. In a Request that no responder made it is done at once.
func (r Request) AfterReply(do func()) {
	if r.after == nil {
		do()
		return
	}
	*r.after = append(*r.after, do)
}

// Handler answers a request: with a body that goes out as JSON (nil as an empty
// object), or with an error, whose code, message and fields go out if it is a
// *wattline.Error; any other is logged and goes out as internal. Several calls
// run at once. The context ends with the request's deadline.
type Handler func(ctx context.Context, request Request) (body any, err error)

// RespondOptions says what to answer. The levels of Filter that are empty match
// anything.
type RespondOptions struct {
	// Filter is of the kind query or command.
	Filter wattline.Topic
	// Workers is how many requests are handled at once (8).
	Workers int
	// Queue bounds how many more wait (256); beyond it the answer is busy.
	Queue int
}

const (
	defaultWorkers      = 8
	defaultRequestQueue = 256
	refusalQueue        = 256
)

// responder answers the requests of one filter.
type responder struct {
	bus     *Bus
	handle  Handler
	accept  *queue[Message]
	refuse  *queue[Message] // to be answered with busy
	memory  *requestMemory
	handler string
	command bool // what it answers must not be acted upon twice

	mu     sync.Mutex
	closed bool // guards against accepting what nobody will serve
}

// Respond answers the queries or commands that pass a filter, by the rules in
// the package's documentation: once each, within the deadline, never more than
// Workers at a time. A panic in the handler is answered with internal. As with
// Subscribe, it is in force on return if there is a connection. After cancel no
// request is taken up. It panics on a filter that cannot be.
func (b *Bus) Respond(o RespondOptions, handle Handler) (cancel func(), err error) {
	if kind := o.Filter.Kind; kind != wattline.TopicQuery && kind != wattline.TopicCommand {
		return nil, wattline.Invalid(wattline.FieldError{Field: "filter", Reason: "must be of queries or commands"})
	}
	fill(&o.Workers, defaultWorkers)
	fill(&o.Queue, defaultRequestQueue)
	r := &responder{
		bus:     b,
		handle:  handle,
		accept:  newQueue[Message](o.Queue),
		refuse:  newQueue[Message](refusalQueue),
		command: o.Filter.Kind == wattline.TopicCommand,
		memory:  newRequestMemory(b.options.MaxRemembered, o.Filter.Kind == wattline.TopicQuery),
		handler: b.options.Topics.Filter(o.Filter),
	}
	done := make(chan struct{})
	workers := []func(context.Context){func(ctx context.Context) {
		r.refuse.work(ctx, done, r.decline)
	}}
	for range o.Workers {
		workers = append(workers, func(ctx context.Context) {
			r.accept.work(ctx, done, func(message Message) {
				defer b.busy.end()
				r.serve(ctx, message)
			})
		})
	}
	b.responders.add(r)
	stop, err := b.subscribe(&subscription{filter: o.Filter, deliver: r.deliver}, done, workers...)
	if err != nil {
		b.responders.remove(r)
		return nil, err
	}
	return func() {
		stop()
		r.close()
		b.responders.remove(r)
	}, nil
}

// close drops what was accepted and not taken up.
func (r *responder) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	for {
		select {
		case message := <-r.accept.items:
			r.accept.taken(message)
			r.bus.busy.end()
		default:
			return
		}
	}
}

// deliver is called by the MQTT client: it sorts, and never blocks.
func (r *responder) deliver(message Message) {
	if message.Retained { // somebody retained a request: it would fire on every connection
		r.bus.dropped("request retained", "handler", r.handler)
		return
	}
	if !r.take(message) && !r.refuse.push(message) {
		r.bus.dropped("requests full", "handler", r.handler)
	}
}

// take accepts a request, unless the queue is full or the end has begun.
func (r *responder) take(message Message) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed || r.bus.stopping() {
		return false
	}
	r.bus.busy.begin()
	if !r.accept.push(message) {
		r.bus.busy.end()
		return false
	}
	return true
}

// read decodes a request. What cannot be acted upon is dealt with here.
func (r *responder) read(message Message, now time.Time) (request Request, ok bool) {
	envelope, err := decodeEnvelope(r.bus.options.Topics, message.Payload, now)
	if err != nil {
		to, known := returnAddress(r.bus.options.Topics, message.Payload)
		if !known {
			r.bus.dropped("request undecodable", "handler", r.handler, "err", err)
			return request, false
		}
		r.count("invalid")
		r.reply(to, r.encode(to, nil, err))
		return request, false
	}
	if envelope.Expired(now) {
		r.count("expired")
		r.bus.log.Debug("a request came too late", "id", envelope.ID, "handler", r.handler,
			"late", now.Sub(envelope.Deadline.Time))
		return request, false
	}
	request = Request{Topic: message.Topic, Envelope: envelope}
	request.Asker = request.returnTo(r.bus.options.Topics).Instance
	if r.command && envelope.IssuedAt.Before(r.bus.startedAt(now)) {
		r.count("before start")
		to := request.returnTo(r.bus.options.Topics)
		r.reply(to, r.encode(to, nil, errBeforeStart()))
		return request, false
	}
	return request, true
}

// startedAt is when this process started, by the clock as it is now: it may have
// been set since.
func (b *Bus) startedAt(now time.Time) time.Time { return now.Add(-now.Sub(b.started)) }

// errBeforeStart answers a command that an earlier life of this process may have
// acted upon, of which nothing is remembered. To act on it could undo what was
// asked for since.
func errBeforeStart() error {
	return wattline.Errorf(wattline.CodeTimeout,
		"the command was given before whoever carries it out started anew: whether it was acted upon before is unknown")
}

// key is what makes two requests the same one: who asks, which id, what topic.
func (r Request) key() string {
	return r.Envelope.ReplyTo + " " + r.Topic.Site + " " + r.Topic.Device + " " +
		r.Topic.Component + " " + r.Topic.Instance + " " + r.Topic.Verb
}

// returnTo is the reply topic, which decoding has checked.
func (r Request) returnTo(topics wattline.Topics) wattline.Topic {
	to, err := topics.Parse(r.Envelope.ReplyTo)
	if err != nil {
		return wattline.Topic{}
	}
	return to
}

// serve acts on a request once.
func (r *responder) serve(ctx context.Context, message Message) {
	now := time.Now()
	request, ok := r.read(message, now)
	if !ok {
		return
	}
	to := request.returnTo(r.bus.options.Topics)
	what, stored := r.memory.begin(request.key(), request.Envelope.Deadline.Time, now)
	switch what {
	case answered:
		r.count("repeat")
		r.reply(to, stored)
	case underWay:
		r.count("repeat")
	case noRoom:
		r.count("busy")
		r.reply(to, r.encode(to, nil, errBusy()))
	case actOnIt:
		r.act(ctx, request, to)
	}
}

func (r *responder) act(ctx context.Context, request Request, to wattline.Topic) {
	ctx, cancel := context.WithDeadline(ctx, request.Envelope.Deadline.Time)
	defer cancel()
	var body any
	var err error
	var after []func()
	request.after = &after
	if r.bus.guard(r.handler, func() { body, err = r.handle(ctx, request) }) {
		err = wattline.Errorf(wattline.CodeInternal, "internal error")
	}
	if errors.Is(err, ErrNotMine) {
		r.memory.forget(request.key())
		return
	}
	reply := r.encode(to, body, err)
	r.memory.finish(request.key(), reply)
	r.count("done")
	r.reply(to, reply)
	if len(after) == 0 {
		return
	}
	time.Sleep(replyHeadStart)
	for _, do := range after {
		r.bus.guard(r.handler, do)
	}
}

// replyHeadStart is for the reply to get through the broker. A broker takes a
// client's messages in their order, and passes on what it read at one go when it
// has dealt with all of it: a message that it has to keep on disk holds up a
// reply just before it.
const replyHeadStart = 2 * time.Millisecond

// decline answers with busy what there is no room for, unless it is a repeat.
func (r *responder) decline(message Message) {
	request, ok := r.read(message, time.Now())
	if !ok {
		return
	}
	to := request.returnTo(r.bus.options.Topics)
	switch what, stored := r.memory.known(request.key()); what {
	case answered:
		r.count("repeat")
		r.reply(to, stored)
	case underWay:
		r.count("repeat")
	case actOnIt, noRoom:
		r.count("busy")
		r.reply(to, r.encode(to, nil, errBusy()))
	}
}

func errBusy() error {
	return wattline.Errorf(wattline.CodeBusy, "too many requests wait already")
}
