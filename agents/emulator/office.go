package emulator

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// MaxPlugs bounds an office.
const MaxPlugs = 20_000

// DefaultPlugs is the size of the office of the demo: two floors.
const DefaultPlugs = 24

// OfficeOptions are how large an office is and where its plugs listen.
type OfficeOptions struct {
	Options
	// Plugs is how many, strips not counted; 0 is DefaultPlugs.
	Plugs int
	// Strips is how many HS300 there are besides; each is six devices.
	Strips int
	// Seed makes the loads and identities.
	Seed uint64
	// Profile is what every plug feeds; empty is what the floor plan says.
	Profile Profile
	// Site begins every location; empty is hq.
	Site string
	// Host is the address that all plugs listen on; empty is 127.0.0.1. With
	// OwnAddresses it is the first plug's, and each next plug has the next one.
	Host string
	// BasePort is the first plug's port, and each next plug has the next one. 0
	// is a free port each, which differs from run to run.
	BasePort int
	// OwnAddresses gives each plug an address of its own and the same port
	// (BasePort, or 9999), as real plugs have. Linux answers on all of 127/8.
	OwnAddresses bool
	// StateFile keeps counters and relays across restarts; empty keeps nothing.
	StateFile string
}

// Office is plugs on two floors or more. Make it with NewOffice; Listen, then
// Run.
type Office struct {
	opts  OfficeOptions
	spots []spot
	plugs []*Plug
	clock *clock
	// switched has a token when a relay moved since the state was saved.
	switched chan struct{}
}

const (
	defaultSite = "hq"
	defaultHost = "127.0.0.1"
	defaultPort = 9999
)

// NewOffice makes the office, with the counters and relays of its state file if
// there is one.
func NewOffice(opts OfficeOptions) (*Office, error) {
	opts = opts.withDefaults()
	if err := opts.check(); err != nil {
		return nil, fmt.Errorf("office: %w", err)
	}
	office := &Office{opts: opts, spots: spots(opts.Site, opts.Plugs, opts.Strips), clock: newClock(opts.Now, opts.Speed), switched: make(chan struct{}, 1)}
	state, err := loadState(opts.StateFile)
	if err != nil {
		return nil, fmt.Errorf("office: %w", err)
	}
	office.clock.notBefore(state.latest())
	for i, s := range office.spots {
		address, err := opts.address(i)
		if err != nil {
			return nil, fmt.Errorf("office: plug %s: %w", s.id, err)
		}
		spec := Spec{
			ID: s.id, Model: s.place.model, Profile: cmp.Or(opts.Profile, s.place.profile), Address: address,
			Seed: mix(opts.Seed, saltTrait, uint64(i)),
		}
		if spec.Model == HS300 {
			spec.Outlets = stripPlan()
		}
		plug, err := newPlug(spec, opts.Options, office.clock)
		if err != nil {
			return nil, fmt.Errorf("office: %w", err)
		}
		if saved, ok := state.Plugs[s.id]; ok {
			plug.restore(saved)
		}
		plug.onSwitch = office.noteSwitch
		office.plugs = append(office.plugs, plug)
	}
	return office, nil
}

func (o *Office) noteSwitch() {
	wake.Up(o.switched)
}

func (o OfficeOptions) withDefaults() OfficeOptions {
	o.Options = o.Options.withDefaults()
	if o.Plugs == 0 && o.Strips == 0 {
		o.Plugs = DefaultPlugs
	}
	if o.Site == "" {
		o.Site = defaultSite
	}
	if o.Host == "" {
		o.Host = defaultHost
	}
	return o
}

func (o OfficeOptions) check() error {
	if err := wattline.CheckID(o.Site); err != nil {
		return fmt.Errorf("site %.80q %w", o.Site, err)
	}
	n := o.Plugs + o.Strips
	switch {
	case o.Plugs < 0 || o.Strips < 0 || n > MaxPlugs:
		return fmt.Errorf("%d plugs and %d strips: there may be 1 to %d together", o.Plugs, o.Strips, MaxPlugs)
	case o.BasePort < 0 || o.BasePort > 65535:
		return fmt.Errorf("base port %d must lie between 0 and 65535", o.BasePort)
	case !o.OwnAddresses && o.BasePort > 0 && o.BasePort+n-1 > 65535:
		return fmt.Errorf("base port %d leaves no room for %d plugs", o.BasePort, n)
	}
	return o.Options.check()
}

// address is where the plug of that index listens.
func (o OfficeOptions) address(index int) (string, error) {
	if !o.OwnAddresses {
		port := o.BasePort
		if port > 0 {
			port += index
		}
		return net.JoinHostPort(o.Host, strconv.Itoa(port)), nil
	}
	ip, err := netip.ParseAddr(o.Host)
	if err != nil {
		return "", fmt.Errorf("host %.80q must be an IP address for each plug to have its own", o.Host)
	}
	for range index {
		ip = ip.Next()
	}
	if !ip.IsValid() {
		return "", fmt.Errorf("host %s leaves no room for so many addresses", o.Host)
	}
	port := o.BasePort
	if port == 0 {
		port = defaultPort
	}
	return netip.AddrPortFrom(ip, uint16(port)).String(), nil
}

// Plugs are all plugs, strips last, in a stable order.
func (o *Office) Plugs() []*Plug { return append([]*Plug(nil), o.plugs...) }

// Plug is the plug of that id.
func (o *Office) Plug(id string) (*Plug, bool) {
	for _, p := range o.plugs {
		if p.ID() == id {
			return p, true
		}
	}
	return nil, false
}

// Devices describes the office as a gateway would be configured for it: one
// device per plug and one per outlet of a strip. The addresses are known once
// the office listens.
func (o *Office) Devices() []wattline.Device {
	devices := make([]wattline.Device, 0, len(o.plugs)+(stripOutlets-1)*o.opts.Strips)
	for i, p := range o.plugs {
		s := o.spots[i]
		device := wattline.Device{
			ID: s.id, Kind: s.kind, Location: s.location, Site: o.opts.Site,
			Address: p.Addr(), Labels: s.labels, Protected: s.protected,
		}
		if p.Outlets() == 1 {
			devices = append(devices, device)
			continue
		}
		for n, name := range stripNames() {
			outlet := device
			outlet.ID = s.id + "." + name
			outlet.Location = s.location + "/" + name
			outlet.Address = fmt.Sprintf("%s/%02X", device.Address, n)
			devices = append(devices, outlet)
		}
	}
	return devices
}

// SetFaults makes plugs misbehave, in the order given. An unknown plug is an
// error, and then nothing is changed.
func (o *Office) SetFaults(faults []PlugFault) error {
	for _, f := range faults {
		if _, ok := o.Plug(f.ID); !ok && f.ID != "*" {
			return fmt.Errorf("no plug %.80q in the office", f.ID)
		}
		if err := f.Fault.check(); err != nil {
			return fmt.Errorf("plug %s: %w", f.ID, err)
		}
	}
	for _, f := range faults {
		for _, p := range o.plugs {
			if f.ID == "*" || f.ID == p.ID() {
				if err := p.SetFault(f.Fault); err != nil {
					return err
				}
			}
		}
	}
	return nil
}

// Listen binds every plug, so that Devices has the addresses. If one cannot, it
// gives all up.
func (o *Office) Listen(ctx context.Context) error {
	for _, p := range o.plugs {
		if err := p.Listen(ctx); err != nil {
			o.Close()
			return err
		}
	}
	return nil
}

// Close gives up the addresses of an office that listens and was never run.
func (o *Office) Close() {
	for _, p := range o.plugs {
		p.Close()
	}
}

// When the state file is written: now and then, and soon after a switching.
const (
	saveEvery = 5 * time.Second
	saveSoon  = 100 * time.Millisecond
)

// Run listens, if that was not done, serves until ctx ends, which is no error,
// and leaves the state file behind.
func (o *Office) Run(ctx context.Context) error {
	if err := o.Listen(ctx); err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range o.plugs {
		group.Go(func() error { return p.Run(ctx) })
	}
	if o.opts.StateFile != "" {
		group.Go(func() error { return o.keepState(ctx) })
	}
	err := group.Wait()
	if o.opts.StateFile != "" {
		err = errors.Join(err, o.SaveState())
	}
	return err
}
