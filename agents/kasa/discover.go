package kasa

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
)

// Discovery says where plugs are searched, and how. Zero values take the defaults.
type Discovery struct {
	// Networks are tried address by address, in their order, each address once; at
	// most MaxSweep addresses. Without any, only those are found that answer datagrams.
	Networks []netip.Prefix
	// Datagrams are where is asked by UDP: broadcast addresses, or plugs. Nil is the
	// broadcast addresses of this machine's networks, of those that Within overlaps if
	// there is any, else Networks; empty is nowhere.
	Datagrams []netip.Addr
	// Within are the networks of which answers to datagrams are taken. Without any, it
	// is those asked.
	Within []netip.Prefix
	// Ports are where plugs listen; 9999.
	Ports []uint16
	// KLAPPort is where plugs with KLAP firmware answer datagrams; 20002.
	KLAPPort uint16
	// PerSecond is how many addresses are tried in a second at most; 100.
	PerSecond int
	// Wait is for how long answers to datagrams are waited for; 3 s.
	Wait time.Duration
	// Skip, if given, tells which addresses need not be tried.
	Skip func(netip.AddrPort) bool
	// Progress, if given, is told now and then how many addresses were tried, of
	// how many. It is called by one goroutine at a time.
	Progress func(tried, total int)
}

// MaxSweep is how many addresses one search may try.
const MaxSweep = 1 << 16

const (
	// KLAPDiscoveryPort is where plugs with KLAP firmware are asked what they are.
	KLAPDiscoveryPort = 20002
	// maxFound bounds the plugs that one search tells of.
	maxFound = 20_000
	// identifyTimeout bounds asking one plug what it is.
	identifyTimeout = 5 * time.Second
	// identifyAtOnce is how many are asked at once.
	identifyAtOnce = 16
)

func (d Discovery) withDefaults() Discovery {
	if len(d.Ports) == 0 {
		d.Ports = []uint16{DefaultPort}
	}
	d.KLAPPort = cmp.Or(d.KLAPPort, KLAPDiscoveryPort)
	d.PerSecond = cmp.Or(d.PerSecond, 100)
	d.Wait = cmp.Or(d.Wait, 3*time.Second)
	return d
}

// Found is a plug that was found.
type Found struct {
	// Address is where it is to be reached.
	Address netip.AddrPort
	// Info is what it says of itself.
	Info Info
	// KLAP: it has firmware that has given up the local protocol, and cannot be read.
	KLAP bool
	// Unverified: it has said so by datagram alone, whose sender may be anybody.
	Unverified bool
}

// Target is the plug as a whole.
func (f Found) Target() Target {
	return Target{Host: f.Address.Addr().String(), Port: f.Address.Port()}
}

// Plug is what others are told of it.
func (f Found) Plug() wattline.FoundPlug {
	at := f.Target()
	plug := wattline.FoundPlug{
		Address: at.String(), DeviceID: f.Info.DeviceID, MAC: f.Info.MAC, Model: f.Info.Model,
		Hardware: f.Info.HardwareVersion, Firmware: f.Info.Firmware, Alias: f.Info.Alias, Meter: f.Info.HasMeter, KLAP: f.KLAP,
	}
	for _, outlet := range f.Info.Outlets {
		at.Outlet = outlet.suffix()
		plug.Outlets = append(plug.Outlets, wattline.FoundOutlet{Address: at.String(), Alias: outlet.Alias})
	}
	return plug
}

// search is a Discovery under way.
type search struct {
	Discovery
	client *Client
	socket *datagrams // nil if there is none
	sweep  sweep
	// open are addresses where a plug may be.
	open chan candidate

	mu    sync.Mutex
	seen  map[netip.AddrPort]bool
	tried int
	found func(Found)
}

// candidate is an address where a plug may be, and what it said by datagram, if it
// did.
type candidate struct {
	at   netip.AddrPort
	told *Info
}

// Discover searches plugs and tells of each one, once, by one goroutine at a time.
// A plug counts as found when it has said over TCP what it is, in turn with
// whatever else this client asks it, or by datagram if it has no time for that. The
// error is that of the context, or of a Discovery that cannot be.
func (c *Client) Discover(ctx context.Context, d Discovery, found func(Found)) error {
	d = d.withDefaults()
	swept, err := newSweep(d.Networks, d.Ports)
	if err != nil {
		return err
	}
	s := &search{
		Discovery: d, client: c, sweep: swept, open: make(chan candidate, identifyAtOnce),
		seen: map[netip.AddrPort]bool{}, found: found,
	}
	s.socket, err = openDatagrams(ctx, d)
	if err != nil {
		c.options.Log.Debug("plugs cannot be asked by datagram", "error", err)
	}
	return s.run(ctx)
}

func (s *search) run(ctx context.Context) error {
	var asking, identifying errgroup.Group
	for range identifyAtOnce {
		identifying.Go(func() error {
			for c := range s.open {
				s.identify(ctx, c)
			}
			return nil
		})
	}
	if s.socket != nil {
		asking.Go(func() error { s.socket.ask(ctx, s.Discovery); return nil })
	}
	asking.Go(func() error { return s.sweepAll(ctx) })
	heard := make(chan struct{})
	go func() {
		defer close(heard)
		if s.socket != nil {
			s.socket.listen(s.hear(ctx))
		}
	}()
	err := asking.Wait()
	if s.socket != nil {
		s.socket.close()
	}
	<-heard
	close(s.open)
	_ = identifying.Wait() // none returns an error
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// consider has an address asked what is there, unless it was.
func (s *search) consider(ctx context.Context, c candidate) {
	if !s.first(c.at) {
		return
	}
	select {
	case s.open <- c:
	case <-ctx.Done():
	}
}

// first is true once for each address, within bounds.
func (s *search) first(at netip.AddrPort) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.seen[at] || len(s.seen) >= maxFound {
		return false
	}
	s.seen[at] = true
	return true
}

func (s *search) identify(ctx context.Context, c candidate) {
	asking, cancel := context.WithTimeout(ctx, identifyTimeout)
	defer cancel()
	target := Target{Host: c.at.Addr().String(), Port: c.at.Port()}
	info, err := s.client.Identify(asking, target)
	switch {
	case err == nil:
		s.tell(Found{Address: c.at, Info: info})
	case c.told != nil && ctx.Err() == nil:
		s.tell(Found{Address: c.at, Info: *c.told, Unverified: true})
	}
}

func (s *search) tell(f Found) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.found(f)
}

// hear takes what came by datagram.
func (s *search) hear(ctx context.Context) func(heard) {
	return func(h heard) {
		switch {
		case !h.klap:
			s.consider(ctx, candidate{h.from, &h.info})
		case s.first(netip.AddrPortFrom(h.from.Addr(), 0)): // it has no port of the local protocol
			s.tell(Found{Address: netip.AddrPortFrom(h.from.Addr(), DefaultPort), Info: h.info, KLAP: true, Unverified: true})
		}
	}
}

// sweep is addresses to try, one after the other.
type sweep struct {
	networks []netip.Prefix
	ports    []uint16
	total    int
}

// newSweep counts the addresses; too many are an error. Networks may overlap.
func newSweep(networks []netip.Prefix, ports []uint16) (sweep, error) {
	s := sweep{ports: ports}
	addresses := 0
	for _, network := range networks {
		network = network.Masked()
		if !network.IsValid() {
			return s, fmt.Errorf("a network to search is not valid")
		}
		hostBits := network.Addr().BitLen() - network.Bits()
		if hostBits > 16 {
			return s, fmt.Errorf("%s has more than %d addresses: name a smaller part of it", network, MaxSweep)
		}
		s.networks = append(s.networks, network)
		addresses += 1 << hostBits
	}
	if addresses *= len(ports); addresses > MaxSweep {
		return s, fmt.Errorf("there are %d addresses to try, at most %d can be: name smaller networks", addresses, MaxSweep)
	}
	s.each(func(netip.AddrPort) bool { s.total++; return true })
	return s, nil
}

// each calls do for every address until it returns false. An address in an earlier
// network is not tried again.
func (s sweep) each(do func(netip.AddrPort) bool) {
	for i, network := range s.networks {
		for at := network.Addr(); at.IsValid() && network.Contains(at); at = at.Next() {
			if slices.ContainsFunc(s.networks[:i], func(n netip.Prefix) bool { return n.Contains(at) }) {
				continue
			}
			for _, port := range s.ports {
				if !do(netip.AddrPortFrom(at, port)) {
					return
				}
			}
		}
	}
}
