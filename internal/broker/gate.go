package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// holdClients is for how long a client that comes before the gate is open is
// kept waiting for its answer; then it is refused, so that it may try another
// member of a cluster. A broker that stands alone opens well within it.
const holdClients = 2 * time.Second

// gateUser is the name under which the broker connects to itself.
const gateUser = "wattline-gate"

// permissions keep clients from the subjects on which the server talks to itself,
// where anyone could delete what it keeps. Filters below $MQTT, which a client's
// own queues need, are refused by the server.
func permissions() *server.Permissions {
	const mqtt, mark = "$MQTT.>", "$wattline.>"
	internal := []string{"$JS.>", "$JSC.>", "$SYS.>", "$NRG.>", mark}
	return &server.Permissions{
		Publish:   &server.SubjectPermission{Deny: append(internal, mqtt)},
		Subscribe: &server.SubjectPermission{Deny: internal},
	}
}

// gate decides who may connect: until it is open the broker's own connections
// alone, then everyone. The accounts of users will be checked here.
//
// It is needed because the server begins to load its index of retained messages
// with the first MQTT connection, in the background, and serves a subscriber from
// as much of it as is there.
type gate struct {
	// token is the password of the broker's own connections.
	token string
	// opened is closed when the gate opens, closed when the broker ends.
	opened, closed       chan struct{}
	openOnce, closedOnce sync.Once
}

func newGate() *gate {
	return &gate{token: rand.Text(), opened: make(chan struct{}), closed: make(chan struct{})}
}

// open lets everyone in.
func (g *gate) open() { g.openOnce.Do(func() { close(g.opened) }) }

// close refuses who is waiting and who is still to come.
func (g *gate) close() { g.closedOnce.Do(func() { close(g.closed) }) }

// Check tells whether a client may connect. The server calls it in the goroutine
// of the client's connection, which it may keep waiting.
func (g *gate) Check(client server.ClientAuthentication) bool {
	if g.isOwn(client.GetOpts()) {
		return true
	}
	if !g.wait() {
		return false
	}
	client.RegisterUser(&server.User{Permissions: permissions()})
	return true
}

func (g *gate) isOwn(opts *server.ClientOpts) bool {
	return opts.Username == gateUser && subtle.ConstantTimeCompare([]byte(opts.Password), []byte(g.token)) == 1
}

// wait returns whether the gate is open, for which it waits a little.
func (g *gate) wait() bool {
	timer := time.NewTimer(holdClients)
	defer timer.Stop()
	select {
	case <-g.closed:
		return false
	case <-g.opened:
		return true
	case <-timer.C:
		return false
	}
}
