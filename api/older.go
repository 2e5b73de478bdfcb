package api

import (
	"context"
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline/api/compat"
	"github.com/wattline/wattline/internal/access"
)

// olderRoutes are those of the IoToad system, where they are wanted. What they do goes
// through the routes of this one, and its rights, limits and audit. The OpenAPI
// description leaves them out.
func (g *Gateway) olderRoutes() []route {
	if !g.options.Compatibility {
		return nil
	}
	layer := compat.New(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { g.engine.ServeHTTP(w, r) }))
	older := func(handle func(http.ResponseWriter, *http.Request, string) error) handler {
		return func(c *gin.Context) error {
			r := c.Request.WithContext(context.WithValue(c.Request.Context(), withinKey{}, idOf(c))) // one id for all of it
			return handle(c.Writer, r, c.Param("path"))
		}
	}
	return []route{
		{http.MethodGet, "/api/out/*path", access.Enter, older(layer.Out)},
		{http.MethodPut, "/api/in/*path", access.Enter, older(layer.In)},
	}
}
