package wattline

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is where the plugs listen.
const DefaultPort = 9999

const (
	maxHost         = 253
	maxHostLabel    = 63
	outletSuffix    = 2
	fullOutletBytes = 42
)

// Address is where a device is, taken apart. It is comparable.
type Address struct {
	// Host is a DNS name in lower case or an IP address without brackets.
	Host string
	Port uint16
	// Outlet is empty for a plug. For an outlet of a strip it is the last two
	// hexadecimal digits of its child id ("00" is the first outlet), or the whole
	// id of 42 digits, in upper case.
	Outlet string
}

// ParseAddress reads a device's address: host, host:port, and either with
// /outlet at the end for one outlet of a strip.
//
//	192.0.2.11   plug-7.lan:9999   [2001:db8::7]:9999   192.0.2.30/00
//
// The port is 9999 by default. The outlet is the last two digits of the child id
// that the strip lists ("wattline plug read" shows them; outlets count from 00),
// or the id in full.
func ParseAddress(text string) (Address, error) {
	hostport, outlet, hasOutlet := strings.Cut(text, "/")
	host, port, err := splitPort(hostport)
	if err != nil {
		return Address{}, fmt.Errorf("address %.80q: %w", text, err)
	}
	address := Address{Host: host, Port: port, Outlet: strings.ToUpper(outlet)}
	if hasOutlet && !isOutlet(address.Outlet) {
		return Address{}, fmt.Errorf("address %.80q: the outlet after the / must be two hexadecimal digits such as 00, or a child id of %d", text, fullOutletBytes)
	}
	return address, nil
}

// String is the shortest form that ParseAddress reads back into the same address.
func (a Address) String() string {
	text := a.Host
	switch {
	case a.Port != DefaultPort:
		text = net.JoinHostPort(a.Host, strconv.Itoa(int(a.Port)))
	case strings.Contains(a.Host, ":"):
		text = "[" + a.Host + "]"
	}
	if a.Outlet != "" {
		text += "/" + a.Outlet
	}
	return text
}

// Short is the address with two digits for its outlet, so that two addresses on one
// host and port that mean the same are equal.
func (a Address) Short() Address {
	a.Outlet = a.Outlet[max(0, len(a.Outlet)-outletSuffix):]
	return a
}

func splitPort(hostport string) (host string, port uint16, err error) {
	switch colons := strings.Count(hostport, ":"); {
	case strings.HasPrefix(hostport, "[") && strings.HasSuffix(hostport, "]"):
		host, err = checkIPv6(hostport[1 : len(hostport)-1])
		return host, DefaultPort, err
	case colons == 0:
		host, err = checkHost(hostport)
		return host, DefaultPort, err
	case colons > 1 && !strings.HasPrefix(hostport, "["):
		return "", 0, errors.New("an IPv6 address needs brackets, as in [2001:db8::7]:9999")
	}
	host, portText, err := net.SplitHostPort(hostport)
	if err != nil {
		return "", 0, errors.New("must be host or host:port")
	}
	number, err := strconv.ParseUint(portText, 10, 16)
	if err != nil || number == 0 || portText[0] == '+' {
		return "", 0, fmt.Errorf("port %.20q must be a number from 1 to 65535", portText)
	}
	if strings.HasPrefix(hostport, "[") {
		host, err = checkIPv6(host)
	} else {
		host, err = checkHost(host)
	}
	return host, uint16(number), err
}

func checkIPv6(host string) (string, error) {
	ip, err := netip.ParseAddr(host)
	if err != nil || !ip.Is6() {
		return "", errors.New("what is in the brackets is not an IPv6 address")
	}
	return checkIP(ip)
}

// checkHost takes an IPv4 address or a DNS name (RFC 1123, underscores allowed).
// A name whose last label is a number would be a mistyped address.
func checkHost(host string) (string, error) {
	if ip, err := netip.ParseAddr(host); err == nil {
		return checkIP(ip)
	}
	if host == "" {
		return "", errors.New("has no host")
	}
	if len(host) > maxHost {
		return "", fmt.Errorf("the host is longer than %d characters", maxHost)
	}
	labels := strings.Split(strings.ToLower(host), ".")
	for _, label := range labels {
		if !isLabel(label) {
			return "", errors.New("the host is neither an IP address nor a DNS name")
		}
	}
	last := labels[len(labels)-1]
	if strings.Trim(last, "0123456789") == "" {
		return "", errors.New("the host is not a valid IPv4 address")
	}
	return strings.ToLower(host), nil
}

func checkIP(ip netip.Addr) (string, error) {
	if ip.Zone() != "" && !isLabel(strings.ToLower(ip.Zone())) {
		return "", errors.New("the zone of the IPv6 address is not an interface name")
	}
	ip = ip.Unmap()
	if ip.IsUnspecified() || ip.IsMulticast() || ip == netip.AddrFrom4([4]byte{255, 255, 255, 255}) {
		return "", errors.New("the host must be the address of one plug")
	}
	return ip.String(), nil
}

func isLabel(label string) bool {
	if label == "" || len(label) > maxHostLabel || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	for i := range len(label) {
		c := label[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '_' {
			return false
		}
	}
	return true
}

func isOutlet(text string) bool {
	if len(text) != outletSuffix && len(text) != fullOutletBytes {
		return false
	}
	return strings.Trim(text, "0123456789ABCDEF") == ""
}
