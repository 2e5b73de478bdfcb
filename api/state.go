package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// getState godoc
//
//	@Summary		State and last reading of a device
//	@Description	What is known is answered at once. With refresh=true the plug is asked now. A device whose collector is not heard of any more is stale, with the error class no_collector.
//	@ID				getState
//	@Tags			devices
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			refresh	query		bool	false	"Ask the plug"	default(false)
//	@Success		200		{object}	wattline.FreshState
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		502		{object}	Problem	"device_unreachable, device_error"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/state [get]
func (g *Gateway) getState(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	refresh := p.boolean("refresh")
	if err := p.err(); err != nil {
		return err
	}
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	if refresh {
		fresh, err := g.refresh(c.Request.Context(), snap, g.actor(c))
		if err != nil {
			return err
		}
		return writeJSON(c, fresh)
	}
	body, err := snap.body(g.collectorAlive(snap))
	if err != nil {
		return err
	}
	writeBody(c, http.StatusOK, body)
	return nil
}

func (g *Gateway) fresh(snap *snapshot) wattline.FreshState {
	return snap.fresh(g.collectorAlive(snap))
}

func (g *Gateway) collectorAlive(snap *snapshot) bool {
	return snap.state == nil || g.shadow.alive(snap.state.Collector)
}

// refresh asks the collector that polls the device, or another that can reach
// it, to ask the plug.
func (g *Gateway) refresh(ctx context.Context, snap *snapshot, actor string) (wattline.FreshState, error) {
	var fresh wattline.FreshState
	collector, ok := g.collectorOf(snap)
	if !ok {
		return fresh, wattline.Errorf(wattline.CodeNoResponder, "no collector is there for site %.80q", snap.device.Site)
	}
	body, err := g.bus.Ask(ctx, bus.Ask{
		Topic: wattline.Topic{
			Kind: wattline.TopicQuery, Component: wattline.RoleCollector, Instance: collector, Verb: wattline.VerbRead,
		},
		Body: wattline.GetQuery{Device: snap.id}, Actor: actor, Timeout: g.options.Limits.QueryTimeout,
	})
	if err != nil {
		return fresh, err
	}
	if err := decodeReply(body, &fresh); err != nil {
		return fresh, err
	}
	if fresh.State.Device != snap.id {
		return fresh, wattline.Errorf(wattline.CodeInternal, "the collector answered for another device")
	}
	unnumber(fresh.Reading)
	return fresh, nil
}

func (g *Gateway) collectorOf(snap *snapshot) (instance string, ok bool) {
	if snap.state != nil && snap.state.Collector != "" && g.shadow.alive(snap.state.Collector) {
		return snap.state.Collector, true
	}
	return g.bus.Pick(wattline.RoleCollector, snap.device.Site)
}

// decodeReply reads what one of our own components answered. That it cannot be
// read is not the client's fault.
func decodeReply(body []byte, into any) error {
	if err := strictjson.DecodeLoose(body, into); err != nil {
		return wattline.Errorf(wattline.CodeInternal, "the answer could not be read: %w", err)
	}
	return nil
}
