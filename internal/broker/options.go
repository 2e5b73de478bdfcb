package broker

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"regexp"
	"slices"
	"strconv"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/tlsfiles"
)

// The defaults of Options.
const (
	DefaultName            = "wattline"
	DefaultMaxPayloadBytes = 8 << 20
	DefaultMaxConnections  = 4096
	DefaultStartTimeout    = 30 * time.Second
	// DefaultAckWait is long for an acknowledgement on a busy machine and short
	// for a message that waits to be sent again.
	DefaultAckWait = 5 * time.Second
)

// Options say how a broker is to run. Only DataDir has no default.
type Options struct {
	// Name is the broker's name, the same at each start; in a cluster each
	// member has its own. Letters, digits, dots, dashes and underscores.
	Name string
	// DataDir is the folder of everything that the broker keeps. It belongs to
	// one broker at a time and may be deleted while none runs.
	DataDir string
	// Listen is the address of the MQTT listener, host:port. Empty is a free port
	// on loopback, so that nobody outside reaches it; port 0 is a free port. An
	// empty host (":1883") is every interface.
	Listen string
	// Topics are those on which credentials have rights.
	Topics wattline.Topics
	// Self is the instance of the process that runs the broker, which connects by
	// Login and may do everything.
	Self string
	// Credentials is the file of package mqttcredentials that says who else may
	// connect; it is followed while the broker runs. While there is no such file,
	// anyone may, unless Listen is beyond loopback.
	Credentials string
	// TLS is for the MQTT listener; nil is without. If it knows authorities of client
	// certificates, each client but the process itself must show one.
	TLS *tlsfiles.Certificates `json:"-"`
	// MaxPayloadBytes bounds an MQTT packet; a client that sends a longer one is
	// disconnected. At most DefaultMaxPayloadBytes.
	MaxPayloadBytes int
	// MaxConnections bounds the clients connected at one time.
	MaxConnections int
	// AckWait is after how long a QoS 1 message that a client has not
	// acknowledged is sent to it again.
	AckWait time.Duration
	// StartTimeout bounds Start of a broker that stands alone. A member of a
	// cluster waits for the others for as long as the context lets it.
	StartTimeout time.Duration
	// Cluster makes the broker a member of a cluster; zero is none.
	Cluster ClusterOptions
	// Log receives what the broker has to say; nil is nowhere.
	Log *slog.Logger
}

// ClusterOptions make a broker a member of a cluster, in which retained messages
// and sessions are kept on up to three members. Of three, two must be up for the
// cluster to work, all for its very first start. After the loss of one the others
// need about ten seconds to agree; what is published at that time may not be kept.
// A broker that has run alone does not take its data into a cluster.
type ClusterOptions struct {
	// Name is the cluster's name, the same for all members.
	Name string
	// Listen is the address, host:port, at which the other members reach this
	// one. Its network must be one of trusted machines.
	Listen string
	// Peers are the Listen addresses of the other members, as seen from here.
	Peers []string
	// Secret is what members prove to each other that they belong; the same for
	// all. It is required where Listen is beyond loopback.
	Secret string
}

func (c ClusterOptions) enabled() bool { return c.Listen != "" || len(c.Peers) > 0 }

// members is the number of brokers in the cluster, this one included.
func (c ClusterOptions) members() int {
	return 1 + len(slices.DeleteFunc(slices.Clone(c.Peers), func(peer string) bool { return peer == c.Listen }))
}

// replicas is on how many members a message is kept.
func (c ClusterOptions) replicas() int { return min(c.members(), 3) }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$`)

// withDefaults fills in what is left out.
func (o Options) withDefaults() Options {
	if o.Name == "" && !o.Cluster.enabled() {
		o.Name = DefaultName
	}
	o.Listen = cmp.Or(o.Listen, "127.0.0.1:0")
	o.Self = cmp.Or(o.Self, DefaultName)
	o.MaxPayloadBytes = cmp.Or(o.MaxPayloadBytes, DefaultMaxPayloadBytes)
	o.MaxConnections = cmp.Or(o.MaxConnections, DefaultMaxConnections)
	o.AckWait = cmp.Or(o.AckWait, DefaultAckWait)
	o.StartTimeout = cmp.Or(o.StartTimeout, DefaultStartTimeout)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	return o
}

// validate reports every fault at once. It expects the defaults filled in.
func (o Options) validate() error {
	var faults []error
	fault := func(field, format string, v ...any) {
		faults = append(faults, fmt.Errorf("broker: %s %s", field, fmt.Sprintf(format, v...)))
	}
	if !namePattern.MatchString(o.Name) {
		fault("name", "%q must be 1 to 63 letters, digits, dots, dashes and underscores", o.Name)
	}
	if o.DataDir == "" {
		fault("data folder", "is missing")
	}
	if _, _, err := splitAddress(o.Listen); err != nil {
		fault("listen", "%v", err)
	}
	if o.MaxPayloadBytes < 1024 || o.MaxPayloadBytes > DefaultMaxPayloadBytes {
		fault("max payload", "must lie between 1024 and %d bytes, not %d", DefaultMaxPayloadBytes, o.MaxPayloadBytes)
	}
	if o.MaxConnections < 2 {
		fault("max connections", "must be at least 2, not %d", o.MaxConnections)
	}
	if o.AckWait < time.Millisecond || o.StartTimeout < time.Millisecond {
		fault("ack wait and start timeout", "must be at least 1ms")
	}
	if o.Cluster.enabled() {
		faults = append(faults, o.Cluster.validate()...)
	}
	return errors.Join(faults...)
}

func (c ClusterOptions) validate() []error {
	var faults []error
	if !namePattern.MatchString(c.Name) {
		faults = append(faults, fmt.Errorf("broker: cluster name %q must be 1 to 63 letters, digits, dots, dashes and underscores", c.Name))
	}
	host, port, err := splitAddress(c.Listen)
	switch {
	case err != nil:
		faults = append(faults, fmt.Errorf("broker: cluster listen: %w", err))
	case port == 0:
		faults = append(faults, errors.New("broker: cluster listen: the other members need to know its port, which may not be 0"))
	case !isLoopback(host) && c.Secret == "":
		faults = append(faults, fmt.Errorf("broker: cluster secret is missing: anyone who reaches %s could join", c.Listen))
	}
	if c.members() < 2 {
		faults = append(faults, errors.New("broker: cluster peers are missing"))
	}
	for _, peer := range c.Peers {
		if host, port, err := splitAddress(peer); err != nil {
			faults = append(faults, fmt.Errorf("broker: cluster peers: %w", err))
		} else if host == "" || port == 0 {
			faults = append(faults, fmt.Errorf("broker: cluster peers: %q needs a host and a port", peer))
		}
	}
	return faults
}

// splitAddress takes host:port apart.
func splitAddress(address string) (host string, port int, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not of the form host:port", address)
	}
	number, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%q: the port must be a number from 0 to 65535", address)
	}
	return host, int(number), nil
}

// isLoopback tells whether only this machine reaches the host.
func isLoopback(host string) bool {
	if host == "localhost" {
		return true
	}
	addr, err := netip.ParseAddr(host)
	return err == nil && addr.Unmap().IsLoopback()
}

// reachableHost is a host at which this process reaches a listener on host.
func reachableHost(host string) string {
	addr, err := netip.ParseAddr(host)
	switch {
	case host == "", err == nil && addr.IsUnspecified() && addr.Is4():
		return "127.0.0.1"
	case err == nil && addr.IsUnspecified():
		return "::1"
	}
	return host
}
