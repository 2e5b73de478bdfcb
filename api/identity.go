package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/audit"
)

// Identities tells who makes a request. It is asked for every request but those of
// open routes, and again and again during long answers, so it must be quick; it is
// used by many goroutines at once.
type Identities interface {
	// Identify is the principal that the request's token or session stands for. It
	// is a CodeUnauthenticated error where there is none that is valid now, and
	// CodeBusy where whoever asks has asked too often.
	Identify(r *http.Request) (access.Principal, error)
}

// principalKey is where a request carries who makes it.
const principalKey = "principal"

// guarded lets a request through to its handler where who makes it may do what the
// route needs. What the handler does to single devices is decided there.
func (g *Gateway) guarded(needs access.Action, handle handler) handler {
	return func(c *gin.Context) error {
		who, err := g.identify(c)
		if err != nil {
			g.auditStranger(c, err)
			return err
		}
		c.Set(principalKey, who)
		if err := g.rates.take(who.Name); err != nil {
			return err
		}
		leave, err := g.admit(c, who)
		if err != nil {
			return err
		}
		defer leave()
		if err := decided(who, needs, wattline.Device{}); err != nil {
			g.ended(c.Request.Context(), g.origin(c), audit.Entry{Action: "request", Detail: c.Request.Method + " " + c.FullPath()}, err)
			return err
		}
		return handle(c)
	}
}

// auditStranger keeps that somebody came with a token or a session that is not valid.
// Who does it too often is answered busy and no longer kept.
func (g *Gateway) auditStranger(c *gin.Context, err error) {
	if c.Request.Header.Get("Authorization") == "" && c.Request.Header.Get("Cookie") == "" ||
		wattline.AsError(err).Code != wattline.CodeUnauthenticated {
		return
	}
	g.ended(c.Request.Context(), g.origin(c), audit.Entry{Action: "token.use", Detail: c.Request.Method + " " + c.FullPath()}, err)
}

// identify is who makes a request, by what holds now.
func (g *Gateway) identify(c *gin.Context) (access.Principal, error) {
	who, err := g.options.Identities.Identify(c.Request)
	if err != nil && wattline.AsError(err).Code == wattline.CodeUnauthenticated {
		c.Header("WWW-Authenticate", `Bearer realm="wattline"`)
	}
	return who, err
}

// who is who made the request when it came.
func (g *Gateway) who(c *gin.Context) access.Principal {
	who, _ := c.Value(principalKey).(access.Principal)
	return who
}

// decided is the error of a decision against somebody.
func decided(who access.Principal, action access.Action, device wattline.Device) error {
	switch access.Decide(who, action, device) {
	case access.Allowed:
		return nil
	case access.Hidden:
		return noDevice(device.ID)
	case access.Forbidden:
		return wattline.Errorf(wattline.CodeForbidden, "%s has the role %s for %s, which does not allow this", who.Name, who.Role, who.Scope)
	case access.Unauthenticated:
	}
	return wattline.Errorf(wattline.CodeUnauthenticated, "it is not known who asks")
}

// actor is who asks for something on the bus: the name and from where.
// Pages of a long answer are asked for while others are written, so it does not look at
// what is written.
func (g *Gateway) actor(c *gin.Context) string {
	return origin{who: g.who(c).Name, remote: c.Request.RemoteAddr}.actor()
}
