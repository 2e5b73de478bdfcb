package registry

import (
	"context"
	"encoding/json"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/internal/strictjson"
)

// moved gives a device the address at which its plug was found.
func (r *Registry) moved(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.MovedQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	address, err := wattline.ParseAddress(query.Address)
	if err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	if err := r.options.Networks.Check(ctx, address.Host); err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	names := meaningsOf(ctx, r.snapshot(), query.Address)
	after, err := r.commit(ctx, components.Actor(ctx), func(known []wattline.Device) ([]wattline.Device, error) {
		after, err := relocated(known, query)
		if err == nil && taken(known, after, names)[query.Device] {
			err = errTaken()
		}
		return after, err
	})
	if err != nil {
		return nil, err
	}
	device, _ := find(after, query.Device)
	r.log.Info("device was found at another address", "device", query.Device, "was", query.From, "is", device.Address, "declared", device.DeclaredAddress)
	return device, nil
}

// relocated is the devices with the address of one of them changed.
func relocated(known []wattline.Device, query wattline.MovedQuery) ([]wattline.Device, error) {
	at, there := slices.BinarySearchFunc(known, wattline.Device{ID: query.Device}, byID)
	switch {
	case !there:
		return nil, wattline.Errorf(wattline.CodeNotFound, "there is no device %.80q", query.Device)
	case known[at].Address != query.From:
		return nil, wattline.Errorf(wattline.CodeConflict, "device %q has another address by now", query.Device)
	}
	after := slices.Clone(known)
	device := &after[at]
	if device.Source == wattline.SourceConfiguration && device.DeclaredAddress == "" {
		device.DeclaredAddress = device.Address
	}
	device.Address = query.Address
	if device.Address == device.DeclaredAddress {
		device.DeclaredAddress = "" // it is back
	}
	return after, nil
}
