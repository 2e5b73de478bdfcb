package config

import "fmt"

// Live bounds the connections that listen to live events.
type Live struct {
	// Connections at once, of all clients and of one token or user.
	Connections     int `yaml:"connections"`
	ConnectionsEach int `yaml:"connections_each"`
}

const maxLiveConnections = 100_000

func (c Config) checkLive(found *checker) {
	for key, given := range map[string]int{"live.connections": c.Live.Connections, "live.connections_each": c.Live.ConnectionsEach} {
		if given < 1 || given > maxLiveConnections {
			found.fail(key, fmt.Sprintf("must lie between 1 and %d", maxLiveConnections))
		}
	}
}
