package collector

import (
	"context"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents/kasa"
)

// record makes the reading, puts it on disk and only then publishes it. There is
// none for a plug without a meter, nor before it is known what to go on from.
func (p *poller) record(ctx context.Context, m kasa.Measurement) (*wattline.Reading, error) {
	if m.Meter == nil {
		return nil, nil
	}
	if !p.recall(ctx, m) {
		return nil, ctx.Err()
	}
	next := account(p.subject(), p.previous, m)
	if p.previous == nil && p.pastUnknown {
		next.Quality |= wattline.QualityAfterGap
	}
	if err := next.Validate(); err != nil {
		p.state.Error = &wattline.StateError{Class: string(kasa.ClassGarbage), Message: err.Error()}
		return nil, err
	}
	if p.previous != nil && next.replaces(*p.previous) {
		p.swapped.Do(func() {
			p.log.Info("another plug answers for the device", "device", p.device.ID, "was", p.previous.plug, "is", next.plug)
		})
	}
	if p.doubt.holdsBack(&next, p.previous) {
		return nil, nil
	}
	readings, ok := p.askDays(ctx, &next)
	if !ok {
		return nil, ctx.Err()
	}
	readings = append(readings, next.Reading)
	memo, err := next.memo()
	if err != nil {
		return nil, err
	}
	// Whoever gave up waiting, and however long the disk takes: whether the reading
	// is on it must be known, for the one that follows is reckoned from it.
	ctx = context.WithoutCancel(ctx)
	numbered, err := p.options.Journal.AppendAll(ctx, readings, memo)
	if err != nil {
		p.unjournaled(err)
		return nil, err
	}
	p.journalFails.Store(false)
	// Readings of days gone by are not news: who stores them finds the gap in the
	// numbers and asks.
	newest := numbered[len(numbered)-1]
	p.previous, p.lastPace, p.daysAwaited, p.doubt = &next, p.pace(time.Now()), time.Time{}, doubt{}
	p.retain(ctx, wattline.Topic{Kind: wattline.TopicData, Site: p.device.Site, Device: p.device.ID}, newest)
	return &newest, nil
}

func (p *poller) subject() subject {
	return subject{device: p.device.ID, outlet: p.target.Outlet, interval: p.expected(time.Now()), usual: p.interval}
}

// askDays completes a reading by the plug's own statistics where they are due, and
// gives the readings that belong before it. Without an answer all stays as it is
// until they are due again. It is false if the reading has to wait for them, or the
// caller gave up: the next poll finds the same outage.
func (p *poller) askDays(ctx context.Context, next *counted) ([]wattline.Reading, bool) {
	if !daysDue(next) {
		return nil, true
	}
	since := next.Time
	if p.previous != nil {
		since = p.previous.Time
		if at := p.previous.mark; at.zone != "" && at.asked.Before(since.Time) {
			since = at.asked
		}
	}
	asking, cancel := context.WithTimeout(ctx, pollTimeout(p.interval))
	defer cancel()
	days, err := p.options.Plugs.Days(asking, p.target, since.Time)
	if ctx.Err() != nil {
		return nil, false
	}
	result := "ok"
	switch {
	case err != nil:
		result = "failed"
		p.log.Debug("statistics of the plug are not to be had", "device", p.device.ID, "error", err)
	case !trustworthy(days):
		result = "wrong_clock"
	}
	p.metrics.days.WithLabelValues(result).Inc()
	if result != "ok" && next.awaitsDays(p.previous) && p.patient(time.Now()) {
		return nil, false
	}
	if err != nil {
		next.mark.asked = next.Time
		return nil, true
	}
	return next.reconcile(p.previous, days), true
}

// patient tells whether statistics that are awaited may still come.
func (p *poller) patient(now time.Time) bool {
	if p.daysAwaited.IsZero() {
		p.daysAwaited = now
	}
	return now.Sub(p.daysAwaited) < daysPatience
}

// recall finds out once what the device goes on from: the newest of what the journal
// has of it, what another collector published, and, unless that is of just now, what
// the history has. It is false if the history has to be asked again.
func (p *poller) recall(ctx context.Context, m kasa.Measurement) bool {
	if p.begun {
		return true
	}
	var known wattline.Time
	if last, memo, ok := p.options.Journal.Recall(p.device.ID); ok && p.previous == nil {
		p.previous = remembered(last, memo)
	}
	if p.previous != nil {
		known = p.previous.Time
	}
	if published := p.handover.take(p.device.ID, known); published != nil {
		p.log.Info("device is taken over from another collector", "device", p.device.ID, "since", published.Time)
		published.plug = p.subject().hardware(published.plug)
		p.previous, known = published, published.Time
	}
	p.begun = !p.outdated(known) || p.askPast(ctx, m)
	return p.begun
}

// outdated tells whether somebody else may have read the device since.
func (p *poller) outdated(known wattline.Time) bool {
	return time.Since(known.Time) > gapPolls*p.interval
}

func (p *poller) unjournaled(err error) {
	p.metrics.unjournaled.Inc()
	if !p.journalFails.Swap(true) {
		p.log.Error("readings cannot be put on disk and are lost until this is mended", "error", err)
	}
}
