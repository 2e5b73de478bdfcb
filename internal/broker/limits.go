package broker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
)

// What the broker keeps is bounded, so that no client, slow, dead or hostile, can
// fill the disk or stop the others: what waits for absent sessions gives way to
// what is newer; a retained message or session beyond its bound is refused, so
// that those already there stay. An existing retained message can always be
// replaced by one no longer.
const (
	maxMessagesBytes = 256 << 20
	maxMessageAge    = 24 * time.Hour
	maxRetained      = 100_000
	maxRetainedBytes = 64 << 20
	maxSessionsBytes = 64 << 20
	maxQoS2Bytes     = 32 << 20
	// maxStoreBytes is above the sum of these, so that no bound but its own ever
	// stops a stream.
	maxStoreBytes  = 512 << 20
	maxMemoryBytes = 32 << 20
)

// The streams in which the server keeps what MQTT needs.
const (
	streamMessages = "$MQTT_msgs"
	streamRetained = "$MQTT_rmsgs"
	streamSessions = "$MQTT_sess"
	streamQoS2In   = "$MQTT_qos2in"
	streamQoS2Out  = "$MQTT_out"
)

func streams() []string {
	return []string{streamMessages, streamRetained, streamSessions, streamQoS2In, streamQoS2Out}
}

// bound sets the bounds of a stream in its configuration.
func bound(config *server.StreamConfig) {
	switch config.Name {
	case streamMessages:
		config.MaxBytes, config.MaxAge, config.Discard = maxMessagesBytes, maxMessageAge, server.DiscardOld
	case streamRetained:
		config.MaxMsgs, config.MaxBytes, config.Discard = maxRetained, maxRetainedBytes, server.DiscardNew
	case streamSessions:
		config.MaxBytes, config.Discard = maxSessionsBytes, server.DiscardNew
	case streamQoS2In:
		config.MaxBytes, config.MaxAge, config.Discard = maxQoS2Bytes, maxMessageAge, server.DiscardNew
	case streamQoS2Out:
		config.MaxBytes, config.MaxAge, config.Discard = maxQoS2Bytes, maxMessageAge, server.DiscardOld
	}
}

// boundStreams sets the bounds of all streams, where they are not set yet: the
// server makes them without. An update that gets no answer is tried again: the
// members of a new cluster make and bound its streams at the same time.
func boundStreams(ctx context.Context, conn *nats.Conn) error {
	for _, stream := range streams() {
		err := boundStream(ctx, conn, stream)
		for errors.Is(err, context.DeadlineExceeded) && ctx.Err() == nil {
			err = boundStream(ctx, conn, stream)
		}
		if err != nil {
			return fmt.Errorf("bound the stream %s: %w", stream, err)
		}
	}
	return nil
}

func boundStream(ctx context.Context, conn *nats.Conn, stream string) error {
	var info server.JSApiStreamInfoResponse
	if err := request(ctx, conn, fmt.Sprintf(server.JSApiStreamInfoT, stream), nil, &info); err != nil {
		return err
	}
	if info.StreamInfo == nil {
		return info.ToError()
	}
	config := info.Config
	before := config
	bound(&config)
	if config.MaxBytes == before.MaxBytes && config.MaxMsgs == before.MaxMsgs &&
		config.MaxAge == before.MaxAge && config.Discard == before.Discard {
		return nil
	}
	var updated server.JSApiStreamUpdateResponse
	if err := request(ctx, conn, fmt.Sprintf(server.JSApiStreamUpdateT, stream), config, &updated); err != nil {
		return err
	}
	return updated.ToError()
}
