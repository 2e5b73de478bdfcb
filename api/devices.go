package api

import (
	"encoding/json"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// DeviceItem is a device with what matters most of its state.
type DeviceItem struct {
	wattline.Device
	Availability wattline.Availability `json:"availability"`
	// Relay is the last known position; absent until the device has answered.
	Relay wattline.Relay `json:"relay,omitempty"`
	// PowerW is that of the last reading, in watts; absent without one.
	PowerW *wattline.Milli `json:"power_w,omitempty"`
	// Capabilities are what the device can do; absent until it has answered.
	Capabilities []wattline.Capability `json:"capabilities,omitempty"`
}

// DeviceList is a page of devices in the order of ids.
type DeviceList struct {
	Devices []DeviceItem `json:"devices"`
	// Next is the cursor of the page that follows; absent on the last page.
	Next string `json:"next,omitempty"`
}

const defaultDevicePage = 100

// listDevices godoc
//
//	@Summary		List devices
//	@Description	In the order of ids. A parameter that is left out lets every device pass.
//	@ID				listDevices
//	@Tags			devices
//	@Produce		json
//	@Param			location	query		string		false	"Location or a prefix of whole levels"	example(hq/f1)
//	@Param			kind		query		string		false	"Kind"	example(printer)
//	@Param			label		query		[]string	false	"name:value; several must all match"	collectionFormat(multi)
//	@Param			row			query		string		false	"Row of an open-plan room: of the label row, the location (…/r1/c2) or the id (sp_w.r1.c2)"	example(1)
//	@Param			column		query		string		false	"Column of it"	example(2)
//	@Param			type		query		string		false	"Type in an id of IoToad: w for workstations, g or m for meeting rooms, p for printers; of the label type, the id or the kind"	Enums(w, g, m, p)
//	@Param			state		query		string		false	"Availability"	Enums(up, down, stale, unknown)
//	@Param			limit		query		int			false	"Length of the page"	minimum(1)	maximum(1000)	default(100)
//	@Param			cursor		query		string		false	"next of the page before"
//	@Param			If-None-Match	header	string		false	"ETag of an answer that is kept"
//	@Success		200			{object}	DeviceList
//	@Success		304			"as kept"
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"broker_down"
//	@Router			/api/v1/devices [get]
func (g *Gateway) listDevices(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	selector := p.place()
	selector.Type = p.gridType()
	availability := wattline.Availability(p.enum("state", "", "up", "down", "stale", "unknown"))
	limit := p.limit(defaultDevicePage)
	at, _ := p.cursor(c.Request)
	if err := p.err(); err != nil {
		return err
	}
	if err := g.shadow.complete(); err != nil {
		return err
	}
	selector.All = selector.IsZero()
	list := DeviceList{Devices: []DeviceItem{}}
	for _, snap := range g.view(c).list() {
		if snap.id <= at.After || !selector.Matches(*snap.device) {
			continue
		}
		item := g.item(snap)
		if availability != "" && item.Availability != availability {
			continue
		}
		if len(list.Devices) == limit {
			list.Next = cursor{Query: p.digest(c.Request), After: list.Devices[limit-1].ID}.String()
			break
		}
		list.Devices = append(list.Devices, item)
	}
	body, err := json.Marshal(list)
	if err != nil {
		return err
	}
	return writeTagged(c, digestOf(body), jsonType, body)
}

// item is a device as it is listed.
func (g *Gateway) item(snap *snapshot) DeviceItem {
	state := g.fresh(snap).State
	item := DeviceItem{
		Device: *snap.device, Availability: state.Availability,
		Relay: state.Relay, Capabilities: state.Capabilities,
	}
	if snap.reading != nil {
		item.PowerW = &snap.reading.PowerW
	}
	return item
}

// getDevice godoc
//
//	@Summary	One device
//	@ID			getDevice
//	@Tags		devices
//	@Produce	json
//	@Param		id	path		string	true	"Device"	example(desk-1)
//	@Param		If-None-Match	header	string	false	"ETag of an answer that is kept"
//	@Success	200	{object}	DeviceItem
//	@Success	304	"as kept"
//	@Failure	400	{object}	Problem	"invalid"
//	@Failure	403	{object}	Problem	"forbidden"
//	@Failure	404	{object}	Problem	"not_found"
//	@Failure	429	{object}	Problem	"busy"
//	@Failure	500	{object}	Problem	"internal"
//	@Failure	503	{object}	Problem	"broker_down"
//	@Router		/api/v1/devices/{id} [get]
func (g *Gateway) getDevice(c *gin.Context) error {
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	body, tag, err := taggedItem(g.item(snap))
	if err != nil {
		return err
	}
	return writeTagged(c, tag, jsonType, body)
}

// device is the one that the path names.
func (g *Gateway) device(c *gin.Context) (*snapshot, error) {
	return g.view(c).device(c.Param("id"))
}
