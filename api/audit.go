package api

import (
	"cmp"
	"context"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline/internal/accounts"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/throttle"
)

// Audit keeps who did or tried what. It is used by many goroutines at once.
type Audit interface {
	// Append has entries written soon. An error says that they are not: what they
	// tell of is not to be done then.
	Append(ctx context.Context, entries ...audit.Entry) error
	// Records are those of a query, the newest first.
	Records(ctx context.Context, query audit.Query) ([]audit.Record, error)
}

// origin is who asks for something, from where, and in which request, as the audit
// keeps it. It outlives the request.
type origin struct{ who, remote, requestID string }

func (g *Gateway) origin(c *gin.Context) origin {
	return origin{who: g.who(c).Name, remote: c.Request.RemoteAddr, requestID: idOf(c)}
}

// actor is the origin on the bus: the name and from where.
func (o origin) actor() string { return o.who + "@" + o.remote }

func (o origin) signs(entry audit.Entry) audit.Entry {
	entry.Who, entry.Address, entry.RequestID = o.who, hostOf(o.remote), o.requestID
	return entry
}

// audited does something, with a record that it was begun before, and one of what
// became of it after. It is not done when the first cannot be kept. Action, Device and
// Detail of the entry are the caller's; action is a noun and a verb, such as
// device.change.
func (g *Gateway) audited(ctx context.Context, by origin, entry audit.Entry, do func() error) error {
	begun := by.signs(entry)
	begun.Outcome = audit.Attempted
	if err := g.append(ctx, begun); err != nil {
		return err
	}
	err := do()
	g.ended(ctx, by, entry, err)
	return err
}

// recorded has the audit keep a request that changes something of no device.
func (g *Gateway) recorded(action string, handle handler) handler {
	return func(c *gin.Context) error {
		entry := audit.Entry{Action: action, Detail: c.Request.URL.Path}
		return g.audited(c.Request.Context(), g.origin(c), entry, func() error { return handle(c) })
	}
}

// newRefusals bounds how many refusals of each token and user, and of the strangers of
// each address, are kept: whoever may
// do nothing must not fill the disk with it, nor the queue of the others.
func newRefusals() *throttle.Throttle {
	return throttle.New(throttle.Options{PerSecond: 2, Burst: 2000, Keys: maxRated})
}

// ended keeps what became of something: an error, or nil. Where it was refused before
// it was begun, this is its only record; refusals beyond a bound are only counted.
func (g *Gateway) ended(ctx context.Context, by origin, entry audit.Entry, err error) {
	entry = by.signs(entry)
	entry.Outcome, entry.Code = audit.OutcomeOf(err)
	if entry.Outcome == audit.Refused && g.refusals.Take(cmp.Or(by.who, accounts.Network(by.remote))) > 0 {
		g.meters.unaudited.Inc()
		return
	}
	// It has happened, whether or not the client still waits. A record that is lost
	// is counted and logged.
	_ = g.append(context.WithoutCancel(ctx), entry)
}

func (g *Gateway) append(ctx context.Context, entries ...audit.Entry) error {
	if g.options.Audit == nil {
		return nil
	}
	return g.options.Audit.Append(ctx, entries...)
}
