package kasa

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/wattline/wattline/internal/pause"
)

// maxDatagram is more than the largest plug answers with.
const maxDatagram = 16 << 10

// datagramRounds is how often is asked: datagrams get lost.
const datagramRounds = 3

// datagrams asks by UDP and listens to the answers.
type datagrams struct {
	conn *net.UDPConn
	to   []netip.Addr
	// from are whom answers are taken of.
	from []netip.Prefix
}

// heard is an answer.
type heard struct {
	from netip.AddrPort
	info Info
	klap bool
}

func openDatagrams(ctx context.Context, d Discovery) (*datagrams, error) {
	s := &datagrams{to: d.Datagrams, from: slices.Clone(d.Networks)}
	for _, asked := range d.Datagrams {
		s.from = append(s.from, netip.PrefixFrom(asked, asked.BitLen()))
	}
	if d.Datagrams == nil {
		if err := s.askLocally(d); err != nil {
			return nil, err
		}
	}
	if len(d.Within) > 0 {
		s.from = d.Within
	}
	conn, err := (&net.ListenConfig{}).ListenPacket(ctx, "udp4", ":0")
	if err != nil {
		return nil, err
	}
	s.conn, _ = conn.(*net.UDPConn)
	return s, nil
}

// askLocally has this machine's own networks asked, of those that are meant.
func (s *datagrams) askLocally(d Discovery) error {
	local, err := localNetworks()
	if err != nil {
		return err
	}
	meant := d.Networks
	if len(d.Within) > 0 {
		meant = d.Within
	}
	for _, network := range local {
		if len(meant) == 0 || slices.ContainsFunc(meant, network.Overlaps) {
			s.to = append(s.to, broadcastOf(network))
		}
		if len(meant) == 0 {
			s.from = append(s.from, network)
		}
	}
	return nil
}

// localNetworks are those of this machine that can be asked all at once.
func localNetworks() ([]netip.Prefix, error) {
	interfaces, err := net.Interfaces()
	if err != nil {
		return nil, err
	}
	var networks []netip.Prefix
	for _, i := range interfaces {
		addresses, err := i.Addrs()
		if err != nil || i.Flags&net.FlagUp == 0 || i.Flags&net.FlagBroadcast == 0 {
			continue
		}
		for _, address := range addresses {
			if network, err := netip.ParsePrefix(address.String()); err == nil && network.Addr().Is4() {
				networks = append(networks, network.Masked())
			}
		}
	}
	return networks, nil
}

// broadcastOf is the last address of an IPv4 network.
func broadcastOf(network netip.Prefix) netip.Addr {
	bytes := network.Addr().As4()
	last := binary.BigEndian.Uint32(bytes[:]) | uint32(1<<(32-network.Bits())-1)
	binary.BigEndian.PutUint32(bytes[:], last)
	return netip.AddrFrom4(bytes)
}

func (s *datagrams) close() { _ = s.conn.Close() }

func (s *datagrams) send(payload []byte, to netip.AddrPort) {
	_, _ = s.conn.WriteToUDPAddrPort(payload, to) // it may be lost anyway
}

// ask sends the questions a few times and waits for answers to the last.
func (s *datagrams) ask(ctx context.Context, d Discovery) {
	if len(s.to) == 0 {
		return
	}
	question := Encrypt([]byte(sysinfoRequest))
	for range datagramRounds {
		for _, to := range s.to {
			for _, port := range d.Ports {
				s.send(question, netip.AddrPortFrom(to, port))
			}
			s.send(klapProbe(), netip.AddrPortFrom(to, d.KLAPPort))
		}
		_ = pause.For(ctx, d.Wait/datagramRounds)
	}
}

// listen hands on what plugs answer, until the socket is closed.
func (s *datagrams) listen(take func(heard)) {
	buffer := make([]byte, maxDatagram)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buffer)
		if err != nil {
			if errors.Is(err, net.ErrClosed) {
				return
			}
			time.Sleep(time.Millisecond) // an ICMP answer to an earlier question
			continue
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if !slices.ContainsFunc(s.from, func(n netip.Prefix) bool { return n.Contains(from.Addr()) }) {
			continue
		}
		if h, ok := readDatagram(buffer[:n]); ok {
			h.from = from
			take(h)
		}
	}
}

// readDatagram reads an answer of either protocol; false for anything else.
func readDatagram(datagram []byte) (heard, bool) {
	if info, ok := readKLAP(datagram); ok {
		return heard{info: info, klap: true}, true
	}
	var r reply
	if r.decode(Decrypt(datagram)) != nil || r.failure(r.system, r.sysinfo.status, "system.get_sysinfo") != nil {
		return heard{}, false
	}
	return heard{info: *r.sysinfo.info()}, true
}

// klapProbe is the question to which plugs with KLAP firmware answer what they are.
func klapProbe() []byte {
	return []byte{2, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0x46, 0x3c, 0xb5, 0xd3}
}

// klapHeader is what comes before the JSON of an answer.
const klapHeader = 16

// readKLAP reads the answer to a klapProbe: a header, and JSON that nothing hides.
func readKLAP(datagram []byte) (Info, bool) {
	if len(datagram) <= klapHeader || datagram[0] != 2 || datagram[klapHeader] != '{' {
		return Info{}, false
	}
	var answer struct {
		Result struct {
			Type     string `json:"device_type"`
			DeviceID string `json:"device_id"`
			Model    string `json:"device_model"`
			MAC      string `json:"mac"`
			Hardware string `json:"hw_ver"`
			Scheme   struct {
				Encryption string `json:"encrypt_type"`
			} `json:"mgt_encrypt_schm"`
		} `json:"result"`
	}
	if json.Unmarshal(datagram[klapHeader:], &answer) != nil {
		return Info{}, false
	}
	told := answer.Result
	if told.Scheme.Encryption == "" || !strings.Contains(strings.ToUpper(told.Type), "PLUG") {
		return Info{}, false // a bulb or a camera
	}
	return Info{
		DeviceID: keep([]byte(told.DeviceID)), Model: keep([]byte(told.Model)), HardwareVersion: keep([]byte(told.Hardware)),
		MAC: strings.ReplaceAll(strings.ToUpper(keep([]byte(told.MAC))), "-", ":"),
	}, true
}
