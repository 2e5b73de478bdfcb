package broker

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/wattline/wattline/internal/mqttcredentials"
)

// credentialsLook lies between two looks at the file of credentials.
const credentialsLook = 300 * time.Millisecond

// guests are who may connect besides the process itself. They are replaced, not
// changed.
type guests struct {
	// demanded says that a client needs a credential; otherwise anyone may come.
	demanded bool
	byName   map[string]mqttcredentials.Credential
	// file is the text that they were read from; nil for none.
	file []byte
}

// readGuests reads the credentials. Without a file anyone may come, unless the
// broker is open to other machines.
func readGuests(o Options) (guests, error) {
	host, _, _ := splitAddress(o.Listen) // validated
	read := guests{demanded: !isLoopback(host)}
	if o.Credentials == "" {
		return read, nil
	}
	file, err := mqttcredentials.Read(o.Credentials)
	if err != nil || file == nil {
		return read, err
	}
	return parseGuests(file)
}

func parseGuests(file []byte) (guests, error) {
	list, err := mqttcredentials.Parse(file)
	if err != nil {
		return guests{}, err
	}
	read := guests{demanded: true, byName: make(map[string]mqttcredentials.Credential, len(list)), file: file}
	for _, credential := range list {
		read.byName[credential.Name] = credential
	}
	return read, nil
}

// keeps tells whether a client may stay that is connected as a user when these
// guests have just replaced others.
func (g guests) keeps(before guests, user string) bool {
	switch {
	case !g.demanded:
		return true
	case !before.demanded:
		return false
	case user == "": // it has not said yet who it is
		return true
	}
	had, was := before.byName[user]
	has, is := g.byName[user]
	return is && (!was || has.Equal(had))
}

// followCredentials takes up changes of the file until the context ends. A file that
// went, or that cannot be read, lets nobody new in: the credentials stay as they were
// until there is a good one.
func (b *Broker) followCredentials(ctx context.Context, path string) {
	look := time.NewTicker(credentialsLook)
	defer look.Stop()
	var complaint string
	for {
		select {
		case <-ctx.Done():
			return
		case <-look.C:
		}
		said := ""
		if err := b.takeUp(path); err != nil {
			said = err.Error()
		}
		if said != "" && said != complaint {
			b.log.Error("the credentials stay as they were", "file", path, "error", said)
		}
		complaint = said
	}
}

func (b *Broker) takeUp(path string) error {
	file, err := mqttcredentials.Read(path)
	before := b.gate.guestsNow().file
	switch {
	case err != nil:
		return err
	case file == nil && before != nil:
		return fmt.Errorf("%s is gone", path)
	case bytes.Equal(file, before):
		return nil
	}
	after, err := parseGuests(file)
	if err != nil {
		return err
	}
	return b.admit(after)
}

// admit lets the given guests in from now on, and disconnects those that are no
// longer among them. The others notice nothing.
func (b *Broker) admit(after guests) error {
	before := b.gate.replace(after)
	gone := 0
	connections, err := b.server.Connz(&server.ConnzOptions{Username: true, Limit: math.MaxInt32})
	if err != nil {
		return fmt.Errorf("list the clients: %w", err)
	}
	for _, connection := range connections.Conns {
		user := connection.AuthorizedUser
		if user == gateUser || user == b.gate.self.name || after.keeps(before, user) {
			continue
		}
		// It may have gone by itself.
		if err := b.server.DisconnectClientByID(connection.Cid); err == nil {
			gone++
		}
	}
	b.log.Info("credentials taken up", "credentials", len(after.byName), "disconnected", gone)
	return nil
}

func (g *gate) guestsNow() guests {
	g.mu.RLock()
	defer g.mu.RUnlock()
	return g.guests
}

// replace returns who the guests were.
func (g *gate) replace(after guests) (before guests) {
	g.mu.Lock()
	defer g.mu.Unlock()
	before, g.guests = g.guests, after
	return before
}

// clientID is the MQTT client id of a connection; empty if it is none.
func (b *Broker) clientID(connection uint64) string {
	found, err := b.server.Connz(&server.ConnzOptions{CID: connection})
	if err != nil || len(found.Conns) != 1 {
		return ""
	}
	return found.Conns[0].MQTTClient
}
