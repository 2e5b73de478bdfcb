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

// UserRequest is the body of POST /api/v1/users.
type UserRequest struct {
	Name string `json:"name" example:"ana"`
	// Password has at least 12 characters.
	Password string `json:"password" example:"correct horse battery"`
	// Role is what they may do with the devices in scope.
	Role access.Role `json:"role"`
	// Scope is `*`, or locations, kinds and labels with commas between them.
	Scope access.Scope `json:"scope" example:"hq/f1"`
}

// UserChange is the body of PUT /api/v1/users/{name}.
type UserChange struct {
	// Password is a new one; it ends the sessions of the user. Left out, the old one stays.
	Password *string `json:"password,omitempty" example:"correct horse battery"`
	// Role is what they may do with the devices in scope.
	Role access.Role `json:"role"`
	// Scope is `*`, or locations, kinds and labels with commas between them.
	Scope access.Scope `json:"scope" example:"hq/f1"`
}

// UserList is a page of users in the order of their names.
type UserList struct {
	Users []accounts.User `json:"users"`
	// Next is the cursor of the page that follows; absent on the last page.
	Next string `json:"next,omitempty"`
}

// createUser godoc
//
//	@Summary	Add a user
//	@ID			createUser
//	@Tags		access
//	@Accept		json
//	@Produce	json
//	@Param		body	body		UserRequest	true	"Who, and what they may do where"
//	@Success	201		{object}	accounts.User
//	@Failure	400		{object}	Problem	"invalid"
//	@Failure	409		{object}	Problem	"conflict: there is one with this name"
//	@Failure	413		{object}	Problem	"too_large"
//	@Failure	415		{object}	Problem	"unsupported_media_type"
//	@Failure	500		{object}	Problem	"internal"
//	@Router		/api/v1/users [post]
func (g *Gateway) createUser(c *gin.Context) error {
	var request UserRequest
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	wanted := accounts.NewUser(request)
	var created accounts.User
	ctx := c.Request.Context()
	err := g.audited(ctx, g.origin(c), audit.Entry{Action: "user.create", Detail: wanted.String()}, func() (err error) {
		created, err = g.options.Accounts.CreateUser(ctx, wanted)
		return err
	})
	if err != nil {
		return err
	}
	return writeCreated(c, "/api/v1/users/"+created.Name, created)
}

// listUsers godoc
//
//	@Summary	List users
//	@ID			listUsers
//	@Tags		access
//	@Produce	json
//	@Param		limit	query		int		false	"Length of the page"	minimum(1)	maximum(1000)	default(100)
//	@Param		cursor	query		string	false	"next of the page before"
//	@Success	200		{object}	UserList
//	@Failure	400		{object}	Problem	"invalid"
//	@Failure	500		{object}	Problem	"internal"
//	@Router		/api/v1/users [get]
func (g *Gateway) listUsers(c *gin.Context) error {
	users, next, err := listed(c, g.options.Accounts.Users, func(u accounts.User) string { return u.Name })
	if err != nil {
		return err
	}
	return writeJSON(c, UserList{Users: users, Next: next})
}

// getUser godoc
//
//	@Summary	One user
//	@ID			getUser
//	@Tags		access
//	@Produce	json
//	@Param		name	path		string	true	"User"	example(ana)
//	@Success	200		{object}	accounts.User
//	@Failure	400		{object}	Problem	"invalid"
//	@Failure	404		{object}	Problem	"not_found"
//	@Failure	500		{object}	Problem	"internal"
//	@Router		/api/v1/users/{name} [get]
func (g *Gateway) getUser(c *gin.Context) error {
	user, err := g.options.Accounts.User(c.Request.Context(), c.Param("name"))
	if err != nil {
		return err
	}
	return writeJSON(c, user)
}

// putUser godoc
//
//	@Summary		Change a user
//	@Description	Sessions go on with the new role and scope; a new password ends them.
//	@ID				putUser
//	@Tags			access
//	@Accept			json
//	@Produce		json
//	@Param			name	path		string		true	"User"	example(ana)
//	@Param			body	body		UserChange	true	"What is to be another"
//	@Success		200		{object}	accounts.User
//	@Failure		400		{object}	Problem	"invalid"
//	@Failure		404		{object}	Problem	"not_found"
//	@Failure		413		{object}	Problem	"too_large"
//	@Failure		415		{object}	Problem	"unsupported_media_type"
//	@Failure		500		{object}	Problem	"internal"
//	@Router			/api/v1/users/{name} [put]
func (g *Gateway) putUser(c *gin.Context) error {
	var request UserChange
	if err := g.readBody(c, &request); err != nil {
		return err
	}
	ctx := c.Request.Context()
	user, err := g.options.Accounts.User(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	change := accounts.UserChange{Password: request.Password, Role: &request.Role, Scope: &request.Scope}
	err = g.audited(ctx, g.origin(c), audit.Entry{Action: "user.change", Detail: user.Name + " " + change.String()}, func() error {
		user, err = g.options.Accounts.ChangeUser(ctx, user.Name, change)
		return err
	})
	if err != nil {
		return err
	}
	return writeJSON(c, user)
}

// removeUser godoc
//
//	@Summary		Remove a user
//	@Description	Their sessions end with them.
//	@ID				removeUser
//	@Tags			access
//	@Param			name	path	string	true	"User"	example(ana)
//	@Success		204
//	@Failure		400	{object}	Problem	"invalid"
//	@Failure		404	{object}	Problem	"not_found"
//	@Failure		500	{object}	Problem	"internal"
//	@Router			/api/v1/users/{name} [delete]
func (g *Gateway) removeUser(c *gin.Context) error {
	ctx := c.Request.Context()
	user, err := g.options.Accounts.User(ctx, c.Param("name"))
	if err != nil {
		return err
	}
	err = g.audited(ctx, g.origin(c), audit.Entry{Action: "user.remove", Detail: user.Name}, func() error {
		return g.options.Accounts.RemoveUser(ctx, user.Name)
	})
	if err != nil {
		return err
	}
	c.Status(http.StatusNoContent)
	return nil
}

// listed is a page of what is listed in the order of keys, and the cursor of the next.
func listed[T any](c *gin.Context, all func(context.Context) ([]T, error), key func(T) string) (items []T, next string, err error) {
	p, err := readParams(c.Request)
	if err != nil {
		return nil, "", err
	}
	const byDefault = 100
	limit := p.limit(byDefault)
	at, _ := p.cursor(c.Request)
	if err := p.err(); err != nil {
		return nil, "", err
	}
	every, err := all(c.Request.Context())
	if err != nil {
		return nil, "", err
	}
	items = []T{}
	for _, item := range every {
		switch {
		case key(item) <= at.After:
		case len(items) == limit:
			return items, cursor{Query: p.digest(c.Request), After: key(items[limit-1])}.String(), nil
		default:
			items = append(items, item)
		}
	}
	return items, "", nil
}

// withAccounts answers only where tokens and users are kept.
func (g *Gateway) withAccounts(handle handler) handler {
	return func(c *gin.Context) error {
		if g.options.Accounts == nil {
			return wattline.Errorf(wattline.CodeForbidden, "this gateway keeps no tokens and users")
		}
		return handle(c)
	}
}
