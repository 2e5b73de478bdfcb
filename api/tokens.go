package api

import (
	"encoding/json"
	"net/http"
	"time"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
)

// TokenRequest is the body of POST /api/v1/tokens.
type TokenRequest struct {
	// Name must be unique among the tokens that are not revoked.
	Name string `json:"name" example:"research"`
	// Role is what it may do with the devices in scope.
	Role access.Role `json:"role"`
	// Scope is `*`, or locations, kinds and labels with commas between them.
	Scope access.Scope `json:"scope" example:"hq/f1,kind:printer,label:cost-centre:4100"`
	// Expires is in how many days (`90d`) or hours (`12h`), or when, or `never`; `90d` unless given.
	Expires string `json:"expires,omitempty" example:"90d" default:"90d"`
}

// CreatedToken is a token with its secret.
type CreatedToken struct {
	accounts.Token
	// Secret is for Authorization: Bearer. It is shown this once and kept nowhere.
	Secret string `json:"secret" example:"wl_AIW7JKTCUYV2BQ7HTDSFZ3M4XE"`
}

// TokenList is a page of tokens in the order of their ids.
type TokenList struct {
	Tokens []accounts.Token `json:"tokens"`
	// Next is the cursor of the page that follows; absent on the last page.
	Next string `json:"next,omitempty"`
}

// createToken godoc
//
//	@Summary		Make a token
//	@Description	The answer has its secret, which cannot be had again.
//	@ID				createToken
//	@Tags			access
//	@Accept			json
//	@Produce		json
//	@Param			body	body		TokenRequest	true	"What it may do, where, and how long"
//	@Success		201		{object}	CreatedToken
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		409		{object}	Problem	"conflict: there is one with this name"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		500		{object}	Problem	"internal"
//	@Router			/api/v1/tokens [post]
func (g *Gateway) createToken(c *gin.Context) error {
	request := TokenRequest{Expires: accounts.DefaultExpiry}
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	expires, err := accounts.ParseExpiry(request.Expires, time.Now())
	if err != nil {
		return wattline.Invalid(wattline.FieldError{Field: "expires", Reason: err.Error()})
	}
	wanted := accounts.NewToken{Name: request.Name, Role: request.Role, Scope: request.Scope, Expires: expires}
	var created CreatedToken
	ctx := c.Request.Context()
	err = g.audited(ctx, g.origin(c), audit.Entry{Action: "token.create", Detail: wanted.String()}, func() error {
		created.Token, created.Secret, err = g.options.Accounts.CreateToken(ctx, wanted)
		return err
	})
	if err != nil {
		return err
	}
	return writeCreated(c, "/api/v1/tokens/"+created.ID, created)
}

// listTokens godoc
//
//	@Summary		List tokens
//	@Description	In the order of their ids. Those that have ended stay listed for 90 days.
//	@ID				listTokens
//	@Tags			access
//	@Produce		json
//	@Param			limit	query		int		false	"Length of the page"	minimum(1)	maximum(1000)	default(100)
//	@Param			cursor	query		string	false	"next of the page before"
//	@Success		200		{object}	TokenList
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		500		{object}	Problem	"internal"
//	@Router			/api/v1/tokens [get]
func (g *Gateway) listTokens(c *gin.Context) error {
	tokens, next, err := listed(c, g.options.Accounts.Tokens, func(t accounts.Token) string { return t.ID })
	if err != nil {
		return err
	}
	return writeJSON(c, TokenList{Tokens: tokens, Next: next})
}

// getToken godoc
//
//	@Summary	One token
//	@ID			getToken
//	@Tags		access
//	@Produce	json
//	@Param		id	path		string	true	"Token"	example(tok_4f7kq2m6zt3a)
//	@Success	200	{object}	accounts.Token
//	@Failure	400	{object}	Problem	"invalid"
//	@Failure	404	{object}	Problem	"not_found"
//	@Failure	500	{object}	Problem	"internal"
//	@Router		/api/v1/tokens/{id} [get]
func (g *Gateway) getToken(c *gin.Context) error {
	token, err := g.options.Accounts.Token(c.Request.Context(), c.Param("id"))
	if err != nil {
		return err
	}
	return writeJSON(c, token)
}

// revokeToken godoc
//
//	@Summary		Revoke a token
//	@Description	It ends for good, within a second at every gateway that has the same data folder, and answers that are under way with it break off. One that has ended already stays as it is.
//	@ID				revokeToken
//	@Tags			access
//	@Produce		json
//	@Param			id	path		string	true	"Token"	example(tok_4f7kq2m6zt3a)
//	@Success		200	{object}	accounts.Token
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		404	{object}	Problem	"not_found"
//	@Failure		500	{object}	Problem	"internal"
//	@Router			/api/v1/tokens/{id} [delete]
func (g *Gateway) revokeToken(c *gin.Context) error {
	ctx := c.Request.Context()
	token, err := g.options.Accounts.Token(ctx, c.Param("id"))
	if err != nil {
		return err
	}
	err = g.audited(ctx, g.origin(c), audit.Entry{Action: "token.revoke", Detail: token.ID + " " + token.Name}, func() error {
		token, err = g.options.Accounts.RevokeToken(ctx, token.ID)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(c, token)
}

// writeCreated answers 201 with what was made and where it is.
func writeCreated(c *gin.Context, location string, made any) error {
	body, err := json.Marshal(made)
	if err != nil {
		return err
	}
	c.Header("Location", location)
	writeBody(c, http.StatusCreated, body)
	return nil
}
