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

// Queues are the queues of QoS 1 subscriptions there are. One that has a client is
// marked as bound until the server has noticed that the client is gone.
func (b *Broker) Queues() ([]*server.ConsumerInfo, error) {
	info, err := b.server.Jsz(&server.JSzOptions{Accounts: true, Streams: true, Consumer: true})
	if err != nil {
		return nil, err
	}
	for _, account := range info.AccountDetails {
		for _, stream := range account.Streams {
			if stream.Name == streamMessages {
				return stream.Consumer, nil
			}
		}
	}
	return nil, nil
}

// NewServerLog is the logger that the server is given.
var NewServerLog = newServerLog
