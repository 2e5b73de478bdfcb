package registry

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components"
	"github.com/wattline/wattline/internal/strictjson"
)

const defaultPage = 500

// Name is registry.
func (r *Registry) Name() string { return wattline.RoleRegistry }

// Verbs are those that look and those that change.
func (r *Registry) Verbs() map[string]components.Handler {
	return map[string]components.Handler{
		wattline.VerbList: r.list, wattline.VerbGet: r.get,
		wattline.VerbFormer: r.former, wattline.VerbPut: r.put, wattline.VerbDelete: r.remove, wattline.VerbApply: r.apply, wattline.VerbLift: r.lift,
	}
}

// list answers with the devices that match, a page in the order of ids.
func (r *Registry) list(_ context.Context, body json.RawMessage) (any, error) {
	var query wattline.ListQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	limit, err := checkList(query)
	if err != nil {
		return nil, err
	}
	devices := r.snapshot()
	if !query.Selector.IsZero() {
		devices = query.Selector.Select(devices)
	}
	start, found := slices.BinarySearchFunc(devices, wattline.Device{ID: query.After}, byID)
	if found {
		start++
	}
	page := wattline.DevicePage{Devices: devices[start:]}
	if len(page.Devices) > limit {
		page.Devices = page.Devices[:limit]
		page.Next = page.Devices[limit-1].ID
	}
	if page.Devices == nil {
		page.Devices = []wattline.Device{}
	}
	return page, nil
}

func checkList(query wattline.ListQuery) (limit int, err error) {
	if !query.Selector.IsZero() {
		if err := query.Selector.Validate(); err != nil {
			return 0, err
		}
	}
	if query.After != "" {
		if err := wattline.CheckID(query.After); err != nil {
			return 0, wattline.Invalid(wattline.FieldError{Field: "after", Reason: err.Error()})
		}
	}
	if query.Limit < 0 || query.Limit > wattline.MaxPage {
		reason := fmt.Sprintf("must lie between 1 and %d", wattline.MaxPage)
		return 0, wattline.Invalid(wattline.FieldError{Field: "limit", Reason: reason})
	}
	if query.Limit == 0 {
		return defaultPage, nil
	}
	return query.Limit, nil
}

func (r *Registry) get(_ context.Context, body json.RawMessage) (any, error) {
	var query wattline.GetQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	device, there := find(r.snapshot(), query.Device)
	if !there {
		return nil, wattline.Errorf(wattline.CodeNotFound, "no device %.80q", query.Device)
	}
	return device, nil
}

// former is the devices of some ids that were removed, as they were then; those that
// there are now are not among them.
func (r *Registry) former(ctx context.Context, body json.RawMessage) (any, error) {
	var query wattline.FormerQuery
	if err := strictjson.Decode(body, &query); err != nil {
		return nil, err
	}
	if len(query.Devices) > maxChanges {
		return nil, wattline.Invalid(wattline.FieldError{Field: "devices", Reason: fmt.Sprintf("must be at most %d", maxChanges)})
	}
	known := r.snapshot()
	page := wattline.DevicePage{Devices: []wattline.Device{}}
	for _, id := range query.Devices {
		if _, there := find(known, id); there {
			continue
		}
		device, was, err := r.file.former(ctx, id)
		if err != nil {
			return nil, err
		}
		if was {
			page.Devices = append(page.Devices, device)
		}
	}
	return page, nil
}
