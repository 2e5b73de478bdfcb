package api

import (
	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// postRebuild godoc
//
//	@Summary		Make quarter-hours anew
//	@Description	Makes the summaries that consumption is answered from anew out of the raw readings of [from, to), whole UTC days, as far as those are still kept, and leaves alone what was right. Without devices, of all that the store has. Each request does a part: send it again with next as the cursor until there is no next.
//	@ID				postRebuild
//	@Tags			system
//	@Accept			json
//	@Produce		json
//	@Param			request	body		wattline.RebuildQuery	true	"What to make anew"
//	@Success		200		{object}	wattline.RebuildPage
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/system/history/rebuild [post]
func (g *Gateway) postRebuild(c *gin.Context) error {
	var query wattline.RebuildQuery
	if err := g.readBody(c, &query); err != nil {
		return err
	}
	var page wattline.RebuildPage
	err := g.askHistory(c.Request.Context(), wattline.VerbRebuild, bus.Ask{Body: query, Actor: g.actor(c)}, &page)
	if err != nil {
		return err
	}
	return writeJSON(c, page)
}
