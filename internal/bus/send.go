package bus

import (
	"context"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/wattline/wattline"
)

// unacked is a QoS 1 message that was handed to the client, or a mark.
type unacked struct {
	token mqtt.Token
	outgoing
}

// writeUrgent sends the QoS 0 queue. It has a goroutine apart from the QoS 1
// queue so that a request never waits for an acknowledgement.
func (b *Bus) writeUrgent(s *session) {
	for {
		select {
		case <-s.lost:
			return
		case message := <-s.urgent.items:
			s.urgent.taken(message)
			if message.passed != nil {
				close(message.passed)
				continue
			}
			b.metrics.published.Inc()
			token := s.client.Publish(message.topic, message.qos, message.retain, message.payload)
			b.noteFailed(token)
		}
	}
}

// writeSteady sends the QoS 1 queue and the retained topics that wait.
func (b *Bus) writeSteady(s *session) {
	for {
		select {
		case <-s.lost:
			return
		case message := <-s.steady.items:
			s.steady.taken(message)
			if message.passed != nil {
				b.writeRetained(s)
			}
			s.publish(b, *message)
		case <-s.wake:
			b.writeRetained(s)
		}
	}
}

func (b *Bus) writeRetained(s *session) {
	for !s.isLost() {
		message, ok := b.retained.next(s.wake)
		if !ok {
			return
		}
		s.publish(b, message)
	}
}

// publish hands a QoS 1 message to the client and waits for room in the window.
func (s *session) publish(b *Bus, message outgoing) {
	sent := unacked{outgoing: message}
	if message.passed == nil {
		b.metrics.published.Inc()
		sent.token = s.client.Publish(message.topic, message.qos, message.retain, message.payload)
	}
	select {
	case s.unacked <- sent:
	case <-s.lost:
	}
}

// awaitAcks takes the acknowledgements in the order of sending. The tokens of a
// connection that ends are completed by the client, with an error.
func (b *Bus) awaitAcks(s *session) {
	timer := time.NewTimer(ackTimeout)
	defer timer.Stop()
	for {
		select {
		case <-s.lost:
			return
		case sent := <-s.unacked:
			if sent.passed != nil {
				close(sent.passed)
				continue
			}
			timer.Reset(ackTimeout)
			select {
			case <-s.lost:
				return
			case <-timer.C:
				s.drop(errNoAck)
				return
			case <-sent.token.Done():
				if !b.noteFailed(sent.token) && sent.confirmed != nil {
					sent.confirmed()
				}
			}
		}
	}
}

// noteFailed counts a message that the client is known to have failed to send.
func (b *Bus) noteFailed(token mqtt.Token) bool {
	select {
	case <-token.Done():
		if token.Error() == nil {
			return false
		}
		b.metrics.dropped.With("send failed").Inc()
		return true
	default:
		return false
	}
}

// flush waits until everything queued so far was sent and acknowledged.
func (s *session) flush(ctx context.Context) error {
	for _, queue := range []*queue[outgoing]{s.urgent, s.steady} {
		mark := make(chan struct{})
		select {
		case queue.items <- &outgoing{passed: mark}:
		case <-s.lost:
			return errConnectionLost
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-mark:
		case <-s.lost:
			return errConnectionLost
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// Publish sends a message of JSON on a topic of kind data, pack, state, device,
// stored or event; quality of service and retaining follow from the kind. It returns
// when the message is queued, and errors are of the codes invalid, too_large,
// broker_down (nothing was sent or kept) and busy (the queue is full). Messages
// published one after another on a topic arrive in that order.
func (b *Bus) Publish(ctx context.Context, topic wattline.Topic, payload any) error {
	text, how, err := b.openTopic(topic)
	if err != nil {
		return err
	}
	data, err := b.encode(payload)
	if err != nil {
		return err
	}
	if err := ctx.Err(); err != nil {
		return wattline.AsError(err)
	}
	return b.transmit(b.live(), outgoing{topic: text, payload: data, delivery: how})
}

// transmit queues a message on a connection, if there is one.
func (b *Bus) transmit(s *session, message outgoing) error {
	if s == nil || s.isLost() {
		return errBrokerDown()
	}
	if !s.send(message) {
		b.metrics.dropped.With("outbound full").Inc()
		return wattline.Errorf(wattline.CodeBusy, "too many messages wait to be sent")
	}
	return nil
}

func errBrokerDown() error {
	return wattline.Errorf(wattline.CodeBrokerDown, "no connection to the broker")
}
