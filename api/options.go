package api

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"time"

	"github.com/wattline/wattline/api/live"
	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/oidc"
	"github.com/wattline/wattline/internal/telemetry"
)

// DefaultListen keeps the gateway on this machine.
const DefaultListen = "127.0.0.1:8080"

// Options configure a gateway. Bus, Identities and Commands are required.
type Options struct {
	Bus Bus
	// Identities tells who makes a request. Nobody gets past it but to the open
	// routes.
	Identities Identities
	// Accounts are the tokens and users that the API manages; nil for none.
	Accounts *accounts.Accounts
	// OIDC is where people without a user here sign in; nil for nowhere. It needs
	// Accounts, which keep their sessions.
	OIDC *oidc.Provider
	// Audit keeps who did or tried what; nil for nobody.
	Audit Audit
	// Commands keeps which commands were given. It must be written while the gateway
	// runs.
	Commands *commandlog.Log
	// Listen is host:port; DefaultListen if empty. Port 0 takes a free one.
	Listen string
	// Listener is used instead of Listen where it is given; the gateway closes it.
	Listener net.Listener
	// Hosts are names under which browsers may reach a gateway that listens on
	// loopback, besides localhost and addresses; see Gateway.Handler.
	Hosts []string
	// Site is that of devices that name none; "default" if empty.
	Site string
	// Timezone is that of dates and calendar windows unless a request names
	// another; UTC if nil.
	Timezone *time.Location
	// Compatibility answers the routes of the IoToad system too, /api/out and /api/in.
	Compatibility bool
	// Version is shown by /-/healthy.
	Version string
	Log     *slog.Logger
	Metrics *telemetry.Registry
	// ReadyChecks are asked by /-/ready besides the gateway's own.
	ReadyChecks []ReadyCheck
	Limits      Limits
	// Live bounds the live connections.
	Live live.Options
	// Origins are those of pages elsewhere, such as https://dashboard.example, that may
	// use the API with a token of theirs, and open a WebSocket with the session of
	// whoever visits them.
	Origins []string
	// TLS is for the listener; nil is plain HTTP.
	TLS *tls.Config
	// Proxies are believed about who asks (X-Forwarded-For, X-Forwarded-Proto).
	Proxies []netip.Prefix
}

// ReadyCheck is something that must be in order before requests are sent here.
type ReadyCheck struct {
	Name string
	// Check says what is not in order. It is called for each /-/ready, several
	// at once.
	Check func(ctx context.Context) error
}

// Limits bound what requests may cost. Zero values take the defaults.
type Limits struct {
	// RequestsPerS is how many requests a token or a user may make in a second, in the
	// long run, and Burst how many at once; 200 and 2,000. Below 0 is any number.
	RequestsPerS float64
	Burst        int
	// BodyBytes of a request; 1 MiB.
	BodyBytes int64
	// ReplyBytes of a component's answer that is passed on; 1 MiB.
	ReplyBytes int
	// Connections open at once, 8,192, and of one client, 1,024: an IPv4 address or an
	// IPv6 /64. Trusted proxies may have all.
	Connections, ConnectionsOfOne int
	// HeaderTimeout is what a client has for the header of a request, 5 s, and
	// BodyTimeout for the whole of it, 10 s.
	HeaderTimeout, BodyTimeout time.Duration
	// Requests below /api served at once, 512; as many again without a token or a
	// session, such as sign-ins. Of these, of Background and of Streams, a token or a
	// user may have a quarter, and an eighth is kept for admins of everything. One
	// network may have a quarter of those without either.
	Requests int
	// Devices kept in the shadow; 20,000. As many again may be kept of which
	// the registry has not told yet.
	Devices int
	// CommandDevices of one POST /api/v1/commands; 1,000.
	CommandDevices int
	// CommandsInFlight of one POST /api/v1/commands; 64.
	CommandsInFlight int
	// Background is how many requests with Prefer: respond-async are carried out at
	// once; 32.
	Background int
	// Windows per consumption or aggregate query, 40,000, and rows over all its
	// pages, 1,000,000.
	Windows, Rows int
	// Streams are answers as CSV or NDJSON under way at once; 8. A client that takes
	// nothing of one for StreamStall, 30 s, is cut off.
	Streams     int
	StreamStall time.Duration
	// QueryTimeout bounds a query to a component; 15 s.
	QueryTimeout time.Duration
	// CommandTimeout bounds a command that names no time of its own; 10 s.
	CommandTimeout time.Duration
	// ShutdownTimeout is what requests under way are given at the end; 10 s.
	ShutdownTimeout time.Duration
}

func (l Limits) withDefaults() Limits {
	return Limits{
		RequestsPerS:     cmp.Or(l.RequestsPerS, 200),
		Burst:            cmp.Or(l.Burst, 2000),
		BodyBytes:        cmp.Or(l.BodyBytes, 1<<20),
		ReplyBytes:       cmp.Or(l.ReplyBytes, 1<<20),
		Connections:      cmp.Or(l.Connections, 8192),
		ConnectionsOfOne: cmp.Or(l.ConnectionsOfOne, 1024),
		HeaderTimeout:    cmp.Or(l.HeaderTimeout, 5*time.Second),
		BodyTimeout:      cmp.Or(l.BodyTimeout, 10*time.Second),
		Requests:         cmp.Or(l.Requests, 512),
		Devices:          cmp.Or(l.Devices, 20_000),
		CommandDevices:   cmp.Or(l.CommandDevices, 1000),
		CommandsInFlight: cmp.Or(l.CommandsInFlight, 64),
		Background:       cmp.Or(l.Background, 32),
		Windows:          cmp.Or(l.Windows, 40_000),
		Rows:             cmp.Or(l.Rows, 1_000_000),
		Streams:          cmp.Or(l.Streams, 8),
		StreamStall:      cmp.Or(l.StreamStall, 30*time.Second),
		QueryTimeout:     cmp.Or(l.QueryTimeout, 15*time.Second),
		CommandTimeout:   cmp.Or(l.CommandTimeout, 10*time.Second),
		ShutdownTimeout:  cmp.Or(l.ShutdownTimeout, 10*time.Second),
	}
}

func (o Options) withDefaults() (Options, error) {
	if o.Bus == nil {
		return o, errors.New("api: no bus")
	}
	if o.Identities == nil {
		return o, errors.New("api: no identities")
	}
	if o.Commands == nil {
		return o, errors.New("api: no log of commands")
	}
	if o.OIDC != nil && o.Accounts == nil {
		return o, errors.New("api: sign-in at a provider without accounts")
	}
	o.Timezone = cmp.Or(o.Timezone, time.UTC)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	o.Site = cmp.Or(o.Site, "default")
	o.Listen = cmp.Or(o.Listen, DefaultListen)
	o.Limits = o.Limits.withDefaults()
	return o, nil
}
