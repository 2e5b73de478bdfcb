package registry

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
)

// lookups is how many names are looked up at once.
const lookups = 32

// misplaced is the faults of the new addresses that lie outside the networks, or have
// another port than plugs. What an address means is looked up once for each host.
func (r *Registry) misplaced(ctx context.Context, changes []wattline.DeviceChange, place func(i int) string) []wattline.FieldError {
	hosts := map[string][]int{}
	known := r.snapshot()
	wrong := map[int]error{}
	for i, change := range changes {
		had, _ := find(known, change.Device)
		if change.Put == nil || change.Put.Address == had.Address {
			continue
		}
		address, _ := wattline.ParseAddress(change.Put.Address) // has been checked
		if wrong[i] = r.checkPort(address.Port); wrong[i] != nil {
			continue
		}
		hosts[address.Host] = append(hosts[address.Host], i)
	}
	var mu sync.Mutex
	var group errgroup.Group
	group.SetLimit(lookups)
	for host, at := range hosts {
		group.Go(func() error {
			if err := r.options.Networks.Check(ctx, host); err != nil {
				mu.Lock()
				defer mu.Unlock()
				for _, i := range at {
					wrong[i] = err
				}
			}
			return nil
		})
	}
	_ = group.Wait() // none returns an error: each fault is noted
	var faults wattline.Faults
	for i := range changes {
		faults.Check(place(i)+".address", wrong[i])
	}
	return faults
}

func (r *Registry) checkPort(port uint16) error {
	if slices.Contains(r.options.Ports, port) {
		return nil
	}
	return fmt.Errorf("has the port %d, on which devices may not be; see ports in the configuration", port)
}
