package emulator

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"
	"unicode/utf8"

	"github.com/wattline/wattline"
)

// maxAlias is how many bytes of a name the plugs keep.
const maxAlias = 31

// Spec is one plug.
type Spec struct {
	// ID names the plug in an office, in faults and in the control door.
	ID    string
	Model Model
	// Alias is the name that the plug tells; empty is the ID.
	Alias string
	// Profile is what is plugged in, unless Load is given; empty is Nothing.
	Profile Profile
	Load    Load
	// Outlets are those of a strip; it has six, and what is not given is empty.
	Outlets []OutletSpec
	// Seed makes the identity and the load.
	Seed uint64
	// Address to listen on, host:port; empty is 127.0.0.1:0, a free port.
	Address string
	// Off starts with the relay open.
	Off bool
	// Zone is that of the plug's own clock; nil is Options.Zone.
	Zone *time.Location
}

// OutletSpec is one outlet of a strip.
type OutletSpec struct {
	Alias   string
	Profile Profile
	Load    Load
}

// Options hold for all plugs of an office. The zero value is ready for use.
type Options struct {
	// Now is the true time; nil is time.Now.
	Now func() time.Time
	// Speed is how much faster than Now emulated time passes; 0 is 1. Waiting for
	// clients, latency and drip are not sped up.
	Speed float64
	// Zone is that of the office and of the plugs' clocks, unless they have their
	// own; nil is UTC.
	Zone *time.Location
	// Log gets a debug line per fault struck and a warning per change of state.
	Log *slog.Logger
	// Discovery answers UDP on the port of TCP.
	Discovery bool
	// IdleTimeout ends a connection that asks nothing, so that the next client
	// gets its turn; 0 is 30 s.
	IdleTimeout time.Duration
	// Latency is waited before each answer. Real plugs take 30 to 100 ms.
	Latency time.Duration
	// Segment is how many bytes leave in one write; 0 is 1448.
	Segment int
	// History is for how long the plugs have been on before they were made: their
	// counters and statistics begin with it.
	History time.Duration
	// KeepAnswers is how many of its latest answers each plug remembers.
	KeepAnswers int
	// RebootTime is how long a plug is away when it reboots; 0 is 3 s.
	RebootTime time.Duration
}

const (
	defaultIdle    = 30 * time.Second
	defaultReboot  = 3 * time.Second
	defaultSegment = 1448
	maxHistory     = 400 * 24 * time.Hour
)

func (o Options) withDefaults() Options {
	if o.Now == nil {
		o.Now = time.Now
	}
	o.Speed = cmp.Or(o.Speed, 1)
	o.Zone = cmp.Or(o.Zone, time.UTC)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.IdleTimeout = cmp.Or(o.IdleTimeout, defaultIdle)
	o.Segment = cmp.Or(o.Segment, defaultSegment)
	o.RebootTime = cmp.Or(o.RebootTime, defaultReboot)
	return o
}

func (o Options) check() error {
	switch {
	case !(o.Speed > 0 && o.Speed <= 1e6):
		return fmt.Errorf("speed %v must be above 0 and at most 1000000", o.Speed)
	case o.IdleTimeout < 0 || o.Latency < 0 || o.RebootTime < 0:
		return errors.New("idle timeout, latency and reboot time must not be negative")
	case o.Segment < 1:
		return fmt.Errorf("segment %d must be at least 1", o.Segment)
	case o.History < 0 || o.History > maxHistory:
		return fmt.Errorf("history %v must lie between 0 and %v", o.History, maxHistory)
	case o.KeepAnswers < 0:
		return fmt.Errorf("keep answers %d must not be negative", o.KeepAnswers)
	}
	return nil
}

func (s Spec) withDefaults() Spec {
	if s.Alias == "" {
		s.Alias = s.ID[:min(len(s.ID), maxAlias)]
	}
	if s.Address == "" {
		s.Address = "127.0.0.1:0"
	}
	return s
}

func (s Spec) check() error {
	if err := wattline.CheckID(s.ID); err != nil {
		return fmt.Errorf("id %.80q %w", s.ID, err)
	}
	model, err := ParseModel(string(s.Model))
	if err != nil {
		return fmt.Errorf("plug %s: %w", s.ID, err)
	}
	if !validAlias(s.Alias) {
		return fmt.Errorf("plug %s: alias %.80q must be 1 to %d bytes of text", s.ID, s.Alias, maxAlias)
	}
	if _, _, err := net.SplitHostPort(s.Address); err != nil {
		return fmt.Errorf("plug %s: address %.80q must be host:port", s.ID, s.Address)
	}
	if n := model.traits().outlets; len(s.Outlets) > n || len(s.Outlets) > 0 && n == 1 {
		return fmt.Errorf("plug %s: %d outlets given, only an hs300 has them, and it has %d", s.ID, len(s.Outlets), stripOutlets)
	}
	for i, o := range s.Outlets {
		if o.Alias != "" && !validAlias(o.Alias) {
			return fmt.Errorf("plug %s: outlet %d: alias %.80q must be 1 to %d bytes of text", s.ID, i, o.Alias, maxAlias)
		}
	}
	return nil
}

func validAlias(alias string) bool {
	return alias != "" && len(alias) <= maxAlias && utf8.ValidString(alias)
}

// outlets gives each outlet its name and load.
func (s Spec) outlets(zone *time.Location) ([]outlet, error) {
	n := s.Model.traits().outlets
	out := make([]outlet, n)
	for i := range out {
		of := OutletSpec{Alias: s.Alias, Profile: s.Profile, Load: s.Load}
		if n > 1 {
			of = OutletSpec{}
			if i < len(s.Outlets) {
				of = s.Outlets[i]
			}
			if of.Alias == "" {
				of.Alias = fmt.Sprintf("Outlet %d", i+1)
			}
		}
		if of.Profile == "" {
			of.Profile = Nothing
		}
		load := of.Load
		if load == nil {
			var err error
			if load, err = NewLoad(of.Profile, mix(s.Seed, saltTrait, uint64(i)), zone); err != nil {
				return nil, fmt.Errorf("plug %s: %w", s.ID, err)
			}
		}
		out[i] = outlet{load: load, alias: of.Alias, relay: !s.Off}
	}
	return out, nil
}
