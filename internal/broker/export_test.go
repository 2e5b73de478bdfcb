package broker

import (
	"net"

	"github.com/nats-io/nats-server/v2/server"
)

// NATSAddr is the address of the listener for NATS clients; nil is none.
func (b *Broker) NATSAddr() net.Addr { return b.server.Addr() }

// StreamConfigs are the configurations of the streams, by name.
func (b *Broker) StreamConfigs() (map[string]server.StreamConfig, error) {
	info, err := b.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Config: true})
	if err != nil {
		return nil, err
	}
	configs := make(map[string]server.StreamConfig)
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			configs[stream.Name] = *stream.Config
		}
	}
	return configs, nil
}

// Queues is how many queues of QoS 1 subscriptions there are.
func (b *Broker) Queues() (int, error) {
	info, err := b.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Consumer: true})
	if err != nil {
		return 0, err
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Name == streamMessages {
				return len(stream.Consumer), nil
			}
		}
	}
	return 0, nil
}

// NewServerLog is the logger that the server is given.
var NewServerLog = newServerLog
