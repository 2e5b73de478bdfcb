package api

import "context"

// Routes are those of the engine, as METHOD /path/:parameter.
func (g *Gateway) Routes() []string {
	var routes []string
	for _, route := range g.engine.Routes() {
		routes = append(routes, route.Method+" "+route.Path)
	}
	return routes
}

// Reconcile holds the shadow against the registry's list at once.
func (g *Gateway) Reconcile() { g.shadow.wake() }

// DeviceIDs are the devices that the shadow shows.
func (g *Gateway) DeviceIDs() []string { return idsOf(g.shadow.devices()) }

// ShadowSize is the number of places taken, known devices and others.
func (g *Gateway) ShadowSize() int {
	g.shadow.mu.RLock()
	defer g.shadow.mu.RUnlock()
	return len(g.shadow.slots)
}

// SetComplete has the shadow know all devices, or not.
func (g *Gateway) SetComplete(complete bool) { g.shadow.loaded.Store(complete) }

// EndLive ends the live connections, as the end of the gateway does.
func (g *Gateway) EndLive() { g.live.End(context.Background()) }
