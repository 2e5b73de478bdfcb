package collector

import (
	"context"
	"net/netip"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/pause"
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
	// relocateTime bounds telling the registry what one search has found.
	relocateTime = time.Minute
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
		if pause.For(ctx, seekPause) != nil {
			return
		}
		if devices, seen := c.whereabouts.wanted(); len(devices) > 0 {
			c.search(ctx, devices, seen)
		}
		timer.Reset(seekEvery)
	}
}

// search looks for plugs by their MAC: where they were met under another's name, by
// datagram, and address by address. It is over early when all are found. The registry
// is told afterwards: the search goes on for nobody while it waits.
func (c *Collector) search(ctx context.Context, devices map[string][]string, seen map[string]kasa.Target) {
	for _, mac := range c.relocateAll(ctx, devices, seen) {
		delete(devices, mac)
	}
	if len(devices) == 0 {
		return
	}
	searching, foundAll := context.WithCancel(ctx)
	defer foundAll()
	plan := c.seeking(devices)
	told, hits := map[string]bool{}, map[string]kasa.Target{}
	err := c.options.Finder.Discover(searching, plan, func(f kasa.Found) {
		mac := f.Info.MAC
		if len(devices[mac]) == 0 {
			return
		}
		if told[mac] = true; f.KLAP || f.Unverified {
			return
		}
		if hits[mac] = f.Target(); len(hits) == len(devices) {
			foundAll()
		}
	})
	if ctx.Err() != nil {
		return
	}
	c.relocateAll(ctx, devices, hits)
	if err != nil && searching.Err() == nil {
		c.log.Warn("plugs that are lost cannot be searched", "error", err)
		return
	}
	for mac, ids := range devices {
		if !told[mac] {
			c.whereabouts.searchedFor(slices.DeleteFunc(ids, func(id string) bool { return !c.covers(plan.Networks, id) }))
		}
	}
}

// covers tells whether a search of some networks tries every address that a device's
// plug may have: all that are configured, and its own is among them.
func (c *Collector) covers(networks []netip.Prefix, device string) bool {
	for _, n := range c.options.Networks {
		if !slices.Contains(networks, n) {
			return false
		}
	}
	p, ok := c.poller(device)
	if !ok {
		return false
	}
	at, err := netip.ParseAddr(p.target.Host)
	return err == nil && c.options.Networks.Holds(at)
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
	most := unaskedAddresses / max(len(d.Ports), 1)
	d.Networks = slices.Concat(sweepable(near, most), sweepable(c.options.Networks, most))
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

// relocateAll tells the registry where plugs are, by their MAC, for as long as
// relocateTime allows. It gives the plugs of which all devices were taken.
func (c *Collector) relocateAll(ctx context.Context, devices map[string][]string, hits map[string]kasa.Target) (taken []string) {
	ctx, cancel := context.WithTimeout(ctx, relocateTime)
	defer cancel()
	for mac, at := range hits {
		all := true
		for _, device := range devices[mac] {
			all = ctx.Err() == nil && c.relocate(ctx, device, mac, at) && all
		}
		if all {
			taken = append(taken, mac)
		}
	}
	return taken
}

// relocate tells the registry at which address a device's plug was found, unless the
// device has another plug or another address by now. It gives whether that was taken.
func (c *Collector) relocate(ctx context.Context, device, mac string, at kasa.Target) bool {
	from, lost := c.whereabouts.lostFrom(device, mac)
	p, ok := c.poller(device)
	if !lost || !ok || p.device.Address != from || plugAt(p.target) == plugAt(at) {
		return false
	}
	at.Outlet = p.target.Outlet
	c.whereabouts.expect(device, known{mac, at.String()})
	ctx, cancel := context.WithTimeout(ctx, movedTimeout)
	defer cancel()
	_, err := c.options.Bus.Ask(ctx, bus.Ask{
		Topic:   wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleWhereabouts, Verb: p.device.Site},
		Body:    wattline.MovedQuery{Device: device, From: from, Address: at.String()},
		Actor:   c.options.Bus.Instance(),
		Timeout: movedTimeout,
	})
	if err != nil {
		c.whereabouts.expectNot(device)
		c.log.Warn("the plug of a device was found, but the registry does not take its address", "device", device, "was", from,
			"is", at.String(), "error", err)
		return false
	}
	c.log.Info("the plug of a device was found at another address", "device", device, "was", from, "is", at.String())
	return true
}
