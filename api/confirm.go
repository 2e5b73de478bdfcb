package api

import (
	"context"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// handed is the commands that controllers have and that have no outcome yet. What
// waits there for its turn is asked for once more before it is carried out.
type handed struct {
	mu    sync.Mutex
	holds map[string]func() error // by the command's id
}

func newHanded() *handed { return &handed{holds: map[string]func() error{}} }

// add keeps a command until it is done.
func (h *handed) add(id string, holds func() error) (done func()) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.holds[id] = holds
	return func() {
		h.mu.Lock()
		defer h.mu.Unlock()
		delete(h.holds, id)
	}
}

// confirm is an error for a command that is not to be carried out any more.
func (h *handed) confirm(id string) error {
	h.mu.Lock()
	holds, known := h.holds[id]
	h.mu.Unlock()
	if !known {
		return wattline.Errorf(wattline.CodeBusy, "nobody waits for the command any more")
	}
	return holds()
}

// confirmCommands answers controllers that ask whether a command still holds, until it
// is undone.
func (g *Gateway) confirmCommands() (undo func(), err error) {
	filter := wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleGateway, Instance: g.bus.Instance()}
	return g.bus.Respond(bus.RespondOptions{Filter: filter}, func(_ context.Context, request bus.Request) (any, error) {
		if request.Topic.Verb != wattline.VerbConfirm {
			return nil, wattline.Errorf(wattline.CodeNotFound, "a gateway answers %s, not %.80q", wattline.VerbConfirm, request.Topic.Verb)
		}
		var query wattline.ConfirmQuery
		if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
			return nil, err
		}
		return nil, g.handed.confirm(query.ID)
	})
}
