package collector

import (
	"maps"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/wake"
)

// whereabouts is which plug each device is, and which of them are not where they
// should be. A plug is known by its MAC, for as long as its device has the address
// at which it was met: who gives a device another address may mean another plug.
type whereabouts struct {
	mu sync.Mutex
	// own is the plug of each device; said is what a retained state says of it.
	own, said map[string]known
	lost      map[string]*loss
	// strangers is where plugs answer under another's name, by MAC.
	strangers map[string]kasa.Target
	// more has a token when a device was lost.
	more chan struct{}
}

// known is a plug, and the address of its device.
type known struct{ mac, address string }

// loss is a device whose plug is not where it should be.
type loss struct {
	// searched: every network was searched for it since, whole, and it was not found.
	searched bool
}

// meeting is what an answer means for a device.
type meeting int

const (
	// itself: its own plug answers.
	itself meeting = iota
	// replaced: another plug has taken its place for good, for its own is nowhere in
	// the networks.
	replaced
	// stranger: another plug answers, and it is not known why.
	stranger
)

func newWhereabouts() *whereabouts {
	return &whereabouts{
		own: map[string]known{}, said: map[string]known{}, lost: map[string]*loss{}, strangers: map[string]kasa.Target{},
		more: make(chan struct{}, 1),
	}
}

// plugAt is a target as all outlets of a strip have it.
func plugAt(target kasa.Target) kasa.Target { return kasa.Target{Host: target.Host, Port: target.Port} }

// hear takes what an earlier process said of a device.
func (w *whereabouts) hear(state wattline.State) {
	if state.MAC == "" || state.Address == "" {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.said) < handoverDevices {
		w.said[state.Device] = known{state.MAC, state.Address}
	}
}

// met is what it means that a plug answers for a device.
func (w *whereabouts) met(device wattline.Device, target kasa.Target, mac string) meeting {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := w.plug(device)
	switch {
	case mac == "" || own.mac == "" || own.mac == mac:
		w.settle(device, mac)
		return itself
	case w.isOthers(device, mac), w.lost[device.ID] == nil, !w.lost[device.ID].searched:
		w.nobodyAt(device.Address)
		w.strangers[mac] = plugAt(target)
		w.lose(device.ID, own)
		return stranger
	}
	w.settle(device, mac)
	return replaced
}

// plug is the one that a device is known by at its address.
func (w *whereabouts) plug(device wattline.Device) known {
	for _, k := range []known{w.own[device.ID], w.said[device.ID]} {
		if k.address == device.Address {
			return k
		}
	}
	return known{}
}

func (w *whereabouts) settle(device wattline.Device, mac string) {
	w.own[device.ID] = known{mac, device.Address}
	delete(w.said, device.ID)
	delete(w.lost, device.ID)
	delete(w.strangers, mac)
	w.nobodyAt(device.Address)
}

// nobodyAt drops who answered at an address under another's name.
func (w *whereabouts) nobodyAt(address string) {
	at, _ := kasa.ParseAddress(address)
	maps.DeleteFunc(w.strangers, func(_ string, there kasa.Target) bool { return there == plugAt(at) })
}

// silent notes that nobody answers for a device.
func (w *whereabouts) silent(device wattline.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.nobodyAt(device.Address)
}

// isOthers tells whether a plug is another device's, also of one that was not met
// since the start. The outlets of a strip are one plug.
func (w *whereabouts) isOthers(device wattline.Device, mac string) bool {
	here, _ := kasa.ParseAddress(device.Address)
	for _, plugs := range []map[string]known{w.own, w.said} {
		for id, own := range plugs {
			if own.mac != mac || id == device.ID {
				continue
			}
			there, err := kasa.ParseAddress(own.address)
			if sameStrip := plugAt(there) == plugAt(here) && there.Outlet != here.Outlet; err != nil || !sameStrip {
				return true
			}
		}
	}
	return false
}

// miss notes that a device does not answer. It gives the MAC of its plug, which is
// empty if there is nothing to search for.
func (w *whereabouts) miss(device wattline.Device) (mac string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := w.plug(device)
	if own.mac != "" {
		w.lose(device.ID, own)
	}
	return own.mac
}

func (w *whereabouts) lose(device string, own known) {
	if w.lost[device] != nil {
		return
	}
	w.own[device], w.lost[device] = own, &loss{}
	wake.Up(w.more)
}

// expect notes at which address a lost device's plug was found, for when the device
// has that address: it may have left it again by then.
func (w *whereabouts) expect(device string, plug known) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.said[device] = plug
}

// expectNot takes that back.
func (w *whereabouts) expectNot(device string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.said, device)
}

// readdress drops what is known of a device that has another address, but for the
// plug that is expected there.
func (w *whereabouts) readdress(device wattline.Device) {
	w.mu.Lock()
	defer w.mu.Unlock()
	said := w.said[device.ID]
	w.drop(device.ID)
	if said.address == device.Address {
		w.said[device.ID] = said
	}
}

// forget drops what is known of a device.
func (w *whereabouts) forget(device string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.drop(device)
}

func (w *whereabouts) drop(device string) {
	w.nobodyAt(w.own[device].address)
	delete(w.own, device)
	delete(w.said, device)
	delete(w.lost, device)
}

// wanted is the devices that are lost, by the MAC of their plug, and where those
// plugs answer under another's name.
func (w *whereabouts) wanted() (devices map[string][]string, seen map[string]kasa.Target) {
	w.mu.Lock()
	defer w.mu.Unlock()
	devices, seen = map[string][]string{}, map[string]kasa.Target{}
	for id := range w.lost {
		own := w.own[id]
		devices[own.mac] = append(devices[own.mac], id)
		if at, met := w.strangers[own.mac]; met {
			seen[own.mac] = at
		}
	}
	return devices, seen
}

// isLost tells whether a device is not where it should be.
func (w *whereabouts) isLost(device string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.lost[device] != nil
}

// lostFrom is the address where a device's plug was met; false if the device is not
// lost, or has another plug by now.
func (w *whereabouts) lostFrom(device, mac string) (address string, lost bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	own := w.own[device]
	return own.address, w.lost[device] != nil && own.mac == mac
}

// searchedFor notes that devices were searched everywhere and not found.
func (w *whereabouts) searchedFor(devices []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range devices {
		if l := w.lost[id]; l != nil {
			l.searched = true
		}
	}
}

// registered is the devices whose plug has a MAC, sorted by whoever asks.
func (w *whereabouts) registered(mac string) (devices []string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for id, own := range w.own {
		if own.mac == mac && mac != "" {
			devices = append(devices, id)
		}
	}
	return devices
}
