package api

import (
	"fmt"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// WatchRequest is the body of POST watch.
type WatchRequest struct {
	// Seconds until the watch ends, unless it is asked for again; from 1 to 60.
	Seconds int `json:"seconds,omitempty" minimum:"1" maximum:"60" default:"60"`
}

// postWatch godoc
//
//	@Summary		Watch a device
//	@Description	Has the device polled every second for some seconds. Ask again before they are over to go on. The readings come with the live events, and are kept like others. A collector watches a bounded number of devices, for each token or user and in all.
//	@ID				postWatch
//	@Tags			live
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"Device"	example(desk-1)
//	@Param			body	body		WatchRequest	true	"For how long"
//	@Success		200		{object}	wattline.Watch
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		422		{object}	Problem	"unsupported"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/watch [post]
func (g *Gateway) postWatch(c *gin.Context) error {
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	most := int(wattline.MaxWatch.Seconds())
	request := WatchRequest{Seconds: most}
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	if request.Seconds < 1 || request.Seconds > most {
		return wattline.Invalid(wattline.FieldError{Field: "seconds", Reason: fmt.Sprintf("must lie between 1 and %d", most)})
	}
	return g.watch(c, snap, time.Duration(request.Seconds)*time.Second)
}

// deleteWatch godoc
//
//	@Summary		Stop watching a device
//	@Description	Ends your own watch. The device is polled as before when nobody else watches it.
//	@ID				deleteWatch
//	@Tags			live
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Success		200		{object}	wattline.Watch
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		422		{object}	Problem	"unsupported"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/watch [delete]
func (g *Gateway) deleteWatch(c *gin.Context) error {
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	return g.watch(c, snap, 0)
}

// watch asks the collector that polls the device.
func (g *Gateway) watch(c *gin.Context, snap *snapshot, lease time.Duration) error {
	collector, ok := g.collectorOf(snap)
	if !ok {
		return wattline.Errorf(wattline.CodeNoResponder, "no collector is there for site %.80q", snap.device.Site)
	}
	body, err := g.bus.Ask(c.Request.Context(), bus.Ask{
		Topic: wattline.Topic{
			Kind: wattline.TopicQuery, Component: wattline.RoleCollector, Instance: collector, Verb: wattline.VerbWatch,
		},
		Body:  wattline.WatchQuery{Device: snap.id, Holder: g.who(c).Name, LeaseS: wattline.Milli(lease.Milliseconds())},
		Actor: g.actor(c), Timeout: g.options.Limits.QueryTimeout,
	})
	if err != nil {
		return err
	}
	var watch wattline.Watch
	if err := decodeReply(body, &watch); err != nil {
		return err
	}
	return writeJSON(c, watch)
}
