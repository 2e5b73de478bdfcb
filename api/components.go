package api

import (
	"encoding/json"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
)

// The bounds of a query to anyone's component.
const (
	maxComponentParams = 64
	maxParamName       = 64
	maxParamValue      = 4096
)

// getComponent godoc
//
//	@Summary		Query a component
//	@Description	Any component of yours that has announced its presence. Wattline's own roles have routes of their own. Each query parameter becomes a member of the query's body, as a string: `?city=bilbao&days=3` is asked as `{"city":"bilbao","days":"3"}`. The answer is the component's own. Errors that the component names with a code of its own come as internal.
//	@ID				getComponent
//	@Tags			components
//	@Produce		json
//	@Param			name	path		string	true	"Component"	example(weather)
//	@Param			verb	path		string	true	"What to ask"	example(forecast)
//	@Success		200		{object}	any		"Whatever the component answers"
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		403		{object}	Problem	"forbidden"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		429		{object}	Problem	"busy"
//	@Failure		500		{object}	Problem	"internal"
//	@Failure		502		{object}	Problem	"device_unreachable, device_error"
//	@Failure		503		{object}	Problem	"no_responder, broker_down, store_down"
//	@Failure		504		{object}	Problem	"timeout"
//	@Failure		default	{object}	Problem	"whatever else the component answers"
//	@Router			/api/v1/components/{name}/{verb} [get]
func (g *Gateway) getComponent(c *gin.Context) error {
	name, verb := c.Param("name"), c.Param("verb")
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	if err := wattline.CheckID(name); err != nil {
		p.fail("name", "%s", err)
	}
	if err := wattline.CheckID(verb); err != nil {
		p.fail("verb", "%s", err)
	}
	query := p.free()
	if err := p.err(); err != nil {
		return err
	}
	if isOurs(name) {
		return wattline.Errorf(wattline.CodeForbidden, "%s is one of Wattline's own roles: ask it by the other routes", name)
	}
	body, err := g.ask(c.Request.Context(), name, verb, bus.Ask{Body: query, Actor: g.actor(c)})
	if err != nil {
		return err
	}
	switch {
	case len(body) == 0:
		body = json.RawMessage("null")
	case len(body) > g.options.Limits.ReplyBytes:
		return wattline.Errorf(wattline.CodeInternal, "component %q answered with more than %d bytes", name, g.options.Limits.ReplyBytes)
	case !json.Valid(body):
		return wattline.Errorf(wattline.CodeInternal, "component %q answered with something that is not JSON", name)
	}
	writeBody(c, http.StatusOK, body)
	return nil
}

// isOurs tells whether a component is one of our roles. Some of their verbs change
// things, which a GET must not, and all have routes of their own with their own rights.
func isOurs(name string) bool {
	switch name {
	case wattline.RoleGateway, wattline.RoleCollector, wattline.RoleController, wattline.RoleRegistry, wattline.RoleHistory, wattline.RoleHook,
		wattline.RoleWhereabouts:
		return true
	}
	return false
}

// free takes all parameters, whatever their names, each once.
func (p *params) free() map[string]string {
	query := make(map[string]string, len(p.values))
	if len(p.values) > maxComponentParams {
		p.fail("query", "must have at most %d parameters", maxComponentParams)
	}
	for name, values := range p.values {
		p.known = append(p.known, name)
		switch {
		case name == "" || len(name) > maxParamName:
			p.fail("query", "must have names of 1 to %d bytes", maxParamName)
		case len(values) > 1:
			p.fail(name, "is given %d times", len(values))
		case len(values[0]) > maxParamValue:
			p.fail(name, "must be at most %d bytes", maxParamValue)
		}
		query[name] = values[0]
	}
	return query
}
