package bus

import (
	"crypto/rand"
	"encoding/json"
	"strings"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// maxAhead is how far ahead a deadline may lie: so long a request's id would
// have to be remembered.
const maxAhead = time.Hour

// NewID makes an id for an ask: 26 letters and digits of randomness, valid as a
// topic level.
func NewID() string { return strings.ToLower(rand.Text()) }

// decodeEnvelope reads a request. Every fault is in the error, with its field.
func decodeEnvelope(topics wattline.Topics, payload []byte, now time.Time) (wattline.Envelope, error) {
	var envelope wattline.Envelope
	if err := strictjson.Decode(payload, &envelope); err != nil {
		return envelope, err
	}
	if err := envelope.Validate(topics); err != nil {
		return envelope, err
	}
	if to, err := topics.Parse(envelope.ReplyTo); err != nil || to.ID != envelope.ID {
		return envelope, wattline.Invalid(wattline.FieldError{Field: "reply_to", Reason: "must end with the id"})
	}
	if envelope.Deadline.Sub(now) > maxAhead {
		return envelope, wattline.Invalid(wattline.FieldError{Field: "deadline", Reason: "must be at most an hour ahead"})
	}
	return envelope, nil
}

// returnAddress makes out of a request that did not decode where to say so: a
// reply topic of ours and the id that it ends with. Nothing else is answered.
func returnAddress(topics wattline.Topics, payload []byte) (to wattline.Topic, ok bool) {
	var found struct {
		ID      string `json:"id"`
		ReplyTo string `json:"reply_to"`
	}
	if err := json.Unmarshal(payload, &found); err != nil {
		return to, false
	}
	to, err := topics.Parse(found.ReplyTo)
	if err != nil || to.Kind != wattline.TopicReply || to.ID != found.ID {
		return to, false
	}
	return to, true
}

// decodeReply reads the reply to an id. A reply without an error field has none,
// and one without a body has null for it.
func decodeReply(payload []byte, id string) (wattline.Reply, error) {
	var reply struct {
		V        int              `json:"v"`
		ID       string           `json:"id"`
		Instance string           `json:"instance"`
		Error    *wattline.Error  `json:"error,omitempty"`
		Body     *json.RawMessage `json:"body,omitempty"`
	}
	if err := strictjson.DecodeLoose(payload, &reply); err != nil {
		return wattline.Reply{}, err
	}
	switch {
	case reply.V != wattline.EnvelopeVersion:
		return wattline.Reply{}, wattline.Invalid(wattline.FieldError{Field: "v", Reason: "must be 1"})
	case reply.ID != id:
		return wattline.Reply{}, wattline.Invalid(wattline.FieldError{Field: "id", Reason: "must be that of the topic"})
	case reply.Error != nil && reply.Error.Code == "":
		return wattline.Reply{}, wattline.Invalid(wattline.FieldError{Field: "error.code", Reason: "must not be empty"})
	}
	body := json.RawMessage("null")
	if reply.Body != nil {
		body = *reply.Body
	}
	return wattline.Reply{V: reply.V, ID: reply.ID, Instance: reply.Instance, Error: reply.Error, Body: body}, nil
}

// decodePresence reads an announcement; it must be the topic's instance's own.
func decodePresence(payload []byte, instance string) (wattline.Presence, error) {
	var presence wattline.Presence
	if err := strictjson.DecodeLoose(payload, &presence); err != nil {
		return presence, err
	}
	if err := presence.Validate(); err != nil {
		return presence, err
	}
	if presence.Instance != instance {
		return presence, wattline.Invalid(wattline.FieldError{Field: "instance", Reason: "must be that of the topic"})
	}
	return presence, nil
}
