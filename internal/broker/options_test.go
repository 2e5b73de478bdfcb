package broker_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/testserver"
)

func TestBadOptionsAreRefusedByName(t *testing.T) {
	cluster := func(change func(*broker.ClusterOptions)) broker.Options {
		c := broker.ClusterOptions{Name: "office", Listen: "127.0.0.1:6222", Peers: []string{"127.0.0.1:6223"}}
		change(&c)
		return broker.Options{Name: "a", DataDir: "data", Cluster: c}
	}
	cases := map[string]struct {
		options broker.Options
		want    []string
	}{
		"no folder":               {broker.Options{}, []string{"data folder", "missing"}},
		"a name with a space":     {broker.Options{DataDir: "data", Name: "a b"}, []string{"name", `"a b"`}},
		"an address without port": {broker.Options{DataDir: "data", Listen: "127.0.0.1"}, []string{"listen", `"127.0.0.1"`, "host:port"}},
		"a port of a name":        {broker.Options{DataDir: "data", Listen: "127.0.0.1:mqtt"}, []string{"listen", "port"}},
		"a port beyond 65535":     {broker.Options{DataDir: "data", Listen: "127.0.0.1:65536"}, []string{"listen", "65535"}},
		"a payload too large":     {broker.Options{DataDir: "data", MaxPayloadBytes: 9 << 20}, []string{"max payload", "8388608"}},
		"a negative payload":      {broker.Options{DataDir: "data", MaxPayloadBytes: -1}, []string{"max payload"}},
		"no connections":          {broker.Options{DataDir: "data", MaxConnections: -1}, []string{"max connections"}},
		"a negative wait":         {broker.Options{DataDir: "data", AckWait: -time.Second}, []string{"ack wait"}},
		"a member without a name": {broker.Options{DataDir: "data", Cluster: broker.ClusterOptions{
			Name: "office", Listen: "127.0.0.1:6222", Peers: []string{"127.0.0.1:6223"},
		}}, []string{"name"}},
		"a cluster without a name":   {cluster(func(c *broker.ClusterOptions) { c.Name = "" }), []string{"cluster name"}},
		"a cluster without peers":    {cluster(func(c *broker.ClusterOptions) { c.Peers = nil }), []string{"cluster peers", "missing"}},
		"itself as the only peer":    {cluster(func(c *broker.ClusterOptions) { c.Peers = []string{c.Listen} }), []string{"cluster peers", "missing"}},
		"a cluster without a port":   {cluster(func(c *broker.ClusterOptions) { c.Listen = "127.0.0.1:0" }), []string{"cluster listen", "port"}},
		"a peer without a host":      {cluster(func(c *broker.ClusterOptions) { c.Peers = []string{":6222"} }), []string{"cluster peers", "host"}},
		"an open cluster, no secret": {cluster(func(c *broker.ClusterOptions) { c.Listen = "0.0.0.0:6222" }), []string{"cluster secret", "0.0.0.0:6222"}},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) { checkStartFails(t, c.options, c.want...) })
	}
	t.Run("several at once", func(t *testing.T) {
		checkStartFails(t, broker.Options{Name: "a b", Listen: "nowhere"}, "name", "data folder", "listen")
	})
}

func TestWhereABrokerIsReached(t *testing.T) {
	cases := map[string]struct{ listen, host string }{
		"by default, on loopback":             {"", "127.0.0.1:"},
		"on every interface, by loopback":     {":0", "127.0.0.1:"},
		"on every IPv4 interface, likewise":   {"0.0.0.0:0", "127.0.0.1:"},
		"on another loopback address, by it":  {"127.0.0.2:0", "127.0.0.2:"},
		"by the name of this machine, by it ": {"localhost:0", "localhost:"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			log := &testserver.Text{}
			b := start(t, broker.Options{Listen: c.listen, Log: log.Logger(slog.LevelDebug)})
			if !strings.HasPrefix(b.URL(), "mqtt://"+c.host) || strings.HasSuffix(b.URL(), ":0") {
				t.Errorf("it is reached at %s, want %s and its port", b.URL(), c.host)
			}
			warned := strings.Contains(log.String(), "without TLS")
			if open := c.listen == ":0" || c.listen == "0.0.0.0:0"; warned != open {
				t.Errorf("warned of being open to others: %v, want %v", warned, open)
			}
		})
	}
}
