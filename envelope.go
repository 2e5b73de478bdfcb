package wattline

import (
	"encoding/json"
	"time"
)

// EnvelopeVersion is the only version so far.
const EnvelopeVersion = 1

const maxActor = 128

// Envelope wraps a command or a query on MQTT.
type Envelope struct {
	V int `json:"v"`
	// ID is the asker's, unguessable, the same on every repeat. A responder
	// acts once for it.
	ID string `json:"id"`
	// ReplyTo is the topic for the reply: …/reply/{instance}/{id}.
	ReplyTo  string `json:"reply_to"`
	IssuedAt Time   `json:"issued_at"`
	// Deadline is when the asker stops waiting. Past it nothing is done.
	Deadline Time `json:"deadline"`
	// Actor is who is behind the request, for the audit.
	Actor string          `json:"actor,omitempty"`
	Body  json.RawMessage `json:"body" swaggertype:"object"`
}

// Validate reports every fault as a CodeInvalid error.
func (e Envelope) Validate(topics Topics) error {
	var found Faults
	if e.V != EnvelopeVersion {
		found.Add("v", "must be 1")
	}
	found.Check("id", CheckID(e.ID))
	if topic, err := topics.Parse(e.ReplyTo); err != nil || topic.Kind != TopicReply {
		found.Add("reply_to", "must be %s/reply/{instance}/{id}", topics.Root())
	}
	if e.Deadline.Before(e.IssuedAt.Time) {
		found.Add("deadline", "must not come before issued_at")
	}
	if len(e.Actor) > maxActor {
		found.Add("actor", "must be at most 128 bytes")
	}
	return found.Err()
}

// Expired tells whether the deadline has passed.
func (e Envelope) Expired(now time.Time) bool { return now.After(e.Deadline.Time) }

// Reply answers an envelope: an error or a body.
type Reply struct {
	V        int             `json:"v"`
	ID       string          `json:"id"`
	Instance string          `json:"instance"`
	Error    *Error          `json:"error"`
	Body     json.RawMessage `json:"body,omitempty" swaggertype:"object"`
}
