package collector_test

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

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

func TestAPlugThatChangesItsAddressIsFoundAgainWithinTwoMinutes(t *testing.T) {
	seekPartly(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.plugIn("desk-2", "10.1.0.12", "BB")
		after(time.Minute)
		energy := s.readings("desk-1")[len(s.readings("desk-1"))-1].EnergyWh
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(2 * time.Minute)
		want := []wattline.MovedQuery{{Device: "desk-1", From: "10.1.0.11", Address: "10.1.3.77"}}
		if diff := cmp.Diff(want, s.moves()); diff != "" {
			t.Error(diff)
		}
		if state := s.last("desk-1"); state.Availability != wattline.AvailabilityUp || state.Address != "10.1.3.77" || state.MAC != "AA" {
			t.Errorf("%+v", state)
		}
		readings := s.readings("desk-1")
		r := readings[len(readings)-1]
		if age := time.Since(r.Time.Time); age > 6*time.Second || r.EnergyWh < energy || r.EnergyWh > energy+10_000 {
			t.Errorf("its history does not go on: %+v after %v", r, energy)
		}
		for _, d := range s.lan.searched() {
			if d.Skip(netip.MustParseAddrPort("10.1.0.11:9999")) || !d.Skip(netip.MustParseAddrPort("10.1.0.12:9999")) {
				t.Error("where it was is to be tried, and where the other one answers is not")
			}
			if got := fmt.Sprint(d.Networks); got != "[10.1.0.0/24 10.1.0.0/22]" || d.PerSecond < 10 || d.PerSecond > 100 {
				t.Errorf("%s at %d a second: networks too large are not swept, and it begins near where the plug was", got, d.PerSecond)
			}
		}
	})
}

func TestTheOutletsOfAStripMoveTogether(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		for n := range 3 {
			s.plugIn(fmt.Sprintf("strip-%d", n), fmt.Sprintf("10.1.0.11/%02d", n), "AA")
		}
		s.lan.put("10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(2 * time.Minute)
		for n := range 3 {
			if got, want := s.address(fmt.Sprintf("strip-%d", n)), fmt.Sprintf("10.1.3.77/%02d", n); got != want {
				t.Errorf("%s, want %s", got, want)
			}
		}
		s.lan.put("10.1.3.77", "CC") // another strip, for good
		after(3 * time.Minute)
		for n := range 3 {
			if state := s.last(fmt.Sprintf("strip-%d", n)); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp {
				t.Errorf("%+v", state)
			}
		}
	})
}

func TestAPlugThatIsAwayIsSearchedAsLongAsItIs(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		after(3 * time.Hour)
		if n := len(s.lan.searched()); n < 100 || n > 3*60+2 {
			t.Errorf("%d searches in three hours", n)
		}
		s.lan.put("10.1.2.5", "AA")
		after(2 * time.Minute)
		if s.last("desk-1").Availability != wattline.AvailabilityUp {
			t.Errorf("%+v", s.last("desk-1"))
		}
		n := len(s.lan.searched())
		after(time.Hour)
		if more := len(s.lan.searched()) - n; more > 0 {
			t.Errorf("%d searches with nothing lost", more)
		}
	})
}

func TestAPlugThatNobodyKnewIsNotSearched(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		d := device("desk-1")
		d.Address = "10.1.0.11"
		s.register(d) // it never answered
		after(10 * time.Minute)
		if n := len(s.lan.searched()); n != 0 {
			t.Errorf("%d searches", n)
		}
	})
}

func TestAnotherPlugAtAnAddressIsNotCounted(t *testing.T) {
	t.Run("while its own is elsewhere", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			after(time.Minute)
			before := len(s.readings("desk-1"))
			s.lan.put("10.1.3.77", "AA")
			s.lan.put("10.1.0.11", "CC") // not registered
			after(10 * time.Second)
			if state := s.last("desk-1"); state.Error == nil || state.Error.Class != "other_plug" || len(s.readings("desk-1")) != before {
				t.Errorf("%+v, %d readings more", state, len(s.readings("desk-1"))-before)
			}
			after(2 * time.Minute)
			if len(s.moves()) != 1 || s.last("desk-1").MAC != "AA" || s.last("desk-1").Address != "10.1.3.77" {
				t.Errorf("%v %+v", s.moves(), s.last("desk-1"))
			}
		})
	})
	t.Run("when two have changed places", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			s.plugIn("desk-2", "10.1.0.12", "BB")
			after(time.Minute)
			s.lan.put("10.1.0.11", "BB")
			s.lan.put("10.1.0.12", "AA")
			after(2 * time.Minute)
			if s.address("desk-1") != "10.1.0.12" || s.address("desk-2") != "10.1.0.11" {
				t.Errorf("desk-1 at %s, desk-2 at %s", s.address("desk-1"), s.address("desk-2"))
			}
			if a, b := s.last("desk-1"), s.last("desk-2"); a.MAC != "AA" || b.MAC != "BB" || a.Availability != wattline.AvailabilityUp {
				t.Errorf("%+v\n%+v", a, b)
			}
		})
	})
	t.Run("when another device's has taken the place of one that is gone", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			s.plugIn("desk-2", "10.1.0.12", "BB")
			after(time.Minute)
			before := len(s.readings("desk-1"))
			s.lan.put("10.1.0.11", "BB")
			s.lan.put("10.1.0.12", "")
			after(time.Hour)
			if s.address("desk-2") != "10.1.0.11" || len(s.readings("desk-1")) != before || s.last("desk-1").Error == nil {
				t.Errorf("%+v, %d readings of another's plug", s.last("desk-1"), len(s.readings("desk-1"))-before)
			}
		})
	})
	t.Run("until it is clear that its own is gone", func(t *testing.T) {
		seek(t, func(t *testing.T, s *site) {
			s.plugIn("desk-1", "10.1.0.11", "AA")
			after(time.Minute)
			s.lan.put("10.1.0.11", "CC")
			after(2 * time.Minute)
			if state := s.last("desk-1"); state.MAC != "CC" || state.Availability != wattline.AvailabilityUp || len(s.moves()) != 0 {
				t.Errorf("%+v %v", state, s.moves())
			}
		})
	})
}

func TestAnAddressThatAnOperatorGivesHolds(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.plugIn("desk-1", "10.1.0.12", "BB") // its plug was exchanged; the old one is still about
		after(10 * time.Minute)
		if len(s.moves()) != 0 || s.last("desk-1").MAC != "BB" {
			t.Errorf("%v %+v", s.moves(), s.last("desk-1"))
		}
	})
}

func TestWhatIsOnlySaidByDatagramMovesNothing(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.lan.unverified = true
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(10 * time.Minute)
		if len(s.moves()) != 0 {
			t.Errorf("%v", s.moves())
		}
	})
}

func TestAFoundAddressIsOfferedUntilItIsTaken(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		s.setDeaf(true)
		s.plugIn("desk-1", "10.1.0.11", "AA")
		after(time.Minute)
		s.lan.put("10.1.0.11", "")
		s.lan.put("10.1.3.77", "AA")
		after(10 * time.Minute)
		s.setDeaf(false)
		after(2 * time.Minute)
		if len(s.moves()) != 1 {
			t.Errorf("%v", s.moves())
		}
	})
}

func TestAPlugThatMovedWhileNobodyLookedIsFound(t *testing.T) {
	seek(t, func(t *testing.T, s *site) {
		d := device("desk-1")
		d.Address = "10.1.0.11"
		s.bus.Deliver(stateTopic("desk-1"), nil)
		_ = s.bus.Retain(t.Context(), stateTopic("desk-1"), wattline.State{
			Device: "desk-1", Availability: wattline.AvailabilityUp, Since: wattline.At(time.Now()), Time: wattline.At(time.Now()), MAC: "AA", Address: "10.1.0.11",
		})
		s.lan.put("10.1.3.77", "AA")
		stop := s.start(t) // what is retained is heard at the start
		defer stop()
		s.register(d)
		after(2 * time.Minute)
		if len(s.moves()) == 0 || s.moves()[0].Address != "10.1.3.77" {
			t.Errorf("%v", s.moves())
		}
	})
}

func (o office) search(ctx context.Context, query wattline.DiscoverQuery) (wattline.Discovery, error) {
	answer, err := o.bus.Request(ctx, wattline.Topic{Kind: wattline.TopicQuery, Component: "collector", Instance: "agent-1", Verb: wattline.VerbDiscover}, query)
	page, _ := answer.(wattline.Discovery)
	return page, err
}

func TestASearchIsStartedOnceAndAskedAfter(t *testing.T) {
	seekPartly(t, func(t *testing.T, s *site) {
		s.plugIn("desk-1", "10.1.0.11", "AA")
		s.lan.put("10.1.1.5", "CC")
		after(time.Minute)
		start := wattline.DiscoverQuery{Job: "job-1", Start: true, Networks: []string{"10.1.0.0/23"}}
		for range 2 {
			if got, err := s.search(t.Context(), start); err != nil || got.State != wattline.DiscoveryRunning || got.Site != "hq" {
				t.Errorf("%+v %v", got, err)
			}
		}
		if _, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-2", Start: true}); wattline.AsError(err).Code != wattline.CodeConflict {
			t.Errorf("a second one at once: %v", err)
		}
		after(time.Minute)
		got, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1"})
		if err != nil || got.State != wattline.DiscoveryDone || got.EndedAt.IsZero() || len(got.Found) != 2 {
			t.Fatalf("%+v %v", got, err)
		}
		if got.Found[0].Devices[0] != "desk-1" || len(got.Found[1].Devices) != 0 || got.Found[1].Address != "10.1.1.5" || got.Found[1].MAC != "CC" {
			t.Errorf("%+v", got.Found)
		}
		if page, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1", Limit: 1}); err != nil || len(page.Found) != 1 || page.Next != 1 {
			t.Errorf("%+v %v", page, err)
		}
		if page, err := s.search(t.Context(), wattline.DiscoverQuery{Job: "job-1", After: 1}); err != nil || len(page.Found) != 1 || page.Next != 0 {
			t.Errorf("%+v %v", page, err)
		}
		if n := len(s.lan.searched()); n != 1 {
			t.Errorf("%d searches", n)
		}
		for name, c := range map[string]struct {
			query wattline.DiscoverQuery
			code  wattline.Code
		}{
			"nobody's":             {wattline.DiscoverQuery{Job: "job-9"}, wattline.CodeNotFound},
			"without an id":        {wattline.DiscoverQuery{Start: true}, wattline.CodeInvalid},
			"of other networks":    {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"172.20.0.0/24"}}, wattline.CodeInvalid},
			"of too large ones":    {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"10.2.0.0/15"}}, wattline.CodeInvalid},
			"of what is none":      {wattline.DiscoverQuery{Job: "job-3", Start: true, Networks: []string{"10.1.0.1/22"}}, wattline.CodeInvalid},
			"of a page before all": {wattline.DiscoverQuery{Job: "job-1", After: -1}, wattline.CodeInvalid},
		} {
			if _, err := s.search(t.Context(), c.query); err == nil || wattline.AsError(err).Code != c.code {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
