package api

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync/atomic"
	"time"

	"github.com/gin-gonic/gin"
	"golang.org/x/sync/errgroup"
	"golang.org/x/sync/semaphore"

	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/throttle"
	"github.com/wattline/wattline/openapi"
)

// Gateway serves the HTTP API. Its methods are safe for concurrent use; Listen
// and Run are to be called once.
type Gateway struct {
	options    Options
	log        *slog.Logger
	bus        Bus
	shadow     *shadow
	meters     *meters
	exposition http.Handler
	openAPITag string
	// lists lets one list of devices be taken apart at a time: it may cost seconds.
	lists      *semaphore.Weighted
	engine     *gin.Engine
	handler    http.Handler // the engine, its answers compressed
	places     places
	readied    readied
	streams    *streams
	rates      rates
	refusals   *throttle.Throttle
	callbacks  *throttle.Throttle
	live       *live.Hub
	background *background
	handed     *handed
	// loopback tells that only this machine can reach the listener.
	loopback atomic.Bool
	listener atomic.Pointer[net.Listener]
}

// New makes a gateway. Nothing runs and nothing listens yet.
func New(options Options) (*Gateway, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	g := &Gateway{
		options:    options,
		log:        options.Log,
		bus:        options.Bus,
		meters:     newMeters(options.Metrics),
		exposition: options.Metrics.Handler(),
		openAPITag: digestOf(openapi.Document()),
		lists:      semaphore.NewWeighted(1),
		readied:    readied{failing: map[string]bool{}},
	}
	g.shadow = newShadow(options.Limits.Devices, options.Log, options.Metrics)
	g.options.Live.Metrics = options.Metrics
	if g.live, err = live.New(g.options.Live); err != nil {
		return nil, err
	}
	g.shadow.news = news{g.live, options.Log}
	g.places = newPlaces(options.Limits, g.meters.busy)
	g.background, g.handed = newBackground(), newHanded()
	g.rates, g.refusals = newRates(options.Limits), newRefusals()
	g.callbacks = newCallbacks()
	g.streams = newStreams(g.places.answers, options.Log, options.Metrics)
	if g.engine, err = g.routes(); err != nil {
		return nil, err
	}
	answers, err := compressed(g.engine)
	if err != nil {
		return nil, err
	}
	g.handler = g.front(answers)
	return g, nil
}

// Handler serves the routes without a listener of its own. The devices are
// known only while Run runs.
//
// While the gateway listens on loopback, requests must name an address,
// localhost or one of Options.Hosts as their host: else any page in a browser on
// this machine could reach the gateway under a name of its own that points here
// (DNS rebinding).
func (g *Gateway) Handler() http.Handler { return g.handler }

// Listen takes the address, so that its errors are known before anything runs.
// Run calls it if nobody has.
func (g *Gateway) Listen() error {
	if g.listener.Load() != nil {
		return nil
	}
	listener := g.options.Listener
	if listener == nil {
		var err error
		if listener, err = (&net.ListenConfig{}).Listen(context.Background(), "tcp", g.options.Listen); err != nil {
			return fmt.Errorf("listen on %s: %w", g.options.Listen, err)
		}
	}
	address, ok := listener.Addr().(*net.TCPAddr)
	g.loopback.Store(ok && address.IP.IsLoopback())
	if !g.loopback.Load() && g.options.TLS == nil && len(g.options.Proxies) == 0 {
		g.log.Warn("the HTTP API can be reached by other machines without TLS: tokens and passwords can be overheard; "+
			"set tls, or listen on loopback behind a proxy that has TLS", "address", listener.Addr().String())
	}
	listener = &boundedListener{
		Listener: listener, most: g.options.Limits.Connections, mostOfOne: g.options.Limits.ConnectionsOfOne,
		isProxy: g.isProxy, refused: g.meters.refused.Inc, each: make(map[netip.Prefix]int),
	}
	g.listener.Store(&listener)
	return nil
}

// Addr is where the gateway listens, host:port; empty before Listen.
func (g *Gateway) Addr() string {
	listener := g.listener.Load()
	if listener == nil {
		return ""
	}
	return (*listener).Addr().String()
}

// Run follows the devices and serves until ctx ends, then lets the requests
// under way finish, for Limits.ShutdownTimeout at most. It returns nil when ctx
// ended it.
func (g *Gateway) Run(ctx context.Context) error {
	if err := g.Listen(); err != nil {
		return err
	}
	server := g.newServer()
	unsubscribe, err := g.shadow.subscribe(g.bus)
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), (*g.listener.Load()).Close())
	}
	defer unsubscribe()
	unhear, err := g.shadow.news.subscribe(g.bus)
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), (*g.listener.Load()).Close())
	}
	defer unhear()
	stopHearing, err := g.hearCommands()
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), (*g.listener.Load()).Close())
	}
	defer stopHearing()
	stopConfirming, err := g.confirmCommands()
	if err != nil {
		return errors.Join(fmt.Errorf("subscribe: %w", err), (*g.listener.Load()).Close())
	}
	defer stopConfirming()
	defer g.background.stop()
	group, running := errgroup.WithContext(ctx)
	group.Go(func() error { g.shadow.watch(running, g.bus); return nil })
	group.Go(func() error { g.shadow.reconcile(running, g.bus); return nil })
	group.Go(func() error {
		g.log.Info("serving the HTTP API", "address", g.Addr())
		if err := g.serveOn(server, *g.listener.Load()); !errors.Is(err, http.ErrServerClosed) {
			return fmt.Errorf("serve: %w", err)
		}
		return nil
	})
	group.Go(func() error { return g.shutDown(running, server) })
	return group.Wait()
}

// serveOn serves HTTP/1.1, and with TLS HTTP/2 as well.
func (g *Gateway) serveOn(server *http.Server, listener net.Listener) error {
	if g.options.TLS == nil {
		return server.Serve(listener)
	}
	server.TLSConfig = g.options.TLS
	return server.ServeTLS(listener, "", "")
}

// shutDown waits for the end and then for the requests under way.
func (g *Gateway) shutDown(ctx context.Context, server *http.Server) error {
	<-ctx.Done()
	grace, cancel := context.WithTimeout(context.WithoutCancel(ctx), g.options.Limits.ShutdownTimeout)
	defer cancel()
	g.live.End(grace)
	if err := server.Shutdown(grace); err != nil {
		g.log.Warn("requests were cut off at the end", "error", err)
		return server.Close()
	}
	return nil
}

// The bounds of a connection. What a handler may take is added to the time for
// writing.
const (
	idleTimeout    = 60 * time.Second
	maxHeaderBytes = 32 << 10
	writeMargin    = 15 * time.Second
)

func (g *Gateway) newServer() *http.Server {
	longest := max(maxCommandTime, g.options.Limits.QueryTimeout, g.options.Limits.CommandTimeout)
	return &http.Server{
		Handler:           g.handler,
		ReadHeaderTimeout: g.options.Limits.HeaderTimeout,
		ReadTimeout:       g.options.Limits.BodyTimeout,
		WriteTimeout:      longest + writeMargin,
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(g.log.Handler(), slog.LevelDebug),
	}
}
