package bus

import (
	"encoding/json"
	"fmt"

	"github.com/wattline/wattline"
)

// delivery is how the messages of one kind of topic travel.
type delivery struct {
	qos    byte
	retain bool
	// open kinds are for Publish and Retain; the others belong to Ask, Respond
	// and the bus's own presence.
	open bool
}

// deliveryOf is the one table of topic kinds.
func deliveryOf(kind wattline.TopicKind) delivery {
	switch kind {
	case wattline.TopicData, wattline.TopicState, wattline.TopicDevice, wattline.TopicStored:
		return delivery{qos: 1, retain: true, open: true}
	case wattline.TopicEvent:
		return delivery{qos: 1, open: true}
	case wattline.TopicPack:
		return delivery{open: true}
	case wattline.TopicPresence:
		return delivery{qos: 1, retain: true}
	case wattline.TopicCommand, wattline.TopicQuery, wattline.TopicReply:
		return delivery{}
	}
	return delivery{}
}

// outgoing is a message on its way to the broker.
type outgoing struct {
	topic   string
	payload []byte
	delivery
	// passed, where set, makes this no message but a mark: it is closed when
	// everything queued before it has been sent and, at QoS 1, acknowledged.
	passed chan struct{}
	// confirmed, where set, is called when the broker has acknowledged.
	confirmed func()
}

func (o outgoing) size() int { return len(o.topic) + len(o.payload) }

// encode makes a payload of JSON; json.RawMessage goes through as it is.
func (b *Bus) encode(payload any) ([]byte, error) {
	data, err := json.Marshal(payload)
	if err != nil {
		return nil, wattline.Errorf(wattline.CodeInternal, "encode %T: %w", payload, err)
	}
	return data, b.checkSize(data)
}

func (b *Bus) checkSize(data []byte) error {
	if len(data) > b.options.MaxMessage {
		return wattline.Errorf(wattline.CodeTooLarge, "a message of %d bytes is larger than %d", len(data), b.options.MaxMessage)
	}
	return nil
}

// openTopic builds the topic of a kind that is the caller's to publish on.
func (b *Bus) openTopic(topic wattline.Topic) (string, delivery, error) {
	how := deliveryOf(topic.Kind)
	if !how.open {
		reason := fmt.Sprintf("kind %.80q is not for publishing", topic.Kind)
		return "", how, wattline.Invalid(wattline.FieldError{Field: "topic", Reason: reason})
	}
	text, err := b.options.Topics.Build(topic)
	return text, how, err
}
