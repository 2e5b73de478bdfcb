package collector

import (
	"context"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

const (
	answerWorkers = 16
	answerQueue   = 1024
	storedQueue   = 1024
)

// answer serves the collector's queries and listens to what hooks have stored.
func (c *Collector) answer() (stop func(), err error) {
	stopResponding, err := c.options.Bus.Respond(bus.RespondOptions{
		Filter:  wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleCollector, Instance: c.options.Bus.Instance()},
		Workers: answerWorkers, Queue: answerQueue,
	}, c.respond)
	if err != nil {
		return nil, err
	}
	stopListening, err := c.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicStored}, Queue: storedQueue, Name: "collector-stored",
	}, c.stored)
	if err != nil {
		stopResponding()
		return nil, err
	}
	stopHearing, err := c.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicState, Site: c.options.Site}, Queue: storedQueue, Name: "collector-states",
	}, c.heard)
	if err != nil {
		stopListening()
		stopResponding()
		return nil, err
	}
	return func() { stopHearing(); stopListening(); stopResponding() }, nil
}

// heard notes what a controller found out about a device, for the next state.
func (c *Collector) heard(_ context.Context, message bus.Message) {
	if len(message.Payload) == 0 {
		return
	}
	state, err := agents.ReadState(message)
	if err != nil {
		return // a controller counts it
	}
	if message.Retained {
		c.handover.know(state)
		c.whereabouts.hear(state)
		return
	}
	if p, ok := c.poller(state.Device); ok {
		p.told.Store(&state)
	}
}

func (c *Collector) respond(ctx context.Context, request bus.Request) (any, error) {
	switch request.Topic.Verb {
	case wattline.VerbReplay:
		var query wattline.ReplayQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		if err := query.Validate(); err != nil {
			return nil, err
		}
		return c.options.Journal.Page(ctx, query)
	case wattline.VerbRead:
		var query wattline.GetQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		p, ok := c.poller(query.Device)
		if !ok {
			return nil, notPolled(query.Device)
		}
		return p.refresh(ctx)
	case wattline.VerbWatch:
		var query wattline.WatchQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		if err := query.Validate(); err != nil {
			return nil, err
		}
		return c.watch(query)
	case wattline.VerbDiscover:
		var query wattline.DiscoverQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		return c.page(query)
	case wattline.VerbJournal:
		if err := strictjson.Decode(request.Envelope.Body, &struct{}{}); err != nil {
			return nil, err
		}
		return c.options.Journal.Status(), nil
	case wattline.VerbForget:
		var query wattline.ForgetQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		if err := c.options.Journal.Forget(ctx, query.Hook); err != nil {
			return nil, err
		}
		c.log.Warn("a hook is no longer waited for", "hook", query.Hook, "actor", request.Envelope.Actor)
		return c.options.Journal.Status(), nil
	}
	return nil, wattline.Errorf(wattline.CodeNotFound, "a collector does not answer %.80q", request.Topic.Verb)
}

func notPolled(device string) error {
	return wattline.Errorf(wattline.CodeNotFound, "this collector does not poll device %.80q", device)
}

// stored lets the journal drop what a hook has in its store.
func (c *Collector) stored(ctx context.Context, message bus.Message) {
	if len(message.Payload) == 0 || message.Topic.Stream != c.options.Journal.Stream() {
		return
	}
	var stored wattline.Stored
	err := strictjson.DecodeLoose(message.Payload, &stored)
	if err == nil {
		err = c.options.Journal.Stored(ctx, message.Topic.Hook, stored.Seq)
	}
	if err != nil {
		c.metrics.badStored.Inc()
		c.complain.Do(func() {
			c.log.Warn("a hook's stored position is not usable; more like it are only counted for a minute",
				"hook", message.Topic.Hook, "error", err)
		})
	}
}
