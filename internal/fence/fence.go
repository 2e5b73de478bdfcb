// Package fence keeps what others name as an address within the networks that the
// operator has named, so that no request makes this host talk to an arbitrary one.
// A name is looked up and held against them when it is given, and what it means by
// then again when it is dialled.
package fence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"syscall"
	"time"
)

// Networks are those within which an address may lie. The zero value holds none.
type Networks []netip.Prefix

// Private are the networks of RFC 1918 and the unique local ones of IPv6 (RFC 4193).
// Loopback and link-local are not among them: what listens there, a cloud's metadata
// included, is not a plug.
func Private() Networks {
	return Networks{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("172.16.0.0/12"),
		netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("fc00::/7"),
	}
}

var errNetwork = errors.New("must be a network such as 10.1.0.0/22 or fd12:3456::/48, or a single address")

// Parse reads networks in CIDR form, and single addresses.
func Parse(texts []string) (Networks, error) {
	networks := make(Networks, 0, len(texts))
	for _, text := range texts {
		network, err := netip.ParsePrefix(text)
		if address, single := netip.ParseAddr(text); single == nil && address.Zone() == "" {
			network, err = netip.PrefixFrom(address, address.BitLen()), nil
		}
		if err != nil || network.Addr().Is4In6() {
			return nil, fmt.Errorf("%.80q %w", text, errNetwork)
		}
		if network != network.Masked() {
			return nil, fmt.Errorf("%.80q has bits beyond its length: it would be %v", text, network.Masked())
		}
		networks = append(networks, network)
	}
	return networks, nil
}

// Texts is what Parse reads.
func (n Networks) Texts() []string {
	texts := make([]string, len(n))
	for i, network := range n {
		texts[i] = network.String()
	}
	return texts
}

// Holds tells whether an address lies within one of the networks.
func (n Networks) Holds(address netip.Addr) bool {
	address = address.Unmap().WithZone("")
	return slices.ContainsFunc(n, func(network netip.Prefix) bool { return network.Contains(address) })
}

// ErrOutside is in the chain where an address lies in none of the networks.
var ErrOutside = errors.New("is outside the networks that devices may be in")

func outside(address netip.Addr) error { return fmt.Errorf("%v %w", address, ErrOutside) }

// lookupTimeout bounds asking for a name.
const lookupTimeout = 3 * time.Second

// Check looks a host up, a name or an address, and tells why it may not be a
// device's: all that a name means must lie within the networks. Whether a name is
// unknown or means something else is not told: nobody is to learn names this way.
func (n Networks) Check(ctx context.Context, host string) error {
	if address, err := netip.ParseAddr(host); err == nil {
		return n.check(address)
	}
	found, err := Lookup(ctx, host)
	if err != nil || slices.ContainsFunc(found, func(at netip.Addr) bool { return !n.Holds(at) }) {
		return fmt.Errorf("the name %.80q %w, or cannot be resolved: check it, or use the IP address", host, ErrOutside)
	}
	return nil
}

// Lookup is what a host means, a name or an address, within a few seconds.
func Lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if address, err := netip.ParseAddr(host); err == nil {
		return []netip.Addr{address.Unmap()}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, lookupTimeout)
	defer cancel()
	found, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("the name %.80q cannot be resolved: check it, or use the IP address", host)
	}
	for i := range found {
		found[i] = found[i].Unmap()
	}
	return found, nil
}

func (n Networks) check(address netip.Addr) error {
	if !n.Holds(address) {
		return outside(address.Unmap())
	}
	return nil
}

// Control refuses a connection to an address outside the networks, for
// net.Dialer.Control: it sees what a name has been resolved to.
func (n Networks) Control(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%.80q is no address: %w", address, err)
	}
	return n.check(to.Addr())
}
