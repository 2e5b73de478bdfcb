package controller

import (
	"time"

	"github.com/wattline/wattline"
)

// sharedWith says why an action is refused for the sake of another device that is the
// same plug, by its address or by its MAC: who may switch one may not be allowed to
// switch the other, whose protection must hold all the same. c.mu is held.
func (c *Controller) sharedWith(device wattline.Device, action wattline.Action) error {
	if !action.Switches() || len(c.protected) == 0 {
		return nil
	}
	now := time.Now()
	own, err := wattline.ParseAddress(device.Address)
	if err != nil {
		return nil //nolint:nilerr // it cannot be reached, which is said elsewhere
	}
	mac := ""
	if state := c.states[device.ID]; state.Address == device.Address {
		mac = state.MAC
	}
	for id, address := range c.protected {
		if id == device.ID || address.Outlet != own.Short().Outlet || c.devices[id].Permits(action, now) == nil {
			continue
		}
		if address == own.Short() || mac != "" && c.states[id].MAC == mac {
			return wattline.Errorf(wattline.CodeProtected, "device %q is the same plug as another device, which is protected", device.ID)
		}
	}
	return nil
}

// guard keeps apart where the protected devices are: they are few. c.mu is held.
func (c *Controller) guard(device wattline.Device) {
	delete(c.protected, device.ID)
	if address, err := wattline.ParseAddress(device.Address); err == nil && device.Protected != wattline.ProtectionNone {
		c.protected[device.ID] = address.Short()
	}
}
