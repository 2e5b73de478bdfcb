package api

import (
	"context"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/bus"
)

// SwitchRequest is the body of PUT relay and PUT led.
type SwitchRequest struct {
	// State is the position to take.
	State wattline.Relay `json:"state"`
}

// putRelay godoc
//
//	@Summary		Switch a device on or off
//	@Description	Answers when the plug was switched and its relay read back. After a timeout the outcome is unknown; to repeat the request does no harm.
//	@ID				putRelay
//	@Tags			commands
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"Device"	example(desk-1)
//	@Param			body	body		SwitchRequest	true	"Position"
//	@Success		200		{object}	wattline.Result
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		422		{object}	Problem	"unsupported"
//	@Failure		423		{object}	Problem	"protected"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		502		{object}	Problem	"device_unreachable, device_error"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/relay [put]
func (g *Gateway) putRelay(c *gin.Context) error {
	return g.switchDevice(c, wattline.ActionOn, wattline.ActionOff)
}

// putLED godoc
//
//	@Summary		Switch a device's light on or off
//	@Description	The light says nothing of the relay. Protected devices take this too.
//	@ID				putLED
//	@Tags			commands
//	@Accept			json
//	@Produce		json
//	@Param			id		path		string			true	"Device"	example(desk-1)
//	@Param			body	body		SwitchRequest	true	"Position"
//	@Success		200		{object}	wattline.Result
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		422		{object}	Problem	"unsupported"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		502		{object}	Problem	"device_unreachable, device_error"
//	@Failure		503		{object}	Problem	"no_responder, broker_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/devices/{id}/led [put]
func (g *Gateway) putLED(c *gin.Context) error {
	return g.switchDevice(c, wattline.ActionLEDOn, wattline.ActionLEDOff)
}

func (g *Gateway) switchDevice(c *gin.Context, on, off wattline.Action) error {
	var request SwitchRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	o := order{by: g.origin(c), view: g.view(c), still: g.standing(c), timeout: g.options.Limits.CommandTimeout}
	switch request.State {
	case wattline.RelayOn:
		o.action = on
	case wattline.RelayOff:
		o.action = off
	default:
		return wattline.Invalid(wattline.FieldError{Field: "state", Reason: `must be "on" or "off"`})
	}
	ctx := c.Request.Context()
	snap, err := g.device(c)
	if err != nil {
		g.ended(ctx, o.by, o.entry(c.Param("id")), err)
		return err
	}
	b := newBatch([]string{snap.id}, o)
	b.id = b.commands[0].ID
	b.order.id = b.id
	g.options.Commands.Note(b.noted())
	result, err := g.command(ctx, snap, b.order)
	if err != nil {
		g.noteEnd(b.id, b.order, failedResult(b.commands[0], err))
		return err
	}
	g.noteEnd(b.id, b.order, result)
	return writeJSON(c, result)
}

// order is what is to be done to one or many devices, for whom, and how soon.
type order struct {
	// id is the command's.
	id      string
	action  wattline.Action
	by      origin
	view    view
	timeout time.Duration
	// still is an error once who gave it may not any more.
	still func() error
}

// command has a device's controller carry out an order and waits for the
// outcome. Whatever is not done is an error; one that was sent is a
// *commandError. The audit has both that it was tried and what became of it.
func (g *Gateway) command(ctx context.Context, snap *snapshot, o order) (result wattline.Result, err error) {
	entry := o.entry(snap.id)
	if err := o.permitted(snap); err != nil {
		g.ended(ctx, o.by, entry, err)
		return wattline.Result{}, err
	}
	entry.Detail = "command " + o.id
	err = g.audited(ctx, o.by, entry, func() error {
		result, err = g.sendCommand(ctx, snap, o)
		return err
	})
	return result, err
}

// entry is what the audit keeps of an order to a device.
func (o order) entry(device string) audit.Entry {
	return audit.Entry{Action: "command." + string(o.action), Device: device}
}

// permitted is an error where who gives the order may not, or the device may not or
// cannot be commanded.
func (o order) permitted(snap *snapshot) error {
	if err := decided(o.view.who, access.Switch, *snap.device); err != nil {
		return err
	}
	return allowed(snap, o.action)
}

// holds is an error where it would not be sent if it were given now.
func (o order) holds(device string) error {
	snap, err := o.find(device)
	if err != nil {
		return err
	}
	return o.permitted(snap)
}

// find is a device, as long as who gave the order may do what they could then.
func (o order) find(device string) (*snapshot, error) {
	if err := o.still(); err != nil {
		return nil, err
	}
	snap, known := o.view.find(device)
	if !known {
		return nil, o.view.missing(device)
	}
	return snap, nil
}

func (g *Gateway) sendCommand(ctx context.Context, snap *snapshot, o order) (wattline.Result, error) {
	done := g.handed.add(o.id, func() error { return o.holds(snap.id) })
	defer done()
	body, err := g.bus.Ask(ctx, bus.Ask{
		ID:    o.id,
		Topic: wattline.Topic{Kind: wattline.TopicCommand, Site: snap.device.Site, Device: snap.id},
		Body:  wattline.Command{Device: snap.id, Action: o.action, Confirm: o.action == wattline.ActionOn},
		Actor: o.by.actor(), Timeout: o.timeout,
	})
	if err != nil {
		return wattline.Result{}, &commandError{o.id, err}
	}
	var result wattline.Result
	if err := decodeReply(body, &result); err != nil {
		return wattline.Result{}, &commandError{o.id, err}
	}
	switch {
	case result.Code != "":
		return wattline.Result{}, &commandError{o.id, &wattline.Error{Code: result.Code, Message: result.Message}}
	case result.Device != snap.id || result.Action != o.action || result.Outcome != wattline.OutcomeDone:
		return wattline.Result{}, &commandError{o.id, wattline.Errorf(wattline.CodeInternal, "the controller's answer is not one to this command")}
	}
	result.ID = o.id
	g.shadow.switched(result)
	return result, nil
}

// allowed refuses what the device may not or cannot do. The controller checks
// it again.
func allowed(snap *snapshot, action wattline.Action) error {
	if err := snap.device.Permits(action, time.Now()); err != nil {
		return err
	}
	needs := action.Needs()
	if snap.state != nil && len(snap.state.Capabilities) > 0 && !snap.state.Can(needs) {
		return wattline.Errorf(wattline.CodeUnsupported, "device %q has no %s", snap.id, needs)
	}
	return nil
}
