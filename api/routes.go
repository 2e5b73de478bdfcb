package api

import (
	"net/http"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// handler serves one route. An error becomes a problem document; nothing may
// have been written then.
type handler func(c *gin.Context) error

// bare is the handler of a path that takes no query.
func bare(handle handler) handler {
	return func(c *gin.Context) error {
		p, err := readParams(c.Request)
		if err == nil {
			err = p.err()
		}
		if err != nil {
			return err
		}
		return handle(c)
	}
}

// route is a path in gin's form with its handler, and what whoever asks must be
// allowed to do at least. What it does to a device is decided for that device.
type route struct {
	method, path string
	needs        access.Action
	handle       handler
}

// apiRoutes are those that the OpenAPI description holds, but for the open ones.
// Nobody reaches them without a valid token or session.
func (g *Gateway) apiRoutes() []route {
	return []route{
		{http.MethodGet, "/api/v1/devices", access.Enter, g.listDevices},
		{http.MethodPost, "/api/v1/devices", access.Manage, bare(g.createDevice)},
		{http.MethodPost, `/api/v1/devices\:apply`, access.Enter, g.applyDevices},
		{http.MethodGet, "/api/v1/devices/:id", access.Enter, bare(g.getDevice)},
		{http.MethodPut, "/api/v1/devices/:id", access.Enter, bare(g.replaceDevice)},
		{http.MethodPatch, "/api/v1/devices/:id", access.Enter, bare(g.patchDevice)},
		{http.MethodDelete, "/api/v1/devices/:id", access.Enter, bare(g.deleteDevice)},
		{http.MethodGet, "/api/v1/capabilities", access.Enter, bare(g.listCapabilities)},
		{http.MethodGet, "/api/v1/devices/:id/capabilities", access.Enter, bare(g.getCapabilities)},
		{http.MethodPost, "/api/v1/devices/:id/lift", access.Enter, bare(g.liftProtection)},
		{http.MethodDelete, "/api/v1/devices/:id/lift", access.Enter, bare(g.endLift)},
		{http.MethodGet, "/api/v1/devices/:id/state", access.Enter, g.getState},
		{http.MethodPut, "/api/v1/devices/:id/relay", access.Enter, bare(g.putRelay)},
		{http.MethodPut, "/api/v1/devices/:id/led", access.Enter, bare(g.putLED)},
		{http.MethodGet, "/api/v1/devices/:id/commands", access.Enter, g.listCommands},
		{http.MethodPost, "/api/v1/commands", access.Enter, bare(g.postCommands)},
		{http.MethodGet, "/api/v1/commands/:id", access.Enter, bare(g.getCommand)},
		{http.MethodPost, "/api/v1/discovery", access.Administer, bare(g.postDiscovery)},
		{http.MethodGet, "/api/v1/discovery/:id", access.Administer, bare(g.getDiscovery)},
		{http.MethodPost, "/api/v1/discovery/:id/adopt", access.Administer, bare(g.adoptPlug)},
		{http.MethodPost, "/api/v1/devices/:id/watch", access.Enter, bare(g.postWatch)},
		{http.MethodDelete, "/api/v1/devices/:id/watch", access.Enter, bare(g.deleteWatch)},
		{http.MethodGet, "/api/v1/events", access.Enter, g.streamEvents},
		{http.MethodGet, "/api/v1/live", access.Enter, bare(g.openSocket)},
		{http.MethodGet, "/api/v1/readings", access.Enter, g.getReadings},
		{http.MethodGet, "/api/v1/consumption", access.Enter, g.getConsumption},
		{http.MethodGet, "/api/v1/aggregate", access.Enter, g.getAggregate},
		{http.MethodGet, "/api/v1/components/:name/:verb", access.Survey, g.getComponent},
		{http.MethodGet, "/api/v1/me", access.Enter, bare(g.getMe)},
		{http.MethodDelete, "/api/v1/session", access.Enter, g.withAccounts(bare(g.signOut))},
		{http.MethodPost, "/api/v1/tokens", access.Administer, g.withAccounts(bare(g.createToken))},
		{http.MethodGet, "/api/v1/tokens", access.Administer, g.withAccounts(g.listTokens)},
		{http.MethodGet, "/api/v1/tokens/:id", access.Administer, g.withAccounts(bare(g.getToken))},
		{http.MethodDelete, "/api/v1/tokens/:id", access.Administer, g.withAccounts(bare(g.revokeToken))},
		{http.MethodPost, "/api/v1/users", access.Administer, g.withAccounts(bare(g.createUser))},
		{http.MethodGet, "/api/v1/users", access.Administer, g.withAccounts(g.listUsers)},
		{http.MethodGet, "/api/v1/users/:name", access.Administer, g.withAccounts(bare(g.getUser))},
		{http.MethodPut, "/api/v1/users/:name", access.Administer, g.withAccounts(bare(g.putUser))},
		{http.MethodDelete, "/api/v1/users/:name", access.Administer, g.withAccounts(bare(g.removeUser))},
		{http.MethodGet, "/api/v1/audit", access.Enter, g.getAudit},
		{http.MethodGet, "/api/v1/system", access.Administer, bare(g.getSystem)},
		{http.MethodGet, "/api/v1/system/journal", access.Administer, bare(g.listJournals)},
		{http.MethodDelete, "/api/v1/system/journal/:instance/hooks/:hook", access.Administer, g.recorded("journal.forget", bare(g.forgetHook))},
		{http.MethodGet, "/api/v1/system/hooks", access.Administer, bare(g.listHooks)},
		{http.MethodGet, "/api/v1/system/hooks/:instance/dead-letters", access.Administer, g.listDeadLetters},
		{http.MethodPost, "/api/v1/system/hooks/:instance/dead-letters/resend", access.Administer, g.recorded("dead_letters.resend", bare(g.resendDeadLetters))},
		{http.MethodPost, "/api/v1/system/history/rebuild", access.Administer, g.recorded("history.rebuild", bare(g.postRebuild))},
		{http.MethodGet, "/api/v1/openapi.json", access.Enter, bare(g.getOpenAPI)},
		{http.MethodGet, "/metrics", access.Survey, g.getMetrics},
	}
}

// openRoute is a path that anybody may ask: it tells nothing of a device.
type openRoute struct {
	method, path string
	handle       handler
}

// openRoutes are those of the OpenAPI description that need no token.
func (g *Gateway) openRoutes() []openRoute {
	return []openRoute{
		{http.MethodPost, "/api/v1/session", g.withAccounts(bare(g.signIn))},
		{http.MethodGet, "/api/v1/session/oidc", g.withProvider(g.beginOIDC)},
		{http.MethodGet, "/api/v1/session/oidc/callback", g.withProvider(g.finishOIDC)},
		{http.MethodGet, "/-/healthy", bare(g.getHealthy)},
		{http.MethodGet, "/-/ready", bare(g.getReady)},
	}
}

// routes builds the engine. Paths are matched as they were sent, so that a
// slash written %2F stays inside its name and is refused there.
func (g *Gateway) routes() (*gin.Engine, error) {
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
	add := func(method, path string, handle handler) {
		served := g.serve(handle)
		engine.Handle(method, path, served)
		if method == http.MethodGet {
			engine.Handle(http.MethodHead, path, served)
		}
	}
	for _, r := range g.apiRoutes() {
		add(r.method, r.path, g.guarded(r.needs, r.handle))
	}
	for _, r := range append(g.openRoutes(), g.pageRoutes()...) {
		add(r.method, r.path, g.open(r.handle))
	}
	for _, r := range g.olderRoutes() {
		add(r.method, r.path, g.guarded(r.needs, r.handle))
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
