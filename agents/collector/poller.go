package collector

import (
	"context"
	"fmt"
	"math/rand/v2"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// poller reads one device for as long as it is registered.
type poller struct {
	*Collector
	device   wattline.Device
	target   kasa.Target
	unusable error // why the device's address is no target
	interval time.Duration
	cancel   context.CancelFunc
	done     chan struct{}

	// turn is held by whoever polls: the schedule, or a refresh. What follows
	// belongs to its holder.
	turn      chan struct{}
	failures  int
	state     wattline.State
	published wattline.State
	previous  *counted
	// lastPace is the interval that held when the previous reading was taken.
	lastPace time.Duration
	// begun tells that it was looked what previous is at first. pastAsked is when a
	// history was first asked for that, pastUnknown that it could not say.
	begun       bool
	pastAsked   time.Time
	pastUnknown bool
	// daysAwaited is since when the reading after an outage waits for the plug's own
	// statistics; zero if none does.
	daysAwaited time.Time
	doubt       doubt
	// swapped limits how often is said that another plug answers.
	swapped rate.Sometimes

	// answers tells whether the last poll was answered by the device's own plug.
	answers atomic.Bool
	// told is the last state heard on the bus: this collector's own, or a
	// controller's.
	told atomic.Pointer[wattline.State]
	// paced tells that the interval may have become another.
	paced chan struct{}
}

func (c *Collector) newPoller(device wattline.Device) *poller {
	p := &poller{
		Collector: c, device: device, interval: device.Poll(c.options.Poll),
		done: make(chan struct{}), turn: make(chan struct{}, 1), paced: make(chan struct{}, 1),
		swapped: rate.Sometimes{First: 1, Interval: time.Hour},
		state: wattline.State{
			Device: device.ID, Availability: wattline.AvailabilityUnknown, Since: wattline.At(time.Now()), Collector: c.options.Bus.Instance(),
		},
	}
	p.target, p.unusable = kasa.TargetOf(device)
	return p
}

// run polls until the context ends. The first poll is as soon as the limit on
// first contacts allows; those that follow keep the device's slots.
func (p *poller) run(ctx context.Context) {
	defer close(p.done)
	if p.unusable != nil {
		p.misaddressed(ctx)
		return
	}
	if last, _, _ := p.options.Journal.Recall(p.device.ID); p.outdated(last.Time) {
		p.handover.wait(ctx, p.device.ID)
	}
	if p.contacts.Wait(ctx) != nil {
		return
	}
	p.keepPolling(ctx)
}

func (p *poller) keepPolling(ctx context.Context) {
	due, failures := time.Now(), 0
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.paced:
			now := time.Now()
			if sooner := p.nextPoll(failures, now, rand.Float64()); sooner.Before(due) {
				due = sooner
				timer.Reset(due.Sub(now))
			}
			continue
		case <-timer.C:
		}
		p.metrics.lateness.Observe(time.Since(due).Seconds())
		var err error
		if failures, err = p.scheduled(ctx); err != nil && ctx.Err() != nil {
			return
		}
		now := time.Now()
		due = p.nextPoll(failures, now, rand.Float64())
		timer.Reset(due.Sub(now))
	}
}

// misaddressed publishes why the device will never be polled.
func (p *poller) misaddressed(ctx context.Context) {
	p.state = turned(p.state, wattline.AvailabilityDown, time.Now())
	p.state.Error = &wattline.StateError{Class: "address", Message: p.unusable.Error()}
	p.log.Warn("device cannot be polled", "device", p.device.ID, "error", p.unusable)
	p.publishState(ctx)
	<-ctx.Done()
}

func (p *poller) scheduled(ctx context.Context) (failures int, err error) {
	if err := p.take(ctx); err != nil {
		return 0, err
	}
	defer p.give()
	_, err = p.poll(ctx)
	return p.failures, err
}

func (p *poller) noAddress() error {
	return wattline.Errorf(wattline.CodeUnsupported, "device %s has an unusable address", p.device.ID)
}

// refresh polls out of turn, for somebody who waits for the answer.
func (p *poller) refresh(ctx context.Context) (wattline.FreshState, error) {
	if p.unusable != nil {
		return wattline.FreshState{}, p.noAddress()
	}
	if err := p.take(ctx); err != nil {
		return wattline.FreshState{}, err
	}
	defer p.give()
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-p.done:
			cancel()
		case <-ctx.Done():
		}
	}()
	reading, err := p.poll(ctx)
	if err != nil {
		return wattline.FreshState{}, kasa.Shown(err)
	}
	return wattline.FreshState{State: p.state, Reading: reading}, nil
}

// stop ends the polls, a refresh under way included, and lets none follow: what
// is published of the device from now on is somebody else's.
func (p *poller) stop() {
	p.cancel()
	<-p.done
	p.turn <- struct{}{}
}

func (p *poller) take(ctx context.Context) error {
	select {
	case p.turn <- struct{}{}:
		return nil
	case <-p.done:
		return wattline.Errorf(wattline.CodeNotFound, "device %s is no longer polled as it was", p.device.ID)
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (p *poller) give() { <-p.turn }

// poll asks the plug once and publishes what that changes. The reading is nil
// for a plug without a meter. The error is that of the exchange, or of the
// journal.
func (p *poller) poll(ctx context.Context) (*wattline.Reading, error) {
	m, err := p.exchange(ctx)
	if err != nil {
		if ctx.Err() == nil { // else it was the caller who gave up, not the plug
			p.whereabouts.silent(p.device)
			p.failed(ctx, err)
		}
		return nil, err
	}
	if err := p.recognize(m); err != nil {
		p.failed(ctx, err)
		return nil, err
	}
	switch {
	case p.failures > 0:
		p.log.Info("device answers again", "device", p.device.ID, "after_failures", p.failures)
	case p.state.Availability != wattline.AvailabilityUp:
		p.log.Debug("device answers", "device", p.device.ID, "model", m.Info.Model)
	}
	p.failures = 0
	p.state = answered(p.state, m)
	p.state.Address = p.device.Address
	p.answers.Store(true)
	p.metrics.polls.WithLabelValues("ok").Inc()
	reading, err := p.record(ctx, m)
	p.publishState(ctx)
	return reading, err
}

func (p *poller) exchange(ctx context.Context) (kasa.Measurement, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout(p.interval))
	defer cancel()
	if err := p.exchanges.Acquire(ctx, 1); err != nil {
		return kasa.Measurement{}, err
	}
	defer p.exchanges.Release(1)
	return p.options.Plugs.Read(ctx, p.target)
}

// recognize is an error where another plug answers than the device's own, until it
// is clear that it has taken its place: what it measured is not the device's.
func (p *poller) recognize(m kasa.Measurement) error {
	if p.options.Finder == nil {
		return nil
	}
	switch p.whereabouts.met(p.device, p.target, m.Info.MAC) {
	case itself:
	case replaced:
		p.log.Info("another plug has taken the place of a device's", "device", p.device.ID, "mac", m.Info.MAC)
	case stranger:
		return &kasa.Error{
			Class: kasa.ClassOtherPlug, Address: p.target.String(),
			Message: fmt.Sprintf("another plug answers at this address (MAC %s): the device's own is being searched; "+
				"if this one is to take its place, write the address another way, with or without the port", m.Info.MAC),
		}
	}
	return nil
}

func (p *poller) failed(ctx context.Context, err error) {
	p.failures++
	p.answers.Store(false)
	if p.failures >= failuresUntilDown && p.options.Finder != nil {
		if mac := p.whereabouts.miss(p.device); p.state.MAC == "" && mac != "" {
			p.state.MAC, p.state.Address = mac, p.device.Address // for whoever starts next
		}
	}
	if told := p.told.Load(); told != nil {
		p.state = switchedSince(p.state, *told)
	}
	before := p.state.Availability
	p.state = unanswered(p.state, p.failures, err, time.Now())
	p.metrics.polls.WithLabelValues(p.state.Error.Class).Inc()
	if p.state.Availability != before {
		p.log.Warn("device does not answer", "device", p.device.ID,
			"availability", p.state.Availability, "class", p.state.Error.Class, "error", p.state.Error.Message)
	}
	p.publishState(ctx)
}

// publishState publishes a state that differs from the one that is retained, or
// from what a controller said after that.
func (p *poller) publishState(ctx context.Context) {
	told := p.told.Load()
	overtaken := told != nil && told.Time.After(p.published.Time.Time) && told.Time.Before(p.state.Time.Time) &&
		worthPublishing(*told, p.state)
	if !overtaken && !worthPublishing(p.published, p.state) {
		return
	}
	p.published = p.state
	p.retain(ctx, wattline.Topic{Kind: wattline.TopicState, Site: p.device.Site, Device: p.device.ID}, p.state)
}

// retain hands a message to the bus, which keeps it for when the broker is back.
// It takes no time, and what has become true is said also when nobody waits for it
// any more.
func (c *Collector) retain(ctx context.Context, topic wattline.Topic, payload any) {
	if err := c.options.Bus.Retain(context.WithoutCancel(ctx), topic, payload); err != nil {
		c.log.Debug("published later", "device", topic.Device, "kind", topic.Kind, "error", err)
	}
}

// unpublish takes back what is retained of a device, by this process or an
// earlier one.
func (c *Collector) unpublish(ctx context.Context, device wattline.Device) {
	c.retain(ctx, wattline.Topic{Kind: wattline.TopicData, Site: device.Site, Device: device.ID}, nil)
	c.retain(ctx, wattline.Topic{Kind: wattline.TopicState, Site: device.Site, Device: device.ID}, nil)
}
