package broker

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// sessionRecord is what matters here of the record that the server keeps of a
// session.
type sessionRecord struct {
	// Origin is the member that the client was connected to.
	Origin string `json:"origin"`
	ID     string `json:"id"`
	Clean  bool   `json:"clean"`
	// Cons are the queues of its subscriptions of QoS 1 and 2.
	Cons   map[string]*server.ConsumerConfig `json:"cons"`
	PubRel *server.ConsumerConfig            `json:"pubrel"`
}

// sweepSessions deletes the clean sessions that a broker with the given node id
// left behind when it ended. Such a session ends with its connection, but the
// server only deletes it when the same client comes back: with client ids that
// are new each time their queues would collect messages, and pile up, for ever.
// It must be called while no client is connected but the one named except.
func sweepSessions(ctx context.Context, conn *nats.Conn, node, except string) (swept int, err error) {
	for seq := uint64(1); ; seq++ {
		var got server.JSApiMsgGetResponse
		ask := server.JSApiMsgGetRequest{Seq: seq, NextFor: "$MQTT.sess.>"}
		if err := request(ctx, conn, fmt.Sprintf(server.JSApiMsgGetT, streamSessions), ask, &got); err != nil {
			return swept, fmt.Errorf("read the sessions: %w", err)
		}
		if err := got.ToError(); server.IsNatsErr(err, server.JSNoMessageFoundErr) {
			return swept, nil
		} else if err != nil || got.Message == nil {
			return swept, fmt.Errorf("read the sessions: %w", err)
		}
		seq = got.Message.Sequence
		var session sessionRecord
		if err := json.Unmarshal(got.Message.Data, &session); err != nil {
			// A record of another make is not ours to judge.
			continue
		}
		if !session.Clean || session.Origin != node || session.ID == except {
			continue
		}
		if err := deleteSession(ctx, conn, seq, session); err != nil {
			return swept, fmt.Errorf("delete a session left behind: %w", err)
		}
		swept++
	}
}

// deleteSession deletes the queues of a session and then its record.
func deleteSession(ctx context.Context, conn *nats.Conn, seq uint64, session sessionRecord) error {
	for _, queue := range session.Cons {
		if err := deleteQueue(ctx, conn, streamMessages, queue); err != nil {
			return err
		}
	}
	if err := deleteQueue(ctx, conn, streamQoS2Out, session.PubRel); err != nil {
		return err
	}
	var deleted server.JSApiMsgDeleteResponse
	ask := server.JSApiMsgDeleteRequest{Seq: seq, NoErase: true}
	if err := request(ctx, conn, fmt.Sprintf(server.JSApiMsgDeleteT, streamSessions), ask, &deleted); err != nil {
		return err
	}
	return deleted.ToError()
}

func deleteQueue(ctx context.Context, conn *nats.Conn, stream string, queue *server.ConsumerConfig) error {
	if queue == nil || queue.Durable == "" {
		return nil
	}
	var deleted server.JSApiConsumerDeleteResponse
	if err := request(ctx, conn, fmt.Sprintf(server.JSApiConsumerDeleteT, stream, queue.Durable), nil, &deleted); err != nil {
		return err
	}
	if err := deleted.ToError(); err != nil && !server.IsNatsErr(err, server.JSConsumerNotFoundErr) {
		return err
	}
	return nil
}
