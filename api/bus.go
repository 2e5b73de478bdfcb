package api

import (
	"context"
	"encoding/json"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// Bus is what the gateway needs of the MQTT side; *bus.Bus is one.
type Bus interface {
	// Ask sends a query or a command and waits for the reply's body. Its errors
	// are *wattline.Error: broker_down, no_responder, busy, timeout, or what the
	// responder answered.
	Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error)
	// Subscribe calls handle for each message in turn, retained ones first, on
	// this connection and all later ones, until cancel is called.
	Subscribe(options bus.SubscribeOptions, handle func(context.Context, bus.Message)) (cancel func(), err error)
	// Respond answers queries until cancel is called.
	Respond(options bus.RespondOptions, handle bus.Handler) (cancel func(), err error)
	// Instance is the name under which this process is asked.
	Instance() string
	// Connected tells whether the broker can be reached now.
	Connected() bool
	// Instances are those that are alive.
	Instances() []wattline.Presence
	// Pick chooses a live instance for a role and, unless empty, a site.
	Pick(role, site string) (instance string, ok bool)
}
