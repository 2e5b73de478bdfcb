package api

import (
	"slices"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// adoptPlug godoc
//
//	@Summary		Register a plug that was found
//	@Description	Makes a device of a plug, or of an outlet of a strip, that a search has found; address is the one that the search says. The site is that of the search. It is polled from then on.
//	@ID				adoptPlug
//	@Tags			discovery
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"Of the search"	example(qjx4rz5rwhmbywzb6kcyvnvt2v.wattline-9f2c41aa)
//	@Param			body	body		DeviceRequest	true	"What it is to be"
//	@Success		201		{object}	DeviceItem
//	@Header			201		{string}	Location	"The device"
//	@Header			201		{string}	ETag		"For If-Match"
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found: no such search, or it has found no plug at the address"
//	@Failure		409		{object}	Problem	"conflict: it is registered already"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		422		{object}	Problem	"unsupported: its firmware cannot be read"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/discovery/{id}/adopt [post]
func (g *Gateway) adoptPlug(c *gin.Context) error {
	s, err := searchOf(c)
	if err != nil {
		return err
	}
	var request DeviceRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	status, err := g.discovery(c, s)
	if err != nil {
		return err
	}
	if request.Site != "" && request.Site != status.Site {
		return wattline.Invalid(wattline.FieldError{Field: "site", Reason: "must be left out, or that of the search: " + status.Site})
	}
	request.Site = status.Site
	if err := adoptable(status.Found, request.Address, g.shadow.devices()); err != nil {
		return err
	}
	return g.addDevice(c, request)
}

// adoptable is an error if what was found at an address cannot become a device.
func adoptable(found []wattline.FoundPlug, address string, devices []wattline.Device) error {
	at, err := wattline.ParseAddress(address)
	if err != nil {
		return wattline.Invalid(wattline.FieldError{Field: "address", Reason: err.Error()})
	}
	is := func(text string) bool { other, err := wattline.ParseAddress(text); return err == nil && other == at }
	n := slices.IndexFunc(found, func(p wattline.FoundPlug) bool {
		return is(p.Address) || slices.ContainsFunc(p.Outlets, func(o wattline.FoundOutlet) bool { return is(o.Address) })
	})
	switch {
	case n < 0:
		return wattline.Errorf(wattline.CodeNotFound, "the search has found no plug at %.80q", address)
	case found[n].KLAP:
		return wattline.Errorf(wattline.CodeUnsupported, "the plug at %.80q has KLAP firmware and cannot be read", address)
	case len(found[n].Outlets) > 0 && at.Outlet == "":
		return wattline.Invalid(wattline.FieldError{Field: "address", Reason: "is that of a strip: give one of its outlets, such as " + found[n].Outlets[0].Address})
	}
	taken := slices.IndexFunc(devices, func(d wattline.Device) bool { return is(d.Address) })
	switch {
	case taken >= 0:
		return wattline.Errorf(wattline.CodeConflict, "the plug at %.80q is registered already, as %s", address, devices[taken].ID)
	case len(found[n].Devices) > 0 && len(found[n].Outlets) == 0:
		return wattline.Errorf(wattline.CodeConflict, "the plug at %.80q is registered already, as %s", address, found[n].Devices[0])
	}
	return nil
}
