package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

// SessionRequest is the body of POST /api/v1/session.
type SessionRequest struct {
	Name     string `json:"name" example:"ana"`
	Password string `json:"password" example:"correct horse battery"`
}

// Me is who asks.
type Me struct {
	// Name is the kind and the name, as the audit has it.
	Name string `json:"name" example:"user:ana"`
	// Role is what they may do with the devices in scope.
	Role access.Role `json:"role"`
	// Scope is `*`, or locations, kinds and labels with commas between them.
	Scope access.Scope `json:"scope" example:"hq/f1"`
}

func meOf(who access.Principal) Me { return Me{Name: who.Name, Role: who.Role, Scope: who.Scope} }

// getMe godoc
//
//	@Summary	Who I am, and what I may do
//	@ID			getMe
//	@Tags		access
//	@Produce	json
//	@Success	200	{object}	Me
//	@Failure	400	{object}	Problem	"invalid"
//	@Router		/api/v1/me [get]
func (g *Gateway) getMe(c *gin.Context) error {
	return writeJSON(c, meOf(g.who(c)))
}

// signIn godoc
//
//	@Summary		Sign in, for browsers
//	@Description	Begins a session with the name and the password of a user. It is in a cookie that scripts do not see and other sites cannot have sent. It ends after 12 hours without use, and after 7 days. After some failures of an address or a name, the next has to wait.
//	@ID				signIn
//	@Tags			access
//	@Accept			json
//	@Produce		json
//	@Param			body	body		SessionRequest	true	"Name and password"
//	@Success		200		{object}	Me
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		401		{object}	Problem	"unauthenticated"
//	@Failure		403		{object}	Problem	"forbidden: it was sent by a page of another origin"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		429		{object}	Problem	"busy: too many failures"
//	@Failure		500		{object}	Problem	"internal"
//	@x-open			true
//	@Router			/api/v1/session [post]
func (g *Gateway) signIn(c *gin.Context) error {
	if err := accounts.SameOrigin(c.Request); err != nil {
		return err
	}
	var request SessionRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	ctx := c.Request.Context()
	session, err := g.options.Accounts.SignIn(ctx, accounts.SignIn{
		Name: request.Name, Password: request.Password, RemoteAddr: c.Request.RemoteAddr,
	})
	by := g.origin(c)
	by.who = session.Principal.Name
	if err == nil || wattline.AsError(err).Code == wattline.CodeUnauthenticated {
		g.ended(ctx, by, audit.Entry{Action: "session.begin", Detail: g.knownName(ctx, request.Name)}, err)
	}
	if err != nil {
		return err
	}
	http.SetCookie(c.Writer, session.Cookie(c.Request))
	return writeJSON(c, meOf(session.Principal))
}

// knownName is what the audit has of the name that somebody signs in with. One that
// is not known may be a password in the wrong field.
func (g *Gateway) knownName(ctx context.Context, name string) string {
	if _, err := g.options.Accounts.User(ctx, name); err != nil {
		return "an unknown name"
	}
	return name
}

// signOut godoc
//
//	@Summary		Sign out
//	@Description	Ends the session of the cookie, and takes the cookie away.
//	@ID				signOut
//	@Tags			access
//	@Success		204
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		500	{object}	Problem	"internal"
//	@Router			/api/v1/session [delete]
func (g *Gateway) signOut(c *gin.Context) error {
	ctx := c.Request.Context()
	err := g.options.Accounts.EndSession(ctx, c.Request)
	g.ended(ctx, g.origin(c), audit.Entry{Action: "session.end"}, err)
	if err != nil {
		return err
	}
	http.SetCookie(c.Writer, accounts.NoCookie(c.Request))
	c.Status(http.StatusNoContent)
	return nil
}
