package accounts

import (
	"net"
	"net/http"
	"net/netip"
	"time"

	"github.com/wattline/wattline/internal/throttle"
)

// guards slow down those who try out tokens and passwords. Only failures count.
type guards struct {
	// tokens and addresses are by where a request comes from; a program that goes on
	// with a revoked token keeps nobody from signing in.
	tokens, addresses, names *throttle.Throttle
	// places are by user and address together, where the user has signed in before.
	places *throttle.Throttle
}

// How many addresses, names and places are remembered: about 25 MB when all are full.
const guardedKeys = 30_000

// newGuards lets an address fail 20 times, then every five seconds; and a name be
// tried 10 times, then twice a minute.
func newGuards() *guards {
	address := throttle.Options{PerSecond: 0.2, Burst: 20, Keys: guardedKeys}
	name := throttle.Options{PerSecond: 1.0 / 30, Burst: 10, Keys: guardedKeys}
	return &guards{
		tokens: throttle.New(address), addresses: throttle.New(address), names: throttle.New(name), places: throttle.New(name),
	}
}

func tooMany(wait time.Duration) error {
	return &throttle.Exceeded{Reason: "too many failed attempts: wait before the next", Wait: wait}
}

// refused counts a token or a session that was not valid. It is the error to answer
// with.
func (g *guards) refused(r *http.Request, err error) error {
	if wait := g.tokens.Take(Network(r.RemoteAddr)); wait > 0 {
		return tooMany(wait)
	}
	return err
}

// Network is what stands for where a request comes from: an IPv4 address, or the /64
// of an IPv6 address, because that is what a single customer has; of host:port or host.
func Network(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if address = address.Unmap().WithZone(""); address.Is4() {
		return address.String()
	}
	const customer = 64
	return netip.PrefixFrom(address, customer).Masked().String()
}
