package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
)

// handler serves one route. An error becomes a problem document; nothing may
// have been written then.
type handler func(c *gin.Context) error

// route is a path in gin's form with its handler.
type route struct {
	method, path string
	handle       handler
}

// apiRoutes are those that the OpenAPI description holds.
func (g *Gateway) apiRoutes() []route {
	return []route{
		{http.MethodGet, "/api/v1/devices", g.listDevices},
		{http.MethodGet, "/api/v1/devices/:id", g.getDevice},
		{http.MethodGet, "/api/v1/devices/:id/state", g.getState},
		{http.MethodPut, "/api/v1/devices/:id/relay", g.putRelay},
		{http.MethodPut, "/api/v1/devices/:id/led", g.putLED},
		{http.MethodPost, "/api/v1/commands", g.postCommands},
		{http.MethodGet, "/api/v1/readings", g.getReadings},
		{http.MethodGet, "/api/v1/consumption", g.getConsumption},
		{http.MethodGet, "/api/v1/aggregate", g.getAggregate},
		{http.MethodGet, "/api/v1/components/:name/:verb", g.getComponent},
		{http.MethodGet, "/api/v1/system/journal", g.listJournals},
		{http.MethodDelete, "/api/v1/system/journal/:instance/hooks/:hook", g.forgetHook},
		{http.MethodGet, "/api/v1/system/hooks", g.listHooks},
		{http.MethodGet, "/api/v1/system/hooks/:instance/dead-letters", g.listDeadLetters},
		{http.MethodPost, "/api/v1/system/hooks/:instance/dead-letters/resend", g.resendDeadLetters},
		{http.MethodPost, "/api/v1/system/history/rebuild", g.postRebuild},
		{http.MethodGet, "/api/v1/openapi.json", g.getOpenAPI},
		{http.MethodGet, "/-/healthy", g.getHealthy},
		{http.MethodGet, "/-/ready", g.getReady},
		{http.MethodGet, "/metrics", g.getMetrics},
	}
}

// routes builds the engine. Paths are matched as they were sent, so that a
// slash written %2F stays inside its name and is refused there.
func (g *Gateway) routes() (http.Handler, error) {
	gin.SetMode(gin.ReleaseMode)
	engine := gin.New()
	engine.HandleMethodNotAllowed = true
	engine.RedirectTrailingSlash = false
	engine.UseRawPath = true
	if err := engine.SetTrustedProxies(nil); err != nil {
		return nil, err
	}
	engine.Use(g.around)
	engine.NoRoute(g.serve(func(*gin.Context) error {
		return wattline.Errorf(wattline.CodeNotFound, "there is nothing at this path")
	}))
	engine.NoMethod(g.serve(func(c *gin.Context) error {
		return wattline.Errorf(wattline.CodeMethodNotAllowed, "this path takes %s", c.Writer.Header().Get("Allow"))
	}))
	for _, r := range append(g.apiRoutes(), g.pageRoutes()...) {
		handle := g.serve(r.handle)
		engine.Handle(r.method, r.path, handle)
		if r.method == http.MethodGet {
			engine.Handle(http.MethodHead, r.path, handle)
		}
	}
	return engine, nil
}

// serve makes a gin handler of one of ours.
func (g *Gateway) serve(handle handler) gin.HandlerFunc {
	return func(c *gin.Context) {
		if err := handle(c); err != nil {
			g.writeProblem(c, err)
		}
	}
}
