package persist

import (
	"context"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// An operator asks little.
const (
	answerWorkers = 4
	answerQueue   = 64
)

// answer serves the hook's queries.
func (h *Hook) answer() (stop func(), err error) {
	return h.options.Bus.Respond(bus.RespondOptions{
		Filter:  wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleHook, Instance: h.options.Bus.Instance()},
		Workers: answerWorkers, Queue: answerQueue,
	}, h.respond)
}

func (h *Hook) respond(ctx context.Context, request bus.Request) (any, error) {
	body := request.Envelope.Body
	switch request.Topic.Verb {
	case wattline.VerbStatus:
		if err := strictjson.Decode(body, &struct{}{}); err != nil {
			return nil, err
		}
		return h.Status(), nil
	case wattline.VerbDeadLetters:
		var query wattline.DeadLettersQuery
		if err := strictjson.Decode(body, &query); err != nil {
			return nil, err
		}
		return h.DeadLetters(query)
	case wattline.VerbResend:
		var query wattline.ResendQuery
		if err := strictjson.Decode(body, &query); err != nil {
			return nil, err
		}
		return h.Resend(ctx, query)
	}
	return nil, wattline.Errorf(wattline.CodeNotFound, "a hook answers %s, %s and %s, not %.80q",
		wattline.VerbStatus, wattline.VerbDeadLetters, wattline.VerbResend, request.Topic.Verb)
}

// DeadLetters is a page of the readings that the store refused. Errors:
// CodeInvalid, CodeConflict for an After that no longer fits.
func (h *Hook) DeadLetters(query wattline.DeadLettersQuery) (wattline.DeadLetterPage, error) {
	if err := query.Validate(); err != nil {
		return wattline.DeadLetterPage{}, err
	}
	page, err := h.letters.page(query)
	page.Hook = h.options.Name
	return page, err
}
