package api

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// The time that one POST /api/v1/commands may be given; more where nobody waits for
// the answer.
const (
	minCommandTime = 100 * time.Millisecond
	maxCommandTime = 60 * time.Second
	maxAsyncTime   = 10 * time.Minute
)

// CommandsRequest is the body of POST /api/v1/commands.
type CommandsRequest struct {
	// Selector chooses the devices: those that match all its parts.
	Selector wattline.Selector `json:"selector"`
	// Action is what each of them is to do.
	Action wattline.Action `json:"action"`
	// TimeoutS is the time for all of it, in seconds, from 0.1 to 60, or to 600 with
	// Prefer: respond-async; 10 unless given.
	TimeoutS wattline.Milli `json:"timeout_s,omitempty" example:"10" minimum:"0.1" maximum:"600" default:"10"`
	// DryRun sends nothing and says what would be sent, and what refused.
	DryRun bool `json:"dry_run,omitempty"`
}

// CommandsResponse says what became of a command at each device.
type CommandsResponse struct {
	// ID is that of the request: GET /api/v1/commands/{id} has it. A dry run has none.
	ID string `json:"id,omitempty"`
	// Results are in the order of device ids.
	Results []wattline.Result `json:"results"`
}

// postCommands godoc
//
//	@Summary		Switch many devices
//	@Description	One command to each device that the selector chooses. The answer says for each, in the order of ids, what became of it: done, unreachable, failed, refused (the code says why: protected, unsupported, or not_found for an id that the selector names and nobody has), not_sent (no controller or broker, or no time left), or timeout (the outcome is unknown). The status is 200 whatever the outcomes are. An id given twice counts once. A site switches on a configured number of devices a second, against inrush; those whose turn would come after the time given are not_sent. With dry_run nothing is sent, and the outcome of what would be is would_send.
//	@Description	With Prefer: respond-async the answer is 202 at once, and Location has the outcomes so far. With an Idempotency-Key the same request sent again within a day is answered as the first time, and carried out once, by the gateway that took it: where there are several, send it to the same one. A gateway remembers 10,000 keys of each token or user, and 64 MiB of answers; further ones are busy, and nothing is sent.
//	@ID				postCommands
//	@Tags			commands
//	@Accept			json
//	@Produce		json
//	@Param			Idempotency-Key	header		string			false	"1 to 255 characters, in quotes or bare, for this request alone"	example("8e03978e-40d5")
//	@Param			Prefer			header		string			false	"respond-async"	example(respond-async)
//	@Param			body			body		CommandsRequest	true	"Which devices, and what"
//	@Success		200				{object}	CommandsResponse
//	@Success		202				{object}	CommandStatus
//	@Header			202				{string}	Location	"where the outcomes are"
//	@Failure		400				{object}	Problem	"invalid"
//	@Failure		403				{object}	Problem	"forbidden"
//	@Failure		404				{object}	Problem	"not_found: with Prefer: respond-async or an Idempotency-Key, none of the ids is a device"
//	@Failure		409				{object}	Problem	"conflict: the same request is under way"
//	@Failure		413				{object}	Problem	"too_large"
//	@Failure		415				{object}	Problem	"unsupported_media_type"
//	@Failure		422				{object}	Problem	"key_reused: the Idempotency-Key was used for another request"
//	@Failure		429				{object}	Problem	"busy; with an Idempotency-Key also where no further one can be remembered"
//	@Failure		500				{object}	Problem	"internal"
//	@Failure		503				{object}	Problem	"broker_down"
//	@Router			/api/v1/commands [post]
func (g *Gateway) postCommands(c *gin.Context) error {
	request := CommandsRequest{TimeoutS: wattline.Milli(g.options.Limits.CommandTimeout.Milliseconds())}
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	async := prefersAsync(c)
	if err := request.validate(async); err != nil {
		return err
	}
	key, keyed, err := idempotencyKey(c)
	if err != nil {
		return err
	}
	if err := decided(g.who(c), access.Operate, wattline.Device{}); err != nil {
		g.ended(c.Request.Context(), g.origin(c), order{action: request.Action}.entry(""), err)
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
	o := order{
		action: request.Action, by: g.origin(c), view: g.view(c), still: g.standing(c),
		timeout: time.Duration(request.TimeoutS) * time.Millisecond,
	}
	switch {
	case request.DryRun:
		return writeJSON(c, CommandsResponse{Results: g.rehearse(ids, o)})
	case keyed || async:
		b := newBatch(ids, o)
		if err := g.refuseUnknown(c.Request.Context(), b); err != nil {
			return err
		}
		if keyed {
			return g.commandOnce(c, g.claimFor(c, key, request), b, async)
		}
		return g.commandLater(c, b)
	}
	return g.commandNow(c, newBatch(ids, o))
}

// refuseUnknown is the error of a request whose ids nobody has. It is in the audit and
// not kept on disk otherwise.
func (g *Gateway) refuseUnknown(ctx context.Context, b batch) error {
	if len(b.commands) == 0 || len(b.toDevices().commands) > 0 {
		return nil
	}
	for _, command := range b.commands {
		g.ended(ctx, b.by, b.entry(command.Device), b.view.missing(command.Device))
	}
	return b.view.missing(b.commands[0].Device)
}

// commandNow carries out a batch while the client waits. One that goes away leaves
// what is not sent yet unsent.
func (g *Gateway) commandNow(c *gin.Context, b batch) error {
	g.options.Commands.Note(b.toDevices().noted())
	return writeJSON(c, CommandsResponse{ID: b.id, Results: g.commandAll(c.Request.Context(), b)})
}

// commandLater begins a batch and answers at once.
func (g *Gateway) commandLater(c *gin.Context, b batch) error {
	if err := g.begin(c, b); err != nil {
		return err
	}
	return g.writeAccepted(c, b.id)
}

// writeAccepted answers 202 with where the outcomes are, and those so far.
func (g *Gateway) writeAccepted(c *gin.Context, id string) error {
	status, err := g.commandStatus(c, id)
	if err != nil && wattline.AsError(err).Code != wattline.CodeNotFound {
		return err
	}
	c.Header("Location", "/api/v1/commands/"+id)
	c.Header("Preference-Applied", respondAsync)
	return writeJSONStatus(c, http.StatusAccepted, status)
}

// validate reports every fault, with its path in the body. There is more time where
// nobody waits.
func (r CommandsRequest) validate(async bool) error {
	var faults wattline.Faults
	if invalid, is := errors.AsType[*wattline.Error](r.Selector.Validate()); is {
		for _, fault := range invalid.Fields {
			if fault.Field != "selector" {
				fault.Field = "selector." + fault.Field
			}
			faults = append(faults, fault)
		}
	}
	if !r.Action.Valid() {
		faults.Add("action", "must be on, off, led_on or led_off")
	}
	most := maxCommandTime
	if async {
		most = maxAsyncTime
	}
	if given := time.Duration(r.TimeoutS) * time.Millisecond; given < minCommandTime || given > most {
		faults.Add("timeout_s", "must lie between %v and %.0f", minCommandTime.Seconds(), most.Seconds())
	}
	return faults[:min(len(faults), maxFields)].Err()
}
