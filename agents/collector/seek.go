package collector

import (
	"context"
	"maps"
	"net/netip"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
)

// Finder searches plugs; kasa.Client does.
type Finder interface {
	Discover(ctx context.Context, d kasa.Discovery, found func(kasa.Found)) error
}

// How plugs that are lost are searched.
const (
	// seekEvery is how often one that was not found is searched again.
	seekEvery = time.Minute
	// seekPause is how long is waited for more to be lost before a search begins, and
	// between two searches.
	seekPause = 2 * time.Second
	// A search tries all addresses within seekTime, as far as the bounds of its pace
	// allow.
	seekTime          = 30 * time.Second
	seekPerSecond     = 10
	seekPerSecondMost = 100
	// unaskedAddresses is how many addresses are tried without being named: in an
	// office's own network, and not in all that may be one.
	unaskedAddresses = 4096
	movedTimeout     = 10 * time.Second
)

// seek searches the plugs that are not where they should be, until the context ends.
func (c *Collector) seek(ctx context.Context) {
	if c.options.Finder == nil {
		return
	}
	timer := time.NewTimer(seekEvery)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.whereabouts.more:
		case <-timer.C:
		}
		if !pause(ctx, seekPause) {
			return
		}
		if devices, seen := c.whereabouts.wanted(); len(devices) > 0 {
			c.search(ctx, devices, seen)
		}
		timer.Reset(seekEvery)
	}
}

func pause(ctx context.Context, length time.Duration) bool {
	timer := time.NewTimer(length)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// search looks for plugs by their MAC: where they were met under another's name, by
// datagram, and address by address. It is over early when all are found.
func (c *Collector) search(ctx context.Context, devices map[string][]string, seen map[string]kasa.Target) {
	searching, foundAll := context.WithCancel(ctx)
	defer foundAll()
	find := func(mac string, at kasa.Target) {
		for _, device := range devices[mac] {
			c.relocate(ctx, device, at)
		}
		if delete(devices, mac); len(devices) == 0 {
			foundAll()
		}
	}
	for mac, at := range seen {
		find(mac, at)
	}
	if len(devices) == 0 {
		return
	}
	err := c.options.Finder.Discover(searching, c.seeking(devices), func(f kasa.Found) {
		if len(devices[f.Info.MAC]) > 0 && !f.KLAP && !f.Unverified {
			find(f.Info.MAC, f.Target())
		}
	})
	if err != nil && searching.Err() == nil {
		c.log.Warn("plugs that are lost cannot be searched", "error", err)
		return
	}
	if ctx.Err() == nil {
		c.whereabouts.searchedFor(slices.Concat(slices.Collect(maps.Values(devices))...))
	}
}

// seeking is a search for lost devices: in all networks that are small enough,
// beginning near where they were.
func (c *Collector) seeking(devices map[string][]string) kasa.Discovery {
	d := kasa.Discovery{Within: c.options.Networks, Skip: c.skip()}
	var near []netip.Prefix
	for _, ids := range devices {
		for _, id := range ids {
			p, ok := c.poller(id)
			if !ok {
				continue
			}
			if !slices.Contains(d.Ports, p.target.Port) {
				d.Ports = append(d.Ports, p.target.Port)
			}
			if at, err := netip.ParseAddr(p.target.Host); err == nil && c.options.Networks.Holds(at) && at.Is4() {
				around, _ := at.Prefix(24)
				if !slices.Contains(near, around) {
					near = append(near, around)
				}
			}
		}
	}
	d.Networks = sweepable(slices.Concat(near, c.options.Networks), unaskedAddresses/max(len(d.Ports), 1))
	addresses := 0
	for _, n := range d.Networks {
		addresses += 1 << (n.Addr().BitLen() - n.Bits())
	}
	d.PerSecond = min(max(addresses*len(d.Ports)/int(seekTime.Seconds()), seekPerSecond), seekPerSecondMost)
	return d
}

// sweepable is as many of the networks, in their order, as have no more addresses
// together.
func sweepable(networks []netip.Prefix, addresses int) (some []netip.Prefix) {
	const most = 16 // bits, so that nothing overflows
	for _, network := range networks {
		hostBits := network.Addr().BitLen() - network.Bits()
		if hostBits <= most && 1<<hostBits <= addresses {
			addresses -= 1 << hostBits
			some = append(some, network)
		}
	}
	return some
}

// skip tells of the addresses where the plugs of devices answer: they are where they
// should be.
func (c *Collector) skip() func(netip.AddrPort) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	there := map[netip.AddrPort]bool{}
	for id, p := range c.pollers {
		if at, err := netip.ParseAddr(p.target.Host); err == nil && p.answers.Load() && !c.whereabouts.isLost(id) {
			there[netip.AddrPortFrom(at, p.target.Port)] = true
		}
	}
	return func(at netip.AddrPort) bool { return there[at] }
}

// relocate tells the registry where a device's plug is.
func (c *Collector) relocate(ctx context.Context, device string, at kasa.Target) {
	p, ok := c.poller(device)
	if !ok || plugAt(p.target) == plugAt(at) {
		return
	}
	at.Outlet = p.target.Outlet
	ctx, cancel := context.WithTimeout(ctx, movedTimeout)
	defer cancel()
	_, err := c.options.Bus.Ask(ctx, bus.Ask{
		Topic:   wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleRegistry, Verb: wattline.VerbMoved},
		Body:    wattline.MovedQuery{Device: device, From: p.device.Address, Address: at.String()},
		Actor:   c.options.Bus.Instance(),
		Timeout: movedTimeout,
	})
	if err != nil {
		c.log.Warn("the plug of a device was found, but the registry does not take its address", "device", device, "was", p.device.Address,
			"is", at.String(), "error", err)
		return
	}
	c.log.Info("the plug of a device was found at another address", "device", device, "was", p.device.Address, "is", at.String())
}
