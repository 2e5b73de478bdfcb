package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/audit"
)

// What the audit calls what is done to the registry.
const (
	auditAdd    = "device.add"
	auditChange = "device.change"
	auditRemove = "device.remove"
)

// createDevice godoc
//
//	@Summary		Add a device
//	@Description	The registry keeps it and tells everybody; it is polled from then on. Its address must lie within the configured networks. Ids are unique in the installation: one that is taken is a conflict, also where whoever asks may not see the device that has it.
//	@ID				createDevice
//	@Tags			devices
//	@Accept			json
//	@Produce		json
//	@Param			body	body		DeviceRequest	true	"The device"
//	@Success		201	{object}	DeviceItem
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices [post]
func (g *Gateway) createDevice(c *gin.Context) error {
	var request DeviceRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	return g.addDevice(c, request)
}

// addDevice makes a device that there is not yet.
func (g *Gateway) addDevice(c *gin.Context, request DeviceRequest) error {
	device, err := request.device(g.options.Site)
	if err != nil {
		return err
	}
	made, err := g.register(c, audit.Entry{Action: auditAdd, Device: device.ID}, func() (wish, error) {
		detail := detailOf(differences(wattline.Device{}, device))
		asked := wish{wattline.VerbPut, wattline.PutQuery{Device: device}, detail}
		if err := g.mayHave(c, device); err != nil {
			return asked, err
		}
		return asked, g.mayRevive(c, device.ID)
	})
	if err != nil {
		return err
	}
	return g.writeDevice(c, http.StatusCreated, made)
}

// replaceDevice godoc
//
//	@Summary		Change a device
//	@Description	Gives it another description as a whole; what is left out takes its default. With If-None-Match: * it is added instead. A device that is declared in the configuration file is changed there only: a conflict.
//	@ID				replaceDevice
//	@Tags			devices
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			If-Match	header	string	false	"ETag of the description that this takes the place of; a conflict if it has changed since"
//	@Param			If-None-Match	header	string	false	"*: make it, only if there is no such device yet"
//	@Param			body	body		DeviceRequest	true	"The device"
//	@Success		200	{object}	DeviceItem
//	@Success		201	{object}	DeviceItem
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id} [put]
func (g *Gateway) replaceDevice(c *gin.Context) error {
	isNew, err := onlyIfNew(c.Request.Header)
	if err != nil {
		return err
	}
	if !isNew {
		return g.changeDevice(c, func(wattline.Device) (request DeviceRequest, err error) {
			err = g.readBody(c, &request)
			return request, err
		})
	}
	var request DeviceRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	if err := request.name(c.Param("id")); err != nil {
		return err
	}
	return g.addDevice(c, request)
}

// patchDevice godoc
//
//	@Summary		Change parts of a device
//	@Description	A JSON merge patch (RFC 7396): what is left out stays, null takes a field or a label away.
//	@ID				patchDevice
//	@Tags			devices
//	@Accept			application/merge-patch+json,json
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			If-Match	header	string	false	"ETag of the description that this takes the place of; a conflict if it has changed since"
//	@Param			body	body		DevicePatch	true	"What to change"
//	@Success		200	{object}	DeviceItem
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id} [patch]
func (g *Gateway) patchDevice(c *gin.Context) error {
	return g.changeDevice(c, func(had wattline.Device) (request DeviceRequest, err error) {
		patch, err := g.readRaw(c, "application/merge-patch+json", "application/json")
		if err != nil {
			return request, err
		}
		return patched(had, patch.content)
	})
}

// changeDevice gives the path's device the description that is made of the one it has.
func (g *Gateway) changeDevice(c *gin.Context, describe func(had wattline.Device) (DeviceRequest, error)) error {
	changed, err := g.register(c, audit.Entry{Action: auditChange, Device: c.Param("id")}, func() (asked wish, err error) {
		had, err := g.own(c)
		if err != nil {
			return asked, err
		}
		request, err := describe(had)
		if err != nil {
			return asked, err
		}
		if err := request.name(had.ID); err != nil {
			return asked, err
		}
		device, err := request.device(g.options.Site)
		if err != nil {
			return asked, err
		}
		asked = wish{wattline.VerbPut, wattline.PutQuery{Device: device, Version: had.Version}, detailOf(differences(had, device))}
		return asked, g.mayHave(c, device)
	})
	if err != nil {
		return err
	}
	return g.writeDevice(c, http.StatusOK, changed)
}

// deleteDevice godoc
//
//	@Summary		Remove a device
//	@Description	It is not polled or switched any more. What was measured stays in the store.
//	@ID				deleteDevice
//	@Tags			devices
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			If-Match	header	string	false	"ETag of the description that this takes the place of; a conflict if it has changed since"
//	@Success		204
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id} [delete]
func (g *Gateway) deleteDevice(c *gin.Context) error {
	was, err := g.register(c, audit.Entry{Action: auditRemove, Device: c.Param("id")}, func() (asked wish, err error) {
		had, err := g.own(c)
		return wish{wattline.VerbDelete, wattline.DeleteQuery{Device: had.ID, Version: had.Version}, ""}, err
	})
	if err != nil {
		return err
	}
	if err := g.shadow.dropDevice(was); err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}
