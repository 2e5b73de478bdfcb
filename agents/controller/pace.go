package controller

import (
	"context"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
)

const (
	// maxWaiting bounds the switch-ons that wait for their turn.
	maxWaiting = 512
	// switchTime is what must be left until the deadline when a turn comes, for the
	// plug to be switched and read back.
	switchTime = 500 * time.Millisecond
)

// pace spreads switch-ons evenly, so that what is plugged in does not draw its
// inrush current all at once. The zero value lets everything through.
type pace struct {
	limiter *rate.Limiter
	waiting atomic.Int64
}

// newPace lets so many through a second; 0 is any number.
func newPace(perSecond float64) *pace {
	if perSecond <= 0 {
		return &pace{}
	}
	return &pace{limiter: rate.NewLimiter(rate.Limit(perSecond), 1)}
}

// wait is over when it is the caller's turn. A turn that would come too late for
// the deadline of the context is refused at once, and takes nobody's place.
func (p *pace) wait(ctx context.Context) error {
	if p.limiter == nil {
		return nil
	}
	defer p.waiting.Add(-1)
	if p.waiting.Add(1) > maxWaiting {
		return wattline.Errorf(wattline.CodeBusy, "%d devices of the site wait to be switched on already; nothing was sent", maxWaiting)
	}
	now := time.Now()
	turn := p.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && delay > 0 && now.Add(delay+switchTime).After(deadline) {
		turn.CancelAt(now)
		return errNoTurn(p.limiter.Limit())
	}
	if !pause(ctx, delay) {
		turn.Cancel()
		return errNoTurn(p.limiter.Limit())
	}
	return nil
}

func errNoTurn(limit rate.Limit) error {
	return wattline.Errorf(wattline.CodeBusy,
		"its turn would come too late: the site switches on %g devices a second; nothing was sent, give it more time", float64(limit))
}
