package api_test

import (
	"context"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// answerRegistered is answerAll with a registry that knows the devices of the test.
func (b *fakeBus) answerRegistered(ctx context.Context, ask bus.Ask) (any, error) {
	if ask.Topic.Component != wattline.RoleRegistry {
		return answerAll(ctx, ask)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	switch query := ask.Body.(type) {
	case wattline.GetQuery:
		return b.registered(query.Device)
	case wattline.ListQuery:
		page := wattline.DevicePage{Devices: []wattline.Device{}}
		for _, device := range b.devices {
			page.Devices = append(page.Devices, device)
		}
		return page, nil
	case wattline.FormerQuery:
		page := wattline.DevicePage{Devices: []wattline.Device{}}
		for _, id := range query.Devices {
			if device, was := b.former[id]; was {
				page.Devices = append(page.Devices, device)
			}
		}
		return page, nil
	case wattline.PutQuery:
		return b.put(query.Device, query.Version)
	case wattline.DeleteQuery:
		device, err := b.registered(query.Device)
		delete(b.devices, query.Device)
		return device, err
	case wattline.LiftQuery:
		device, err := b.registered(query.Device)
		device.Lifted = wattline.Lift{}
		if query.ForS != 0 {
			device.Lifted = wattline.Lift{Until: later(time.Duration(query.ForS) * time.Millisecond), Reason: query.Reason, By: query.By}
		}
		return device, err
	case wattline.ApplyQuery:
		if b.apply != nil {
			return b.apply(query)
		}
		return b.applied(query)
	}
	return ask.Body, nil
}

func (b *fakeBus) registered(id string) (wattline.Device, error) {
	device, known := b.devices[id]
	if !known {
		return device, wattline.Errorf(wattline.CodeNotFound, "no device %q", id)
	}
	return device, nil
}

func (b *fakeBus) put(device wattline.Device, version uint64) (wattline.Device, error) {
	had := b.devices[device.ID]
	if had.Version != version {
		return had, wattline.Errorf(wattline.CodeConflict, "it has version %d", had.Version)
	}
	device.Source, device.Version, device.Lifted = wattline.SourceAPI, version+1, had.Lifted
	b.devices[device.ID] = device
	return device, nil
}

func (b *fakeBus) applied(query wattline.ApplyQuery) (applied wattline.Applied, err error) {
	applied.Devices = []wattline.Device{}
	for _, change := range query.Changes {
		switch {
		case change.Put == nil && !query.DryRun:
			delete(b.devices, change.Device)
		case change.Put != nil && !query.DryRun:
			device, err := b.put(*change.Put, change.Version)
			if err != nil {
				return applied, err
			}
			applied.Devices = append(applied.Devices, device)
		}
	}
	return applied, nil
}

// register has the registry know a device of the API, and the gateway hear of it.
func (b *fakeBus) register(t testing.TB, device wattline.Device) {
	t.Helper()
	b.set(func(b *fakeBus) { device.Source, device.Version = wattline.SourceAPI, b.devices[device.ID].Version+1 })
	b.device(t, device)
}
