package live

import (
	"context"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// The types of what is said on a WebSocket connection, besides the events.
const (
	typeSubscribe    = "subscribe"
	typeUnsubscribe  = "unsubscribe"
	typeSubscribed   = "subscribed"
	typeUnsubscribed = "unsubscribed"
	typeError        = "error"
)

// Request is what a WebSocket client says.
type Request struct {
	// Type is subscribe or unsubscribe.
	Type string `json:"type"`
	// ID names the subscription. The client chooses it, by the rules for names.
	ID string `json:"id"`
	// What follows goes with subscribe. Selector chooses devices, all if it is left
	// out; Types the kinds of events, all if left out.
	Selector wattline.Selector `json:"selector,omitzero"`
	Types    []Kind            `json:"types,omitempty"`
	// After is the id of the last event of an earlier connection: what came since
	// comes first. It goes with the first subscription of a connection.
	After string `json:"after,omitempty"`
	// Snapshot has the subscription begin with what there is, unless it resumes.
	Snapshot bool `json:"snapshot,omitempty"`
}

// Reply answers a request.
type Reply struct {
	// Type is subscribed, unsubscribed or error.
	Type string `json:"type"`
	// ID is that of the request, as far as it could be made out.
	ID string `json:"id,omitempty"`
	// What follows goes with error: as in a problem document.
	Code    wattline.Code         `json:"code,omitempty"`
	Message string                `json:"message,omitempty"`
	Fields  []wattline.FieldError `json:"fields,omitempty"`
}

// answer does what the client asks for and says so, or says what is wrong with it.
func (c *connection) answer(ctx context.Context, text []byte) error {
	var request Request
	err := strictjson.Decode(text, &request)
	reply := Reply{ID: request.ID}
	if err == nil {
		reply.Type, err = c.do(request)
	}
	if err != nil {
		known := wattline.AsError(err)
		if wattline.CheckID(reply.ID) != nil {
			reply.ID = ""
		}
		reply.Type, reply.Code, reply.Message, reply.Fields = typeError, known.Code, known.Message, known.Fields
	}
	return c.reply(ctx, reply)
}

func (c *connection) do(request Request) (said string, err error) {
	if err := wattline.CheckID(request.ID); err != nil {
		return "", wattline.Invalid(wattline.FieldError{Field: "id", Reason: err.Error()})
	}
	switch request.Type {
	case typeSubscribe:
		return typeSubscribed, c.subscribe(request)
	case typeUnsubscribe:
		if !c.feed.Unsubscribe(request.ID) {
			return "", wattline.Errorf(wattline.CodeNotFound, "there is no subscription %q", request.ID)
		}
		return typeUnsubscribed, nil
	}
	return "", wattline.Invalid(wattline.FieldError{Field: "type", Reason: "must be subscribe or unsubscribe"})
}

func (c *connection) subscribe(request Request) error {
	switch {
	case c.feed.subscription(request.ID) != nil:
		return wattline.Errorf(wattline.CodeConflict, "there is a subscription %q already; unsubscribe it first", request.ID)
	case request.After != "" && len(c.feed.subscriptions) > 0:
		return wattline.Invalid(wattline.FieldError{Field: "after", Reason: "goes with the first subscription only: the others go on from there"})
	case len(c.feed.subscriptions) >= MaxSubscriptions:
		return wattline.Errorf(wattline.CodeBusy, "a connection may have %d subscriptions", MaxSubscriptions)
	}
	filter, err := NewFilter(request.Selector, request.Types)
	if err != nil {
		return err
	}
	c.feed.Subscribe(request.ID, filter)
	resumed := request.After != "" && c.feed.Resume(request.After)
	if request.Snapshot && !resumed {
		c.feed.Snapshot(request.ID)
	}
	return nil
}
