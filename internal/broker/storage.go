package broker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"

	"github.com/wattline/wattline/internal/pause"
)

const (
	// streamPatience is how long a stream that has a leader may take to answer. A
	// request that got lost in an election is never answered.
	streamPatience = time.Second
	// streamPause lies between two questions to a stream.
	streamPause = 50 * time.Millisecond
)

// awaitStreams returns when all streams of a cluster answer. Asking goes before
// the first MQTT connection because that waits for a good while, and fails, where
// one does not: with no majority, with an election under way, or when several
// members set up the streams of a new cluster at once. So the members wait for
// the one that leads, which is told by leads, to do so.
func awaitStreams(ctx context.Context, conn *nats.Conn, leads func() bool) error {
	for _, stream := range streams() {
		for {
			var info server.JSApiStreamInfoResponse
			err := request(ctx, conn, fmt.Sprintf(server.JSApiStreamInfoT, stream), nil, &info)
			missing := err == nil && server.IsNatsErr(info.ToError(), server.JSStreamNotFoundErr)
			if err == nil && info.StreamInfo != nil || missing && leads() {
				break
			}
			if err := pause.For(ctx, streamPause); err != nil {
				return fmt.Errorf("wait for the members of the cluster: %w", err)
			}
		}
	}
	return nil
}

// replicateFeeds sets on how many members the consumers are kept that feed the
// members' indexes of retained messages. The server keeps each on one member, with
// whose end another member's index may stay as it is for as long as that is away.
func replicateFeeds(ctx context.Context, conn *nats.Conn, replicas int) error {
	var list server.JSApiConsumerListResponse
	if err := request(ctx, conn, fmt.Sprintf(server.JSApiConsumerListT, streamRetained), nil, &list); err != nil {
		return fmt.Errorf("list the feeds of retained messages: %w", err)
	}
	for _, feed := range list.Consumers {
		// One that nobody listens to is of a broker that ended.
		if feed.Config == nil || !feed.PushBound || feed.Config.Replicas == replicas {
			continue
		}
		config := *feed.Config
		config.Replicas = replicas
		ask := server.CreateConsumerRequest{Stream: streamRetained, Config: config, Action: server.ActionUpdate}
		subject := fmt.Sprintf(server.JSApiConsumerCreateExT, streamRetained, feed.Name, config.FilterSubject)
		var updated server.JSApiConsumerCreateResponse
		err := request(ctx, conn, subject, ask, &updated)
		if err = errors.Join(err, updated.ToError()); err != nil {
			return fmt.Errorf("replicate a feed of retained messages: %w", err)
		}
	}
	return nil
}

// request asks the server's storage interface something and waits streamPatience
// for the answer. body nil is none.
func request(ctx context.Context, conn *nats.Conn, subject string, body, into any) error {
	var data []byte
	if body != nil {
		var err error
		if data, err = json.Marshal(body); err != nil {
			return err
		}
	}
	ctx, cancel := context.WithTimeout(ctx, streamPatience)
	defer cancel()
	answer, err := conn.RequestWithContext(ctx, subject, data)
	if err != nil {
		return err
	}
	return json.Unmarshal(answer.Data, into)
}
