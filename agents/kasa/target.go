package kasa

import (
	"net"
	"strconv"

	"github.com/wattline/wattline"
)

// DefaultPort is where the plugs listen.
const DefaultPort = wattline.DefaultPort

// outletSuffix is how many digits of a child id are enough to tell it by.
const outletSuffix = 2

// Target names a plug, or one outlet of a strip. Make it with [ParseAddress] or
// [TargetOf]; it is comparable. Its first three fields are those of
// [wattline.Address].
type Target struct {
	Host   string
	Port   uint16
	Outlet string
	// Fenced targets are reached within [Options.Networks] only.
	Fenced bool
	// MAC, if known, is of the plug that is meant, as [Info.MAC] has it: another that
	// answers at the address is neither switched nor taken for it (ClassOtherPlug).
	MAC string
}

// ParseAddress reads an address as [wattline.ParseAddress] does.
func ParseAddress(address string) (Target, error) {
	parsed, err := wattline.ParseAddress(address)
	return Target{Host: parsed.Host, Port: parsed.Port, Outlet: parsed.Outlet}, err
}

// TargetOf is where a device is. An address that came over the API, or that its plug
// was found at, is fenced: the configuration file is the operator's own word, what
// others say is not.
func TargetOf(device wattline.Device) (Target, error) {
	target, err := ParseAddress(device.Address)
	target.Fenced = device.Source == wattline.SourceAPI || device.DeclaredAddress != ""
	return target, err
}

// String is the shortest form that [ParseAddress] reads back into the same target.
func (t Target) String() string {
	return wattline.Address{Host: t.Host, Port: t.Port, Outlet: t.Outlet}.String()
}

func (t Target) endpoint() endpoint { return endpoint{t.Host, t.Port} }

// endpoint is what has one queue: the outlets of a strip share theirs.
type endpoint struct {
	host string
	port uint16
}

func (e endpoint) String() string {
	return net.JoinHostPort(e.host, strconv.Itoa(int(e.port)))
}
