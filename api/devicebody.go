package api

import (
	"encoding/json"

	jsonpatch "github.com/evanphx/json-patch/v5"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/strictjson"
)

// DeviceRequest is a device as somebody describes it.
type DeviceRequest struct {
	// ID is unique in the installation. Where the path names the device it may be
	// left out, and cannot be another.
	ID string `json:"id,omitempty" example:"desk-7"`
	// Kind is what the plug feeds.
	Kind string `json:"kind" example:"workstation"`
	// Location is a path, the largest place first.
	Location string `json:"location" example:"hq/f1/r101/desk-7"`
	// Site is the network that it is in; the gateway's own unless given.
	Site string `json:"site,omitempty" example:"hq"`
	// Address is host, host:port, or either with /outlet; within the configured networks.
	Address string            `json:"address" example:"10.1.0.17"`
	Labels  map[string]string `json:"labels,omitempty"`
	// Protected keeps it from being switched.
	Protected wattline.Protection `json:"protected,omitempty"`
	// PollS is its own polling interval in seconds, from 1 to 3600.
	PollS wattline.Milli `json:"poll_s,omitempty" example:"5"`
}

// DevicePatch changes parts of a device (RFC 7396): what is left out stays, and null
// takes it away.
type DevicePatch struct {
	ID        *string              `json:"id,omitempty" extensions:"x-nullable"`
	Kind      *string              `json:"kind,omitempty" extensions:"x-nullable"`
	Location  *string              `json:"location,omitempty" extensions:"x-nullable"`
	Site      *string              `json:"site,omitempty" extensions:"x-nullable"`
	Address   *string              `json:"address,omitempty" extensions:"x-nullable"`
	Labels    *map[string]*string  `json:"labels,omitempty" extensions:"x-nullable"`
	Protected *wattline.Protection `json:"protected,omitempty" extensions:"x-nullable"`
	PollS     *wattline.Milli      `json:"poll_s,omitempty" extensions:"x-nullable"`
}

// requestOf is the request that would make a device what it is.
func requestOf(device wattline.Device) DeviceRequest {
	return DeviceRequest{
		ID: device.ID, Kind: device.Kind, Location: device.Location, Site: device.Site, Address: device.Address,
		Labels: device.Labels, Protected: device.Protected, PollS: device.PollS,
	}
}

// device is what is described, or every fault of it. The site is that of a device that
// names none.
func (r DeviceRequest) device(site string) (wattline.Device, error) {
	device := wattline.Device{
		ID: r.ID, Kind: r.Kind, Location: r.Location, Site: r.Site, Address: r.Address,
		Labels: r.Labels, Protected: r.Protected, PollS: r.PollS,
	}
	if device.Site == "" {
		device.Site = site
	}
	if err := device.Validate(); err != nil {
		return device, err
	}
	if _, err := wattline.ParseAddress(device.Address); err != nil {
		return device, wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	return device, nil
}

// name gives the request the id of its path.
func (r *DeviceRequest) name(id string) error {
	if r.ID != "" && r.ID != id {
		return wattline.Invalid(wattline.FieldError{Field: "id", Reason: "must be the one in the path: an id does not change"})
	}
	r.ID = id
	return nil
}

// patched is the request that a patch makes of a device.
func patched(device wattline.Device, patch []byte) (request DeviceRequest, err error) {
	if err := strictjson.Decode(patch, &DevicePatch{}); err != nil {
		return request, err
	}
	before, err := json.Marshal(requestOf(device))
	if err != nil {
		return request, err
	}
	after, err := jsonpatch.MergePatch(before, patch)
	if err != nil {
		return request, wattline.Invalid(wattline.FieldError{Field: "body", Reason: "is no JSON object"})
	}
	err = strictjson.Decode(after, &request)
	return request, err
}
