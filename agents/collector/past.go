package collector

import (
	"context"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

const (
	// pastBatch bounds the devices of one question, pastTimeout how long its answer
	// is waited for.
	pastBatch   = 500
	pastTimeout = 10 * time.Second
	// pastPatience is how long a device's first reading waits for a history that is
	// there and does not answer. The plug counts on meanwhile.
	pastPatience = time.Minute
)

// past asks a history for the last reading of devices of which nobody else knows
// anything new: the journal is new or old, and the broker has nothing. Without it
// their energy would go on far below where it stood.
type past struct {
	bus   Bus
	queue chan pastQuestion
}

type pastQuestion struct {
	device string
	done   chan pastAnswer // holds one
}

type pastAnswer struct {
	last *wattline.LastReading // nil for a device that was never read
	err  error
}

func newPast(on Bus) *past { return &past{bus: on, queue: make(chan pastQuestion)} }

// run asks, one question at a time for all devices that wait, until the context ends.
func (p *past) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case first := <-p.queue:
			p.answer(ctx, p.gather([]pastQuestion{first}))
		}
	}
}

// gather adds those that came while the question before was being answered.
func (p *past) gather(batch []pastQuestion) []pastQuestion {
	for len(batch) < pastBatch {
		select {
		case next := <-p.queue:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

func (p *past) answer(ctx context.Context, batch []pastQuestion) {
	devices := make([]string, len(batch))
	for i, q := range batch {
		devices[i] = q.device
	}
	found, err := p.ask(ctx, devices)
	for _, q := range batch {
		answer := pastAnswer{err: err}
		if i := slices.IndexFunc(found, func(l wattline.LastReading) bool { return l.Device == q.device }); i >= 0 {
			answer.last = &found[i]
		}
		q.done <- answer
	}
}

func (p *past) ask(ctx context.Context, devices []string) ([]wattline.LastReading, error) {
	body, err := p.bus.Ask(ctx, bus.Ask{
		Topic: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleHistory, Verb: wattline.VerbLast},
		Body:  wattline.LastQuery{Devices: devices}, Actor: wattline.RoleCollector, Timeout: pastTimeout,
	})
	if err != nil {
		return nil, err
	}
	var page wattline.LastPage
	if err := strictjson.DecodeLoose(body, &page); err != nil {
		return nil, err
	}
	return slices.DeleteFunc(page.Last, func(l wattline.LastReading) bool { return !usable(l, time.Now()) }), nil
}

// usable tells whether a collector can go on from what a history says.
func usable(last wattline.LastReading, now time.Time) bool {
	if last.Reading == nil { // the rest of a reading is not looked at
		last.Reading = &wattline.Reading{Device: last.Device, Time: last.Point.Time, EnergyWh: last.Point.EnergyWh, Relay: wattline.RelayOff}
	}
	r := last.Reading
	return r.Device == last.Device && r.EnergyWh <= maxLifetimeWh && store.Refusal(*r, now, 0) == ""
}

// of is what the history has of a device; nil for one that it does not know. The
// error is that of the question.
func (p *past) of(ctx context.Context, device string) (*wattline.LastReading, error) {
	q := pastQuestion{device: device, done: make(chan pastAnswer, 1)}
	select {
	case p.queue <- q:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	select {
	case answer := <-q.done:
		return answer.last, answer.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// awaited is until when a device waits for a history, by the error that asking
// came to.
func (c *Collector) awaited(err error, asked time.Time) time.Time {
	switch wattline.AsError(err).Code {
	case wattline.CodeNoResponder: // one that starts as we do has to be given the time
		return c.started.Add(c.options.AwaitHistory)
	case wattline.CodeNotFound: // one that does not know the question
		return time.Time{}
	}
	return asked.Add(pastPatience)
}

// askPast has a device go on from what a history knows of it, if that is newer. It is
// false if it is to be tried again with the next poll.
func (p *poller) askPast(ctx context.Context, m kasa.Measurement) bool {
	if p.pastAsked.IsZero() {
		p.pastAsked = time.Now()
	}
	last, err := p.past.of(ctx, p.device.ID)
	switch {
	case ctx.Err() != nil:
		return false
	case err != nil && time.Now().Before(p.awaited(err, p.pastAsked)):
		p.log.Debug("where the device's energy stood is asked again", "device", p.device.ID, "error", err)
		return false
	case err != nil:
		p.log.Info("what the history has of the device is not to be had", "device", p.device.ID, "known", p.previous != nil, "error", err)
		p.pastUnknown = true
	case last != nil && (p.previous == nil || last.Point.Time.After(p.previous.Time.Time)):
		p.log.Info("device goes on from what the history has of it", "device", p.device.ID, "since", last.Point.Time)
		p.previous = goOn(*last, m)
	}
	return true
}

// goOn is what to go on from. Of a reading past its retention only the energy is
// known: the plug's counter is taken to have stood as it stands now.
func goOn(last wattline.LastReading, m kasa.Measurement) *counted {
	if last.Reading != nil {
		return remembered(*last.Reading, nil)
	}
	return remembered(wattline.Reading{
		Device: last.Device, Time: last.Point.Time, EnergyWh: last.Point.EnergyWh, MeterWh: m.Meter.TotalWh, Relay: m.Relay,
	}, nil)
}
