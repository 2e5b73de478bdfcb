package api

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
)

// The time that one POST /api/v1/commands may be given.
const (
	minCommandTime = 100 * time.Millisecond
	maxCommandTime = 60 * time.Second
)

// CommandsRequest is the body of POST /api/v1/commands.
type CommandsRequest struct {
	// Selector chooses the devices: those that match all its parts.
	Selector wattline.Selector `json:"selector"`
	// Action is what each of them is to do.
	Action wattline.Action `json:"action"`
	// TimeoutS is the time for all of it, in seconds, from 0.1 to 60; 10 unless given.
	TimeoutS wattline.Milli `json:"timeout_s,omitempty" example:"10" minimum:"0.1" maximum:"60" default:"10"`
}

// CommandsResponse says what became of a command at each device.
type CommandsResponse struct {
	// Results are in the order of device ids.
	Results []wattline.Result `json:"results"`
}

// postCommands godoc
//
//	@Summary		Switch many devices
//	@Description	One command to each device that the selector chooses. The answer says for each, in the order of ids, what became of it: done, unreachable, failed, refused (the code says why: protected, unsupported, or not_found for an id that the selector names and nobody has), not_sent (no collector or broker, or no time left), or timeout (the outcome is unknown). The status is 200 whatever the outcomes are. An id given twice counts once.
//	@ID				postCommands
//	@Tags			commands
//	@Accept			json
//	@Produce		json
//	@Param			body	body		CommandsRequest	true	"Which devices, and what"
//	@Success		200		{object}	CommandsResponse
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"broker_down"
//	@Router			/api/v1/commands [post]
func (g *Gateway) postCommands(c *gin.Context) error {
	if err := noQuery(c); err != nil {
		return err
	}
	request := CommandsRequest{TimeoutS: wattline.Milli(g.options.Limits.CommandTimeout.Milliseconds())}
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	if err := request.validate(); err != nil {
		return err
	}
	ids, err := g.view(c).targets(request.Selector)
	if err != nil {
		return err
	}
	if most := g.options.Limits.CommandDevices; len(ids) > most {
		return wattline.Invalid(wattline.FieldError{
			Field: "selector", Reason: fmt.Sprintf("chooses %d devices; one request may command %d", len(ids), most),
		})
	}
	results := g.commandAll(c.Request.Context(), ids, order{
		action: request.Action, by: g.origin(c), view: g.view(c),
		timeout: time.Duration(request.TimeoutS) * time.Millisecond,
	})
	return writeJSON(c, CommandsResponse{Results: results})
}

// validate reports every fault, with its path in the body.
func (r CommandsRequest) validate() error {
	var faults []wattline.FieldError
	if invalid, is := errors.AsType[*wattline.Error](r.Selector.Validate()); is {
		for _, fault := range invalid.Fields {
			if fault.Field != "selector" {
				fault.Field = "selector." + fault.Field
			}
			faults = append(faults, fault)
		}
	}
	if !r.Action.Valid() {
		faults = append(faults, wattline.FieldError{Field: "action", Reason: "must be on, off, led_on or led_off"})
	}
	if given := time.Duration(r.TimeoutS) * time.Millisecond; given < minCommandTime || given > maxCommandTime {
		faults = append(faults, wattline.FieldError{
			Field: "timeout_s", Reason: fmt.Sprintf("must lie between %v and %.0f", minCommandTime.Seconds(), maxCommandTime.Seconds()),
		})
	}
	if len(faults) > 0 {
		return wattline.Invalid(faults[:min(len(faults), maxFields)]...)
	}
	return nil
}

// commandAll gives an order to each device, some at a time, and returns one
// result for each in the same order.
func (g *Gateway) commandAll(ctx context.Context, ids []string, o order) []wattline.Result {
	ctx, cancel := context.WithTimeout(ctx, o.timeout)
	defer cancel()
	results := make([]wattline.Result, len(ids))
	var group errgroup.Group
	group.SetLimit(g.options.Limits.CommandsInFlight)
	for i, id := range ids {
		group.Go(func() error {
			results[i] = g.commandOne(ctx, id, o)
			return nil
		})
	}
	_ = group.Wait() // none returns an error: each has its own result
	return results
}

// commandOne is the result of an order at one device, whatever happens.
func (g *Gateway) commandOne(ctx context.Context, id string, o order) wattline.Result {
	result, err := g.tryCommand(ctx, id, o)
	if err == nil {
		return result
	}
	problem := problemOf(err, "")
	result = wattline.FailedResult(wattline.Command{Device: id, Action: o.action},
		&wattline.Error{Code: problem.Code, Message: problem.Detail}, wattline.At(time.Now()))
	result.ID = problem.CommandID
	return result
}

func (g *Gateway) tryCommand(ctx context.Context, id string, o order) (wattline.Result, error) {
	snap, known := o.view.find(id)
	if !known {
		err := o.view.missing(id)
		g.ended(ctx, o.by, o.entry(id), err)
		return wattline.Result{}, err
	}
	deadline, _ := ctx.Deadline()
	if o.timeout = time.Until(deadline); o.timeout <= 0 || ctx.Err() != nil {
		return wattline.Result{}, wattline.Errorf(wattline.CodeBusy, "the time given was over before this device's turn")
	}
	return g.command(ctx, snap, o)
}
