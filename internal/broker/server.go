package broker

import (
	"crypto/tls"
	"errors"
	"net"
	"net/url"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

const (
	// syncInterval is how much a power cut may cost. A killed process loses
	// nothing of what it has acknowledged: that is with the operating system by
	// then. Syncing each message would cost a hundred times the time, for
	// promises that nobody builds on: readings are in a journal, and retained
	// values are published anew by their owners on every connection.
	syncInterval = 10 * time.Second
	// writeDeadline is for how long a client that does not read may keep a write
	// waiting; then it is disconnected.
	writeDeadline = 5 * time.Second
	// maxPendingBytes bounds what waits for one client; beyond it the client is
	// disconnected. All retained messages (maxRetainedBytes) must fit, or a
	// subscriber to everything could never be served.
	maxPendingBytes = maxRetainedBytes + 32<<20
	// connectTimeoutS is within how many seconds a client must introduce itself.
	connectTimeoutS = 5
	// maxSubscriptions bounds the filters of one client.
	maxSubscriptions = 10_000
	// maxUnacknowledged is how many messages of QoS 1 may be under way to one
	// subscription. The protocol has 65,535 packet ids for all of a client's,
	// and a filter that ends in # counts twice: so this many allow for 127 to
	// 255 subscriptions of QoS 1 in one client, where the server's default of
	// 1,024 would refuse the 32nd.
	maxUnacknowledged = 256
	// A subscriber gets its retained messages by one storage request for each. The
	// server drops all that wait when they reach its limit (10,000 if not set), and
	// what is not answered in time (5 s) is left out, both without an error to the
	// subscriber. So there is room for several subscribers to everything at once,
	// and time for them on a busy machine; less in a cluster, where a request that
	// a dying member took with it holds its client up for as long.
	maxStorageRequests    = 10 * maxRetained
	storageTimeout        = 20 * time.Second
	clusterStorageTimeout = 5 * time.Second
	// clusterUser is the name that goes with the cluster's secret.
	clusterUser = "member"
)

// errNoClients is what a NATS client is told at the listener that only exists
// because a cluster cannot do without it.
var errNoClients = errors.New("only MQTT clients are served")

// serverOptions translates the options into the server's. The server keeps the
// result and writes the ports that it chose into it.
func serverOptions(o Options, gate *gate) *server.Options {
	// The addresses were validated.
	host, port, _ := splitAddress(o.Listen)
	opts := &server.Options{
		ServerName: o.Name,
		NoSigs:     true,
		// Clients come by MQTT alone.
		DontListen:                 true,
		CustomClientAuthentication: gate,
		MaxPayload:                 int32(o.MaxPayloadBytes),
		MaxConn:                    o.MaxConnections,
		MaxSubs:                    maxSubscriptions,
		MaxPending:                 maxPendingBytes,
		WriteDeadline:              writeDeadline,
		JetStream:                  true,
		DisableJetStreamBanner:     true,
		StoreDir:                   o.DataDir,
		JetStreamMaxMemory:         maxMemoryBytes,
		JetStreamMaxStore:          maxStoreBytes,
		SyncInterval:               syncInterval,
		JetStreamRequestQueueLimit: maxStorageRequests,
		MQTT: server.MQTTOpts{
			Host:           anyHost(host),
			Port:           freePort(port),
			AuthTimeout:    connectTimeoutS,
			AckWait:        o.AckWait,
			MaxAckPending:  maxUnacknowledged,
			JSAPITimeout:   storageTimeout,
			StreamReplicas: 1,
		},
	}
	if o.TLS != nil {
		opts.MQTT.TLSConfig, opts.MQTT.TLSTimeout = o.TLS.Server(), connectTimeoutS
	}
	if o.Cluster.enabled() {
		joinCluster(opts, o.Cluster)
	}
	return opts
}

// joinCluster adds what a member of a cluster needs. The server makes its routes
// only once its NATS listener is up, so there is one, on loopback; no client gets
// past its TLS handshake.
func joinCluster(opts *server.Options, cluster ClusterOptions) {
	opts.DontListen = false
	opts.Host, opts.Port = "127.0.0.1", server.RANDOM_PORT
	opts.TLSTimeout = connectTimeoutS
	opts.TLSConfig = &tls.Config{
		MinVersion: tls.VersionTLS13,
		GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			return nil, errNoClients
		},
	}
	host, port, _ := splitAddress(cluster.Listen)
	opts.Cluster = server.ClusterOpts{Name: cluster.Name, Host: anyHost(host), Port: port}
	if cluster.Secret != "" {
		opts.Cluster.Username, opts.Cluster.Password = clusterUser, cluster.Secret
	}
	for _, peer := range cluster.Peers {
		route := &url.URL{Scheme: "nats-route", Host: peer}
		if cluster.Secret != "" {
			route.User = url.UserPassword(clusterUser, cluster.Secret)
		}
		opts.Routes = append(opts.Routes, route)
	}
	opts.MQTT.StreamReplicas = cluster.replicas()
	opts.MQTT.JSAPITimeout = clusterStorageTimeout
	// A member that is away is reported once, not at each attempt to reach it.
	opts.ReconnectErrorReports = server.DEFAULT_CONNECT_ERROR_REPORTS
}

// anyHost spells out the host that an empty one stands for.
func anyHost(host string) string {
	if host == "" {
		return net.IPv4zero.String()
	}
	return host
}

// freePort spells a free port as the server does, to which 0 is no port at all.
func freePort(port int) int {
	if port == 0 {
		return server.RANDOM_PORT
	}
	return port
}
