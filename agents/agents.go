// Package agents holds what the agents have in common: what they need of the
// bus, and how they learn which devices are theirs.
//
// An agent talks to devices. A collector (agents/collector) reads them, a
// controller (agents/controller) switches them; both reach the plugs through
// agents/kasa. agents/emulator is the other side: plugs to try it all on.
package agents

import (
	"context"
	"encoding/json"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// Bus is what agents need of bus.Bus, whose methods say what these do.
type Bus interface {
	Instance() string
	Announce(role string, sites ...string)
	Subscribe(bus.SubscribeOptions, func(context.Context, bus.Message)) (cancel func(), err error)
	Respond(bus.RespondOptions, bus.Handler) (cancel func(), err error)
	Publish(ctx context.Context, topic wattline.Topic, payload any) error
	Retain(ctx context.Context, topic wattline.Topic, payload any) error
	Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error)
}
