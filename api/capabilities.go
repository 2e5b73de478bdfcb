package api

import (
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// CapabilityList is what devices, or one device, can do.
type CapabilityList struct {
	Capabilities []wattline.CapabilitySchema `json:"capabilities"`
}

// listCapabilities godoc
//
//	@Summary		What devices can do
//	@Description	All capabilities there are with their properties: labels, units, ranges and values, for front ends that show and switch devices without knowing their kind.
//	@ID				listCapabilities
//	@Tags			devices
//	@Produce		json
//	@Success		200	{object}	CapabilityList
//	@Failure		400	{object}	Problem	"invalid"
//	@Router			/api/v1/capabilities [get]
func (g *Gateway) listCapabilities(c *gin.Context) error {
	return writeJSON(c, CapabilityList{wattline.Capabilities()})
}

// getCapabilities godoc
//
//	@Summary		What a device can do
//	@Description	Its capabilities, none until it has answered for the first time. What its protection does not permit now is not among the settable values.
//	@ID				getCapabilities
//	@Tags			devices
//	@Produce		json
//	@Param			id	path		string	true	"Device"	example(desk-1)
//	@Success		200	{object}	CapabilityList
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		404	{object}	Problem	"not_found"
//	@Router			/api/v1/devices/{id}/capabilities [get]
func (g *Gateway) getCapabilities(c *gin.Context) error {
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	return writeJSON(c, CapabilityList{snap.device.Capabilities(g.fresh(snap).State, time.Now())})
}
