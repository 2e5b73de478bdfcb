package collector_test

import (
	"context"
	"encoding/json"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/agenttest"
	"github.com/wattline/wattline/agents/collector"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/fence"
)

// lan is a network of plugs: which one answers at which address. A search takes ten
// seconds.
type lan struct {
	*plugs
	mu       sync.Mutex
	at       map[string]string // address → MAC
	searches []kasa.Discovery
	// unverified: what is found has said so by datagram alone.
	unverified bool
	// telling is true while somebody is told of a plug.
	telling atomic.Bool
}

func newLAN() *lan { return &lan{plugs: newPlugs(), at: map[string]string{}} }

// put has a plug answer at an address; an empty MAC takes it away.
func (n *lan) put(address, mac string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.at[address] = mac; mac == "" {
		delete(n.at, address)
	}
}

func (n *lan) Read(ctx context.Context, target kasa.Target) (kasa.Measurement, error) {
	n.mu.Lock()
	mac, there := n.at[target.Host]
	n.mu.Unlock()
	if !there {
		return refused(ctx)
	}
	m, err := metered(ctx)
	m.Info = &kasa.Info{Model: "HS110(EU)", HasMeter: true, MAC: mac, DeviceID: "id-" + mac}
	return m, err
}

func (n *lan) Discover(ctx context.Context, d kasa.Discovery, found func(kasa.Found)) error {
	n.mu.Lock()
	n.searches = append(n.searches, d)
	n.mu.Unlock()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
		return ctx.Err()
	}
	n.mu.Lock()
	there := make([]kasa.Found, 0, len(n.at))
	for address, mac := range n.at {
		if strings.Contains(address, "/") {
			continue
		}
		at := netip.AddrPortFrom(netip.MustParseAddr(address), kasa.DefaultPort)
		if d.Skip == nil || !d.Skip(at) {
			there = append(there, kasa.Found{Address: at, Info: kasa.Info{MAC: mac, Model: "HS110(EU)"}, Unverified: n.unverified})
		}
	}
	n.mu.Unlock()
	slices.SortFunc(there, func(a, b kasa.Found) int { return a.Address.Compare(b.Address) })
	for _, f := range there {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		n.telling.Store(true)
		found(f)
		n.telling.Store(false)
	}
	return nil
}

func (n *lan) searched() []kasa.Discovery {
	n.mu.Lock()
	defer n.mu.Unlock()
	return slices.Clone(n.searches)
}

// site is a collector on a lan, with a registry that takes found addresses.
type site struct {
	office
	lan   *lan
	mu    sync.Mutex
	known map[string]wattline.Device
	moved []wattline.MovedQuery
	// deaf: the registry takes no addresses.
	deaf     bool
	networks fence.Networks
	stop     func() // the collector
	moving   func() // if given, is called before an address is taken
	// amid: the registry was asked before a search was over.
	amid atomic.Bool
}

// seek runs a collector that searches 10.1.0.0/22, in a bubble of fake time.
func seek(t *testing.T, do func(*testing.T, *site)) {
	t.Helper()
	seekIn(t, fence.Networks{netip.MustParsePrefix("10.1.0.0/22")}, do)
}

// seekPartly has networks beside that one that are too large to be swept.
func seekPartly(t *testing.T, do func(*testing.T, *site)) {
	t.Helper()
	seekIn(t, fence.Networks{
		netip.MustParsePrefix("10.1.0.0/22"), netip.MustParsePrefix("10.2.0.0/15"), netip.MustParsePrefix("192.168.0.0/16"),
	}, do)
}

func seekIn(t *testing.T, networks fence.Networks, do func(*testing.T, *site)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s := &site{office: office{bus: agenttest.New(t), journal: newJournal()}, lan: newLAN(), known: map[string]wattline.Device{}, networks: networks}
		s.plugs = s.lan.plugs
		if _, err := s.bus.Respond(bus.RespondOptions{
			Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleWhereabouts, Verb: "hq"},
		}, s.registry); err != nil {
			t.Fatal(err)
		}
		s.stop = s.start(t)
		do(t, s)
		s.stop()
	})
}

func (s *site) start(t *testing.T) (stop func()) {
	t.Helper()
	c := collector.New(collector.Options{
		Bus: s.bus, Plugs: s.lan, Finder: s.lan, Networks: s.networks,
		Journal: s.journal, Site: "hq", Log: slog.New(slog.DiscardHandler),
	})
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- c.Run(ctx) }()
	synctest.Wait()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func (s *site) registry(_ context.Context, request bus.Request) (any, error) {
	var query wattline.MovedQuery
	if err := json.Unmarshal(request.Envelope.Body, &query); err != nil {
		return nil, err
	}
	if s.lan != nil && s.lan.telling.Load() {
		s.amid.Store(true)
	}
	if s.moving != nil {
		s.moving()
	}
	s.mu.Lock()
	device := s.known[query.Device]
	refused := s.deaf || device.Address != query.From
	if !refused {
		s.moved = append(s.moved, query)
	}
	s.mu.Unlock()
	if refused {
		return nil, wattline.Errorf(wattline.CodeConflict, "not now")
	}
	device.Address = query.Address
	s.register(device)
	return device, nil
}

// moves are the addresses that the registry has taken.
func (s *site) moves() []wattline.MovedQuery {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.moved)
}

// address is where the registry says that a device is.
func (s *site) address(id string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.known[id].Address
}

// setDeaf has the registry take no addresses, or take them again.
func (s *site) setDeaf(deaf bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.deaf = deaf
}

func (s *site) register(device wattline.Device) {
	s.mu.Lock()
	s.known[device.ID] = device
	s.mu.Unlock()
	s.bus.DeliverDevice(device)
}

// plugIn registers a device at an address, where its plug answers.
func (s *site) plugIn(id, address, mac string) {
	s.lan.put(address, mac)
	d := device(id)
	d.Address = address
	s.register(d)
}

// last is the newest state of a device.
func (s *site) last(id string) wattline.State {
	states := s.states(id)
	return states[len(states)-1]
}
