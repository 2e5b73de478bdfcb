package broker

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
)

// holdClients is for how long a client that comes before the gate is open is
// kept waiting for its answer; then it is refused, so that it may try another
// member of a cluster. A broker that stands alone opens well within it.
const holdClients = 2 * time.Second

// gateUser is the name under which the broker connects to itself.
const gateUser = "wattline-gate"

// login is a name and a secret that last as long as the broker runs.
type login struct{ name, secret string }

func newLogin(name string) login { return login{name: name, secret: rand.Text()} }

func (l login) is(opts *server.ClientOpts) bool {
	return opts.Username == l.name && subtle.ConstantTimeCompare([]byte(opts.Password), []byte(l.secret)) == 1
}

// gate decides who may connect: until it is open the broker's own connections
// alone, then whoever the guests let in.
//
// It is needed because the server begins to load its index of retained messages
// with the first MQTT connection, in the background, and serves a subscriber from
// as much of it as is there.
type gate struct {
	// own is for the broker's own connections, self for the process that runs it.
	own, self login
	topics    wattline.Topics
	// certified says that clients must show a certificate.
	certified bool
	// clientID is the MQTT client id of a connection.
	clientID func(connection uint64) string
	log      *slog.Logger
	limit    *rate.Limiter

	mu     sync.RWMutex
	guests guests

	// opened is closed when the gate opens, closed when the broker ends.
	opened, closed       chan struct{}
	openOnce, closedOnce sync.Once
}

func newGate(o Options, guests guests) *gate {
	return &gate{
		own: newLogin(gateUser), self: newLogin(o.Self), topics: o.Topics, certified: o.TLS.AsksClients(),
		log: o.Log, limit: rate.NewLimiter(rate.Every(logEvery), logBurst), guests: guests,
		opened: make(chan struct{}), closed: make(chan struct{}),
	}
}

// open lets everyone in.
func (g *gate) open() { g.openOnce.Do(func() { close(g.opened) }) }

// close refuses who is waiting and who is still to come.
func (g *gate) close() { g.closedOnce.Do(func() { close(g.closed) }) }

// Check tells whether a client may connect. The server calls it in the goroutine
// of the client's connection, which it may keep waiting.
func (g *gate) Check(client server.ClientAuthentication) bool {
	if g.own.is(client.GetOpts()) {
		return true
	}
	if !g.wait() {
		return false
	}
	// Until the server knows the user by name: so admit finds everyone who came in
	// by what was before.
	g.mu.RLock()
	defer g.mu.RUnlock()
	user, refusal := g.identify(client)
	if refusal != "" {
		if g.limit.Allow() {
			g.log.Warn("a client was refused", "user", fmt.Sprintf("%.80s", client.GetOpts().Username), "reason", refusal,
				"address", client.RemoteAddress())
		}
		return false
	}
	client.RegisterUser(user)
	return true
}

// identify is who a client is and what it may do, or why it may not connect.
func (g *gate) identify(client server.ClientAuthentication) (user *server.User, refusal string) {
	opts := client.GetOpts()
	if g.self.is(opts) {
		return &server.User{Username: g.self.name, Permissions: everything()}, ""
	}
	name := opts.Username
	certificate := commonName(client.GetTLSConnectionState())
	if g.certified && certificate == nil {
		return nil, "it shows no certificate of its own"
	}
	if name == g.self.name || name == gateUser {
		return nil, "the name is this process's own"
	}
	if !g.guests.demanded {
		return &server.User{Permissions: everything()}, ""
	}
	if name == "" && certificate != nil {
		name = *certificate
	}
	credential, known := g.guests.byName[name]
	byCertificate := certificate != nil && *certificate == name && opts.Password == ""
	switch {
	case name == "":
		return nil, "it gives no user: issue it a credential with wattline broker credentials"
	case !known || !byCertificate && !credential.Secret.Matches(opts.Password):
		return nil, "no credential has this name and secret"
	case g.clientID(client.GetID()) != name:
		return nil, "its client id is not the name of its credential"
	}
	return &server.User{Username: name, Permissions: permissionsOf(g.topics, credential.Holder())}, ""
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
