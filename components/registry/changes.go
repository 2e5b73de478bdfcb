package registry

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/internal/strictjson"
)

// Bounds of what may be registered.
const (
	maxDevices = 20_000
	maxChanges = 5000
)

// put gives one device a description.
func (r *Registry) put(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.PutQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	change := wattline.DeviceChange{Device: query.Device.ID, Version: query.Version, Put: &query.Device}
	after, err := r.change(ctx, []wattline.DeviceChange{change}, changing{alone: true, place: func(int) string { return "device" }})
	device, _ := find(after, change.Device)
	return device, err
}

// remove takes one device away.
func (r *Registry) remove(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.DeleteQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	was, _ := find(r.snapshot(), query.Device)
	change := wattline.DeviceChange{Device: query.Device, Version: query.Version}
	_, err := r.change(ctx, []wattline.DeviceChange{change}, changing{alone: true, place: func(int) string { return "query" }})
	return was, err
}

// apply makes many changes, or says all that stands against them.
func (r *Registry) apply(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.ApplyQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	if len(query.Changes) > maxChanges {
		return nil, wattline.Invalid(wattline.FieldError{Field: "changes", Reason: fmt.Sprintf("must be at most %d", maxChanges)})
	}
	after, err := r.change(ctx, query.Changes, changing{
		place: func(i int) string { return fmt.Sprintf("changes[%d]", i) }, dryRun: query.DryRun,
	})
	if err != nil {
		return nil, err
	}
	answer := wattline.Applied{Devices: []wattline.Device{}}
	for _, change := range query.Changes {
		if change.Put != nil {
			device, _ := find(after, change.Device)
			answer.Devices = append(answer.Devices, device)
		}
	}
	return answer, nil
}

// changing says how changes are made.
type changing struct {
	// place is the field in which a change was asked for.
	place func(i int) string
	// alone says that it is one change, and no list of them.
	alone  bool
	dryRun bool
}

// change makes all of the changes or none, and returns the devices as they are then.
func (r *Registry) change(ctx context.Context, changes []wattline.DeviceChange, how changing) ([]wattline.Device, error) {
	faults := faultsOf(changes, how.place)
	if len(faults) == 0 {
		faults = r.misplaced(ctx, changes, how.place)
	}
	if len(faults) > 0 {
		return nil, wattline.Invalid(faults...)
	}
	deciding := deciding{how, r.meanings(ctx, changes)}
	become := func(known []wattline.Device) ([]wattline.Device, error) { return changed(known, changes, deciding) }
	if how.dryRun {
		return become(r.snapshot())
	}
	return r.commit(ctx, components.Actor(ctx), become)
}

// lift sets a protection aside for a time, or ends that.
func (r *Registry) lift(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.LiftQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	if err := query.Validate(); err != nil {
		return nil, err
	}
	actor := components.Actor(ctx)
	lift := wattline.Lift{}
	if query.ForS != 0 {
		until := time.Now().Add(time.Duration(query.ForS) * time.Millisecond)
		lift = wattline.Lift{Until: wattline.At(until), Reason: query.Reason, By: cmp.Or(query.By, actor)}
	}
	after, err := r.commit(ctx, actor, func(known []wattline.Device) ([]wattline.Device, error) {
		return lifted(known, query.Device, lift)
	})
	device, _ := find(after, query.Device)
	return device, err
}
