package api

import (
	"cmp"
	"context"
	"net/http"
	"strings"
	"sync"

	"github.com/gin-gonic/gin"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/access"
)

// background is the batches for which nobody waits. They end with the gateway.
type background struct {
	ctx    context.Context
	cancel context.CancelFunc
	group  sync.WaitGroup
}

func newBackground() *background {
	b := &background{}
	b.ctx, b.cancel = context.WithCancel(context.Background())
	return b
}

// stop ends what is under way: what is not sent yet is not sent any more.
func (b *background) stop() {
	b.cancel()
	b.group.Wait()
}

// begin carries out a batch in the background, once it is kept on disk. Without an
// error it has begun.
func (g *Gateway) begin(c *gin.Context, b batch) error {
	leave, err := g.places.background.Take(holder(g.who(c)))
	if err != nil {
		return err
	}
	if err := g.keep(c, b); err != nil {
		leave()
		return err
	}
	g.background.group.Go(func() {
		defer leave()
		g.commandAll(g.background.ctx, b)
	})
	return nil
}

// keep has a batch on disk before any of it is sent.
func (g *Gateway) keep(c *gin.Context, b batch) error {
	if err := g.options.Commands.NoteNow(c.Request.Context(), b.noted()); err != nil {
		return g.notKept(c, err)
	}
	return nil
}

// notKept is the error of a request that did not come to the disk. That its client
// has gone is nothing for the log.
func (g *Gateway) notKept(c *gin.Context, err error) error {
	if c.Request.Context().Err() == nil {
		g.log.Error("a request to switch devices cannot be kept", "error", err)
	}
	return wattline.Errorf(wattline.CodeBusy, "the gateway cannot keep the request on disk now; nothing was sent")
}

const respondAsync = "respond-async"

// prefersAsync tells whether the client would rather not wait (RFC 7240).
func prefersAsync(c *gin.Context) bool {
	for _, header := range c.Request.Header.Values("Prefer") {
		for preference := range strings.SplitSeq(header, ",") {
			name, _, _ := strings.Cut(preference, ";")
			if strings.EqualFold(strings.TrimSpace(name), respondAsync) {
				return true
			}
		}
	}
	return false
}

// standing gives an error from when who made the request may no longer do what they
// could when it came. It may be asked when the request has been answered, and by
// several at once. What has ended is not looked at again: a token that is tried often
// would count against the address.
func (g *Gateway) standing(c *gin.Context) func() error {
	request := c.Request.Clone(context.WithoutCancel(c.Request.Context()))
	request.Body = http.NoBody
	was := g.who(c)
	var mu sync.Mutex
	var ended error
	return func() error {
		mu.Lock()
		defer mu.Unlock()
		if ended == nil {
			now, err := g.options.Identities.Identify(request)
			ended = cmp.Or(err, sameRights(was, now))
		}
		return ended
	}
}

// sameRights is an error if somebody's rights are not what they were.
func sameRights(was, now access.Principal) error {
	if now.Role != was.Role || now.Scope.String() != was.Scope.String() {
		return wattline.Errorf(wattline.CodeForbidden, "the rights of %s were changed", was.Name)
	}
	return nil
}
