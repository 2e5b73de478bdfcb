package api

import (
	"fmt"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/audit"
)

const (
	auditLift    = "protection.lift"
	auditRestore = "protection.restore"
)

// LiftRequest sets a protection aside.
type LiftRequest struct {
	// ForS is for how long, in seconds.
	ForS wattline.Milli `json:"for_s" example:"1800" minimum:"60" maximum:"86400"`
	// Reason is why, in one line.
	Reason string `json:"reason" example:"the fridge is defrosted"`
}

// liftProtection godoc
//
//	@Summary		Lift a protection
//	@Description	For a time, at most a day, and for a reason: until then the device is switched like any other. Also for devices of the configuration file. A lift takes the place of one that is there.
//	@ID				liftProtection
//	@Tags			devices
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			If-Match	header	string	false	"ETag of the description that this takes the place of; a conflict if it has changed since"
//	@Param			body	body		LiftRequest	true	"For how long, and why"
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
//	@Router			/api/v1/devices/{id}/lift [post]
func (g *Gateway) liftProtection(c *gin.Context) error {
	return g.lift(c, auditLift, func() (query wattline.LiftQuery, err error) {
		var request LiftRequest
		if err := g.readBody(c, &request); err != nil {
			return query, err
		}
		query = wattline.LiftQuery{Device: c.Param("id"), ForS: request.ForS, Reason: request.Reason, By: g.who(c).Name}
		if request.ForS == 0 {
			return query, wattline.Invalid(wattline.FieldError{
				Field: "for_s", Reason: fmt.Sprintf("must lie between %.0f and %.0f", wattline.MinLift.Seconds(), wattline.MaxLift.Seconds()),
			})
		}
		return query, query.Validate()
	})
}

// endLift godoc
//
//	@Summary		End a lift
//	@Description	The protection holds again at once. It does so by itself when the time is over.
//	@ID				endLift
//	@Tags			devices
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			If-Match	header	string	false	"ETag of the description that this takes the place of; a conflict if it has changed since"
//	@Success		200	{object}	DeviceItem
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		409		{object}	Problem	"conflict"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/lift [delete]
func (g *Gateway) endLift(c *gin.Context) error {
	return g.lift(c, auditRestore, func() (wattline.LiftQuery, error) {
		return wattline.LiftQuery{Device: c.Param("id")}, nil
	})
}

// lift changes the lift of the path's device.
func (g *Gateway) lift(c *gin.Context, action string, read func() (wattline.LiftQuery, error)) error {
	lifted, err := g.register(c, audit.Entry{Action: action, Device: c.Param("id")}, func() (asked wish, err error) {
		if _, err := g.own(c); err != nil {
			return asked, err
		}
		query, err := read()
		asked = wish{wattline.VerbLift, query, ""}
		if query.ForS != 0 {
			asked.detail = fmt.Sprintf("for %s s: %s", query.ForS, query.Reason)
		}
		return asked, err
	})
	if err != nil {
		return err
	}
	return g.writeDevice(c, http.StatusOK, lifted)
}
