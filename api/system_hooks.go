package api

import (
	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// HookList is the body of GET /api/v1/system/hooks.
type HookList struct {
	// Hooks are those that are alive, by instance.
	Hooks []HookItem `json:"hooks"`
}

// HookItem is how a hook does, or why it is not known.
type HookItem struct {
	Instance string               `json:"instance" example:"wattline-9f2c41aa"`
	Status   *wattline.HookStatus `json:"status,omitempty"`
	Error    *wattline.Error      `json:"error,omitempty"`
}

// listHooks godoc
//
//	@Summary		How the hooks do
//	@Description	Every hook that is alive is asked: whether its store takes readings, what waits in its memory, how far it has got in each collector's stream, and how many dead letters it keeps. One that does not answer is listed with the error.
//	@ID				listHooks
//	@Tags			system
//	@Produce		json
//	@Success		200	{object}	HookList
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		403	{object}	Problem	"forbidden"
//	@Failure		429	{object}	Problem	"busy"
//	@Router			/api/v1/system/hooks [get]
func (g *Gateway) listHooks(c *gin.Context) error {
	list := HookList{Hooks: []HookItem{}}
	for _, one := range askAll[wattline.HookStatus](g, c, wattline.RoleHook, wattline.VerbStatus) {
		list.Hooks = append(list.Hooks, HookItem{one.instance, one.status, one.err})
	}
	return writeJSON(c, list)
}

// listDeadLetters godoc
//
//	@Summary		Readings that a store refused
//	@Description	In the order in which they were refused, each with the store's reason, what it means and what to do. A conflict says that letters were sent again or dropped since the page before: begin anew.
//	@ID				listDeadLetters
//	@Tags			system
//	@Produce		json
//	@Param			instance	path		string	true	"Hook"	example(wattline-9f2c41aa)
//	@Param			after		query		string	false	"next of the page before"
//	@Param			limit		query		int		false	"Length of the page"	default(100)	minimum(1)	maximum(1000)
//	@Success		200			{object}	wattline.DeadLetterPage
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		409			{object}	Problem	"conflict"
//	@Failure		429			{object}	Problem	"busy"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/system/hooks/{instance}/dead-letters [get]
func (g *Gateway) listDeadLetters(c *gin.Context) error {
	instance, err := pathName(c, "instance")
	if err != nil {
		return err
	}
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	query := wattline.DeadLettersQuery{Limit: p.limit(defaultLetters)}
	query.After, _ = p.text("after")
	if err := p.err(); err != nil {
		return err
	}
	var page wattline.DeadLetterPage
	err = g.askOne(c, toInstance{
		role: wattline.RoleHook, instance: instance, verb: wattline.VerbDeadLetters, body: query,
	}, &page)
	if err != nil {
		return err
	}
	return writeJSON(c, page)
}

const defaultLetters = 100

// resendDeadLetters godoc
//
//	@Summary		Send dead letters again
//	@Description	Writes them to the store again. Those that it takes are no longer kept; those that it refuses are, with the new reason and one try more. A repeat does no harm. One request deals with up to 10,000; while the answer has a next, ask again with it as after.
//	@ID				resendDeadLetters
//	@Tags			system
//	@Accept			json
//	@Produce		json
//	@Param			instance	path		string					true	"Hook"	example(wattline-9f2c41aa)
//	@Param			body		body		wattline.ResendQuery	true	"Some by their ids, or all"
//	@Success		200			{object}	wattline.Resent
//	@Failure		400			{object}	Problem	"invalid"
//	@Failure		403			{object}	Problem	"forbidden"
//	@Failure		409			{object}	Problem	"conflict"
//	@Failure		413			{object}	Problem	"too_large"
//	@Failure		415			{object}	Problem	"unsupported_media_type"
//	@Failure		429			{object}	Problem	"busy: they are being sent again already, among others"
//	@Failure		500			{object}	Problem	"internal"
//	@Failure		503			{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504			{object}	Problem	"timeout"
//	@Failure		default		{object}	Problem	"whatever else who was asked answers"
//	@Router			/api/v1/system/hooks/{instance}/dead-letters/resend [post]
func (g *Gateway) resendDeadLetters(c *gin.Context) error {
	instance, err := pathName(c, "instance")
	if err != nil {
		return err
	}
	var query wattline.ResendQuery
	if err := g.readBody(c, &query); err != nil {
		return err
	}
	if err := query.Validate(); err != nil {
		return err
	}
	var answer wattline.Resent
	err = g.askOne(c, toInstance{
		role: wattline.RoleHook, instance: instance, verb: wattline.VerbResend, body: query,
	}, &answer)
	if err != nil {
		return err
	}
	return writeJSON(c, answer)
}
