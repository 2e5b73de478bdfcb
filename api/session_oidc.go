package api

import (
	"cmp"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/throttle"
)

// providedSessionMax ends the session of somebody whom a provider vouches for: what the
// provider has changed since then is not known here.
const providedSessionMax = 12 * time.Hour

// newCallbacks lets an address come back from the provider in vain as often as it may
// send wrong passwords.
func newCallbacks() *throttle.Throttle {
	return throttle.New(throttle.Options{PerSecond: 0.2, Burst: 20, Keys: maxRated})
}

// withProvider answers only where there is one to sign in at.
func (g *Gateway) withProvider(handle handler) handler {
	return func(c *gin.Context) error {
		if g.options.OIDC == nil {
			return wattline.Errorf(wattline.CodeNotFound, "this gateway has no OpenID Connect provider: sign in with POST /api/v1/session")
		}
		return handle(c)
	}
}

// beginOIDC godoc
//
//	@Summary		Sign in at the OpenID Connect provider, for browsers
//	@Description	Sends the browser to the provider, with a cookie by which it is known again when it comes back, within 10 minutes.
//	@ID				beginOIDC
//	@Tags			access
//	@Param			return_to	query	string	false	"A page of this server to go to in the end"	default(/docs)	example(/docs)
//	@Success		303
//	@Header			303	{string}	Location	"The provider"
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		403	{object}	Problem	"forbidden"
//	@Failure		404	{object}	Problem	"not_found: there is no provider"
//	@Failure		429	{object}	Problem	"busy"
//	@Failure		503	{object}	Problem	"no_responder: the provider cannot be reached"
//	@x-open			true
//	@Router			/api/v1/session/oidc [get]
func (g *Gateway) beginOIDC(c *gin.Context) error {
	p, err := readParams(c.Request)
	if err != nil {
		return err
	}
	returnTo, _ := p.text("return_to")
	if err := oidc.CheckReturnTo(returnTo); err != nil {
		p.fail("return_to", "%v", err)
	}
	if err := p.err(); err != nil {
		return err
	}
	departure, err := g.options.OIDC.Begin(c.Request, returnTo)
	if err != nil {
		return err
	}
	http.SetCookie(c.Writer, departure.Cookie)
	c.Redirect(http.StatusSeeOther, departure.URL)
	return nil
}

// finishOIDC godoc
//
//	@Summary		Come back from the OpenID Connect provider
//	@Description	Where the provider sends the browser to. Begins a session, in a cookie as after `POST /api/v1/session`, with the role and the scope of the first configured group that the provider says the user is in; it ends after 12 hours. Parameters other than these are the provider's and not looked at.
//	@ID				finishOIDC
//	@Tags			access
//	@Param			state	query	string	false	"As it was sent to the provider"
//	@Param			code	query	string	false	"What the provider gives, for one use"
//	@Param			error	query	string	false	"What the provider refused with instead"
//	@Param			iss		query	string	false	"The provider"
//	@Success		303
//	@Header			303	{string}	Location	"What return_to was, or /docs"
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		401	{object}	Problem	"unauthenticated: it was not begun in this browser, or the provider does not vouch for it"
//	@Failure		403	{object}	Problem	"forbidden: none of the groups has rights here"
//	@Failure		404	{object}	Problem	"not_found: there is no provider"
//	@Failure		429	{object}	Problem	"busy: too many failures"
//	@Failure		500	{object}	Problem	"internal"
//	@Failure		503	{object}	Problem	"no_responder: the provider cannot be reached"
//	@x-open			true
//	@Router			/api/v1/session/oidc/callback [get]
func (g *Gateway) finishOIDC(c *gin.Context) error {
	// RFC 6749, 4.1.2: parameters that are not known are to be ignored.
	if _, err := readParams(c.Request); err != nil {
		return err
	}
	address := accounts.Network(c.Request.RemoteAddr)
	if wait := g.callbacks.Wait(address); wait > 0 {
		return &throttle.Exceeded{Reason: "too many failed attempts: wait before the next", Wait: wait}
	}
	ctx, by := c.Request.Context(), g.origin(c)
	http.SetCookie(c.Writer, oidc.NoCookie(c.Request))
	who, err := g.options.OIDC.Finish(c.Request)
	by.who = who.Principal.Name
	if err != nil {
		if wattline.AsError(err).Code == wattline.CodeUnauthenticated {
			g.callbacks.Take(address)
		}
		g.ended(ctx, by, audit.Entry{Action: "session.begin", Detail: "by OpenID Connect"}, err)
		return err
	}
	session, err := g.options.Accounts.StartSession(ctx, accounts.NewSession{
		Principal: who.Principal, RemoteAddr: c.Request.RemoteAddr, Max: providedSessionMax,
	})
	g.ended(ctx, by, audit.Entry{Action: "session.begin", Detail: "by OpenID Connect, group " + who.Group}, err)
	if err != nil {
		return err
	}
	http.SetCookie(c.Writer, session.Cookie(c.Request))
	c.Redirect(http.StatusSeeOther, cmp.Or(who.ReturnTo, "/docs"))
	return nil
}
