package bus

import (
	"errors"

	"github.com/wattline/wattline"
)

func (r *responder) count(outcome string) { r.bus.metrics.requests.With(outcome).Inc() }

// sent is a wattline.Reply whose body is not encoded yet, so that it is encoded once.
type sent struct {
	V        int             `json:"v"`
	ID       string          `json:"id"`
	Instance string          `json:"instance"`
	Error    *wattline.Error `json:"error"`
	Body     any             `json:"body,omitempty"`
}

// encode makes the reply, in which details of internal errors have no place.
func (r *responder) encode(to wattline.Topic, body any, err error) []byte {
	reply := sent{V: wattline.EnvelopeVersion, ID: to.ID, Instance: r.bus.options.Instance, Error: r.shown(to, err)}
	switch {
	case reply.Error != nil:
	case body == nil:
		reply.Body = struct{}{}
	default:
		reply.Body = body
	}
	data, fault := r.bus.encode(reply)
	if fault == nil {
		return data
	}
	reply.Error, reply.Body = r.shown(to, internal(fault)), nil
	data, _ = r.bus.encode(reply) // an error of ours always encodes
	return data
}

// internal makes an internal fault of one that is not the asker's, such as a
// reply that is too large.
func internal(fault error) error { return errors.New(fault.Error()) }

// shown is an error as it goes out; what it hides is logged.
func (r *responder) shown(to wattline.Topic, err error) *wattline.Error {
	shown := wattline.AsError(err)
	if shown != nil && shown.Code == wattline.CodeInternal {
		r.bus.log.Error("a request failed", "handler", r.handler, "id", to.ID, "err", err)
		shown = wattline.Errorf(wattline.CodeInternal, "internal error")
	}
	return shown
}

// reply sends a reply, if there is a connection: else the asker's repeat fetches
// it. Requests come in before a connection is ready, so replies go out then too.
func (r *responder) reply(to wattline.Topic, payload []byte) {
	topic, err := r.bus.options.Topics.Build(to)
	if err != nil {
		return // decoding has checked it
	}
	message := outgoing{topic: topic, payload: payload, delivery: deliveryOf(wattline.TopicReply)}
	if err := r.bus.transmit(r.bus.current(), message); err != nil {
		r.bus.dropped("reply unsent", "id", to.ID, "err", err)
	}
}
