package broker_test

import (
	"testing"

	"github.com/wattline/wattline/internal/broker"
	"github.com/wattline/wattline/internal/bus/bustest"
)

func TestTheBusOverOneBroker(t *testing.T) {
	bustest.Run(t, func(t *testing.T) bustest.Harness {
		server := newChild(t, broker.Options{})
		server.start()
		return bustest.Harness{URLs: []string{server.url()}, Kill: server.kill, Restart: server.start}
	})
}

// One cluster serves all parts of the suite, since one that starts takes seconds
// to agree on who leads. All members are killed, and come back, at once.
func TestTheBusOverAClusterOfThree(t *testing.T) {
	cluster := newCluster(t)
	startCluster(t, cluster)
	harness := bustest.Harness{
		Forgetful: true,
		Kill: func() {
			for _, member := range cluster {
				member.kill()
			}
		},
		Restart: func() { startCluster(t, cluster) },
	}
	for _, member := range cluster {
		harness.URLs = append(harness.URLs, member.url())
	}
	bustest.Run(t, func(*testing.T) bustest.Harness { return harness })
}
