// Package components is the contract of those who answer queries on MQTT: the
// registry (components/registry), the history (components/history), and whatever
// is added. Somebody else's component, in any language, follows the same rules:
// it publishes its presence with its name as a role, subscribes to its query
// topics and answers to reply_to; see docs/topics.md.
package components

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// Bounds of one component's work.
const (
	workers = 16
	queue   = 1024
)

// Component answers queries.
type Component interface {
	// Name is the component's, and its role in the presence.
	Name() string
	// Verbs are what it can be asked. It is called once.
	Verbs() map[string]Handler
}

// Handler answers one verb. The body is what the asker sent and is not checked
// yet. The result goes out as JSON; an error that is no *wattline.Error is
// logged and goes out as internal. Several calls run at once; the context ends
// with the asker's deadline.
// Actor tells who asks.
type Handler func(ctx context.Context, body json.RawMessage) (result any, err error)

// Bus is what serving takes of bus.Bus.
type Bus interface {
	Instance() string
	Announce(role string, sites ...string)
	Respond(bus.RespondOptions, bus.Handler) (cancel func(), err error)
}

// Serve answers a component's queries until the context ends.
func Serve(ctx context.Context, on Bus, component Component) error {
	verbs := component.Verbs()
	stop, err := on.Respond(bus.RespondOptions{
		Filter:  wattline.Topic{Kind: wattline.TopicQuery, Component: component.Name(), Instance: on.Instance()},
		Workers: workers, Queue: queue,
	}, func(ctx context.Context, request bus.Request) (any, error) {
		handle, known := verbs[request.Topic.Verb]
		if !known {
			return nil, unknownVerb(component.Name(), request.Topic.Verb, verbs)
		}
		return handle(context.WithValue(ctx, actorKey{}, request.Envelope.Actor), request.Envelope.Body)
	})
	if err != nil {
		return err
	}
	defer stop()
	on.Announce(component.Name())
	<-ctx.Done()
	return nil
}

type actorKey struct{}

// Actor is who is behind the query of a handler's context, as the asker said.
func Actor(ctx context.Context) string {
	actor, _ := ctx.Value(actorKey{}).(string)
	return actor
}

func unknownVerb(component, verb string, verbs map[string]Handler) error {
	names := make([]string, 0, len(verbs))
	for name := range verbs {
		names = append(names, name)
	}
	slices.Sort(names)
	return wattline.Errorf(wattline.CodeNotFound, "%s answers %s, not %.80q", component, strings.Join(names, ", "), verb)
}
