package registry

import (
	"cmp"
	"context"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// Bounds of hearing where plugs were found.
const (
	movedWorkers = 4
	movedQueue   = 1024
)

// hearWhereabouts answers those that have found plugs, until stop.
func (r *Registry) hearWhereabouts() (stop func(), err error) {
	stop, err = r.options.Bus.Respond(bus.RespondOptions{
		Filter:  wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleWhereabouts, Instance: r.options.Bus.Instance()},
		Workers: movedWorkers, Queue: movedQueue,
	}, r.moved)
	if err == nil {
		r.options.Bus.Announce(wattline.RoleWhereabouts)
	}
	return stop, err
}

// moved gives a device the address at which its plug was found. The site is that of
// the topic: a broker holds the asker to it, while what it says of itself is its word.
func (r *Registry) moved(ctx context.Context, request bus.Request) (any, error) {
	var query wattline.MovedQuery
	if err := strictjson.Decode(request.Envelope.Body, &query); err != nil {
		return nil, err
	}
	address, err := wattline.ParseAddress(query.Address)
	if err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	if err := cmp.Or(r.options.Networks.Check(ctx, address.Host), r.keepsPort(query.From, address)); err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	site, actor := request.Topic.Verb, request.Envelope.Actor
	after, err := r.commit(ctx, actor, func(known []wattline.Device) ([]wattline.Device, error) {
		return relocated(known, site, query)
	})
	if err != nil {
		return nil, err
	}
	device, _ := find(after, query.Device)
	r.log.Info("device was found at another address", "device", query.Device, "was", query.From, "is", device.Address, "declared", device.DeclaredAddress, "site", site, "actor", actor)
	return device, nil
}

// keepsPort is an error where a plug was found at a port that is neither the one it had
// nor one of those that devices may have.
func (r *Registry) keepsPort(from string, found wattline.Address) error {
	if had, err := wattline.ParseAddress(from); err == nil && had.Port == found.Port {
		return nil
	}
	return r.checkPort(found.Port)
}

// relocated is the devices with the address of one of them changed, which is of the
// site. Another device may have that address: plugs exchange theirs when they are
// given out anew, and one is found first. What is protected stays so; the controller
// sees to it.
func relocated(known []wattline.Device, site string, query wattline.MovedQuery) ([]wattline.Device, error) {
	at, there := slices.BinarySearchFunc(known, wattline.Device{ID: query.Device}, byID)
	switch {
	case !there || known[at].Site != site:
		return nil, wattline.Errorf(wattline.CodeNotFound, "there is no device %.80q at the site %.80q", query.Device, site)
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
