package controller

import (
	"context"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/pause"
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

	mu      sync.Mutex
	waiting int
	ons     map[string]*switchOns // by device; as long as any waits
}

// switchOns are those of one device that wait, and how many switch-offs came
// meanwhile.
type switchOns struct{ waiting, offs int }

// newPace lets so many through a second; 0 is any number.
func newPace(perSecond float64) *pace {
	if perSecond <= 0 {
		return &pace{}
	}
	return &pace{limiter: rate.NewLimiter(rate.Limit(perSecond), 1), ons: map[string]*switchOns{}}
}

// wait is over when it is the caller's turn. A turn that would come too late for
// the deadline of the context is refused at once, and takes nobody's place. So is
// one, at its turn, whose device was to be switched off meanwhile: the later
// command holds. Of one that had to wait, holds is asked at its turn.
func (p *pace) wait(ctx context.Context, device string, holds func() error) error {
	if p.limiter == nil {
		return nil
	}
	before, ok := p.enter(device)
	if !ok {
		return wattline.Errorf(wattline.CodeBusy, "%d devices of the site wait to be switched on already; nothing was sent", maxWaiting)
	}
	waited, err := p.queue(ctx)
	if err == nil && waited {
		err = holds()
	}
	if offs := p.leave(device); err == nil && offs != before {
		return wattline.Errorf(wattline.CodeBusy, "a later command came before its turn, to switch it off; nothing was sent")
	}
	return err
}

// enter lets a switch-on of a device wait until it leaves, if not too many do. Both
// give how often the device was to be switched off. A second switch-on does not
// overtake the first: who repeats one would only put it off.
func (p *pace) enter(device string) (offs int, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.waiting >= maxWaiting {
		return 0, false
	}
	ons := p.ons[device]
	if ons == nil {
		ons = &switchOns{}
		p.ons[device] = ons
	}
	p.waiting++
	ons.waiting++
	return ons.offs, true
}

func (p *pace) leave(device string) (offs int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ons := p.ons[device]
	p.waiting--
	if ons.waiting--; ons.waiting == 0 {
		delete(p.ons, device)
	}
	return ons.offs
}

// overtake says that a device is switched off, whatever waits to switch it on.
func (p *pace) overtake(device string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if ons := p.ons[device]; ons != nil {
		ons.offs++
	}
}

// queue is wait for all that is not of a single device.
func (p *pace) queue(ctx context.Context) (waited bool, err error) {
	now := time.Now()
	turn := p.limiter.ReserveN(now, 1)
	delay := turn.DelayFrom(now)
	if deadline, ok := ctx.Deadline(); ok && delay > 0 && now.Add(delay+switchTime).After(deadline) {
		turn.CancelAt(now)
		return false, errNoTurn(p.limiter.Limit())
	}
	if pause.For(ctx, delay) != nil {
		turn.Cancel()
		return true, errNoTurn(p.limiter.Limit())
	}
	return delay > 0, nil
}

func errNoTurn(limit rate.Limit) error {
	return wattline.Errorf(wattline.CodeBusy,
		"its turn would come too late: the site switches on %g devices a second; nothing was sent, give it more time", float64(limit))
}
