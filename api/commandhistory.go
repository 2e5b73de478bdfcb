package api

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
)

// CommandStatus is how far a request has come, or one command.
type CommandStatus struct {
	ID string `json:"id"`
	// Done says that no outcome is pending any more.
	Done bool `json:"done"`
	// Pending is how many outcomes are.
	Pending int `json:"pending"`
	// Results are in the order of device ids, of the devices that you may see.
	Results []wattline.CommandRecord `json:"results"`
}

// CommandList is a page of commands to a device, the newest first.
type CommandList struct {
	Commands []wattline.CommandRecord `json:"commands"`
	// Next is the cursor of the page that follows; absent on the last page.
	Next string `json:"next,omitempty"`
}

// getCommand godoc
//
//	@Summary		What became of commands
//	@Description	The outcomes so far of a request to switch many devices, or of one command, by the id of either. A timeout is an outcome that is unknown; it changes, with late set, if the controller's word comes after all. An outcome that is not pending and not timeout stays. Commands are kept for 90 days, by the gateway that was asked.
//	@ID				getCommand
//	@Tags			commands
//	@Produce		json
//	@Param			id	path		string	true	"Of the request or the command"	example(qjx4rz5rwhmbywzb6kcyvnvt2v)
//	@Success		200	{object}	CommandStatus
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		403	{object}	Problem	"forbidden"
//	@Failure		404	{object}	Problem	"not_found"
//	@Failure		429	{object}	Problem	"busy"
//	@Failure		500	{object}	Problem	"internal"
//	@Failure		503	{object}	Problem	"broker_down"
//	@Router			/api/v1/commands/{id} [get]
func (g *Gateway) getCommand(c *gin.Context) error {
	id := c.Param("id")
	if err := wattline.CheckID(id); err != nil {
		return wattline.Invalid(wattline.FieldError{Field: "id", Reason: err.Error()})
	}
	status, err := g.commandStatus(c, id)
	if err != nil {
		return err
	}
	return writeJSON(c, status)
}

// commandStatus is what the client may see of a request or a command. Where that is
// nothing, there is none.
func (g *Gateway) commandStatus(c *gin.Context, id string) (CommandStatus, error) {
	status := CommandStatus{ID: id, Results: []wattline.CommandRecord{}}
	if err := g.shadow.complete(); err != nil {
		return status, err
	}
	records, err := g.options.Commands.Find(c.Request.Context(), id)
	if err != nil {
		return status, err
	}
	v := g.view(c)
	status.Results = append(status.Results, slices.DeleteFunc(records, func(r wattline.CommandRecord) bool {
		_, seen := v.find(r.Device)
		// Whoever was told that there is no such device named it.
		return !seen && (r.Code != wattline.CodeNotFound || giver(r.Actor) != v.who.Name)
	})...)
	for _, record := range status.Results {
		if record.Outcome == wattline.OutcomePending {
			status.Pending++
		}
	}
	status.Done = status.Pending == 0
	if len(status.Results) == 0 {
		return status, wattline.Errorf(wattline.CodeNotFound, "there is no command %.80q", id)
	}
	return status, nil
}

// giver is the name in an actor; it may be an email address.
func giver(actor string) string { return actor[:max(0, strings.LastIndexByte(actor, '@'))] }

const defaultCommandPage = 100

// listCommands godoc
//
//	@Summary		The commands to a device
//	@Description	The newest first, those of others included: whatever its controller carried out or refused.
//	@ID				listCommands
//	@Tags			commands
//	@Produce		json
//	@Param			id		path		string	true	"Device"	example(desk-1)
//	@Param			limit	query		int		false	"Length of the page"	minimum(1)	maximum(1000)	default(100)
//	@Param			cursor	query		string	false	"next of the page before"
//	@Success		200		{object}	CommandList
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		503		{object}	Problem	"broker_down"
//	@Router			/api/v1/devices/{id}/commands [get]
func (g *Gateway) listCommands(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	limit := p.limit(defaultCommandPage)
	var before int64
	if at, given := p.cursor(c.Request); given {
		if before, err = strconv.ParseInt(at.After, 10, 64); err != nil || before < 1 {
			p.fail("cursor", cursorReason)
		}
	}
	if err := p.err(); err != nil {
		return err
	}
	snap, err := g.device(c)
	if err != nil {
		return err
	}
	records, next, err := g.options.Commands.Of(c.Request.Context(), snap.id, before, limit)
	if err != nil {
		return err
	}
	list := CommandList{Commands: append([]wattline.CommandRecord{}, records...)}
	if next > 0 {
		list.Next = cursor{Query: p.digest(c.Request), After: strconv.FormatInt(next, 10)}.String()
	}
	return writeJSON(c, list)
}

const (
	// commandEvent is the type of the events by which controllers tell results.
	commandEvent = "command"
	// commandEvents is how many of them may wait to be noted.
	commandEvents = 4096
)

// hearCommands notes what controllers say became of commands, until it is undone.
func (g *Gateway) hearCommands() (undo func(), err error) {
	options := bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicEvent, Event: commandEvent}, Queue: commandEvents, Name: "gateway-commands",
	}
	return g.bus.Subscribe(options, func(_ context.Context, message bus.Message) {
		var result wattline.Result
		if message.Topic.Event != commandEvent || message.Retained ||
			strictjson.DecodeLoose(message.Payload, &result) != nil || result.Validate() != nil {
			return
		}
		now := time.Now()
		if result.Time.After(now) { // a clock that is ahead
			result.Time = wattline.At(now)
		}
		g.options.Commands.Heard(result, now)
	})
}
