package registry

import (
	"context"
	"net/netip"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/fence"
)

// meaningsTimeout bounds asking for the names of all devices.
const meaningsTimeout = 5 * time.Second

// errTaken names nobody: who asks may not be allowed to know of the other.
func errTaken() *wattline.Error {
	return wattline.Errorf(wattline.CodeConflict, "the address is taken already")
}

// meanings are the addresses of names; of one that is missing no more is known than
// the name.
type meanings map[string][]netip.Addr

// spot is where a plug, or an outlet of a strip, of a site is.
type spot struct {
	site string
	at   wattline.Address
}

// spots are all that a device's address means, each once.
func (m meanings) spots(device wattline.Device) []spot {
	address, err := wattline.ParseAddress(device.Address)
	if err != nil {
		return nil
	}
	all := []spot{{device.Site, address.Short()}}
	for _, host := range m[address.Host] {
		means := address.Short()
		means.Host = host.WithZone("").String()
		if where := (spot{device.Site, means}); !slices.Contains(all, where) {
			all = append(all, where)
		}
	}
	return all
}

// taken is the ids of the devices that have come to an address, and another of their
// site has it. Two that had one before are left to whoever gave it to them.
func taken(known, after []wattline.Device, names meanings) map[string]bool {
	var come []wattline.Device
	for _, device := range after {
		if had, there := find(known, device.ID); !there || had.Address != device.Address || had.Site != device.Site {
			come = append(come, device)
		}
	}
	if len(come) == 0 {
		return nil
	}
	devicesAt := map[spot]int{}
	for _, device := range after {
		for _, where := range names.spots(device) {
			devicesAt[where]++
		}
	}
	found := map[string]bool{}
	for _, device := range come {
		if slices.ContainsFunc(names.spots(device), func(where spot) bool { return devicesAt[where] > 1 }) {
			found[device.ID] = true
		}
	}
	return found
}

// meanings looks up what the changes may come to share; nothing where none comes to
// an address.
func (r *Registry) meanings(ctx context.Context, changes []wattline.DeviceChange) meanings {
	known := r.snapshot()
	var added []string
	for _, change := range changes {
		had, _ := find(known, change.Device)
		if change.Put != nil && (change.Put.Address != had.Address || change.Put.Site != had.Site) {
			added = append(added, change.Put.Address)
		}
	}
	return meaningsOf(ctx, known, added...)
}

// meaningsOf looks up the names of the devices that may share a port with new
// addresses. Those that are not known in time are compared by name.
func meaningsOf(ctx context.Context, known []wattline.Device, added ...string) meanings {
	ports, hosts := map[uint16]bool{}, map[string]bool{}
	for _, text := range added {
		if address, err := wattline.ParseAddress(text); err == nil {
			ports[address.Port], hosts[address.Host] = true, true
		}
	}
	for _, device := range known {
		if address, err := wattline.ParseAddress(device.Address); err == nil && ports[address.Port] {
			hosts[address.Host] = true
		}
	}
	ctx, cancel := context.WithTimeout(ctx, meaningsTimeout)
	defer cancel()
	var mu sync.Mutex
	names := meanings{}
	var group errgroup.Group
	group.SetLimit(lookups)
	for host := range hosts {
		if _, err := netip.ParseAddr(host); err == nil || ctx.Err() != nil {
			continue
		}
		group.Go(func() error {
			if found, err := fence.Lookup(ctx, host); err == nil {
				mu.Lock()
				defer mu.Unlock()
				names[host] = found
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error
	return names
}
