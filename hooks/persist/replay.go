package persist

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/strictjson"
	"github.com/wattline/wattline/internal/wake"
)

const (
	// pagesATurn bounds what one stream is given before others have their turn.
	pagesATurn      = 16
	firstAskAgain   = 500 * time.Millisecond
	longestAskAgain = 30 * time.Second
)

// replay asks collectors for what is lacking, a few streams at a time.
func (h *Hook) replay(ctx context.Context) {
	var running sync.WaitGroup
	defer running.Wait()
	free := make(chan struct{}, h.options.Replays)
	ticker := time.NewTicker(h.options.Grace)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
			h.tick(time.Now())
		case <-h.kick:
		}
		for h.startOne(ctx, free, &running) {
		}
	}
}

// tick passes time.
func (h *Hook) tick(now time.Time) {
	h.mu.Lock()
	h.noteRoom()
	h.book.ripen()
	lost := h.book.expire(now.Add(-h.options.ForgetAfter))
	h.mu.Unlock()
	if lost > 0 {
		h.metrics.lost.Add(float64(lost))
		h.log.Error("readings are lost, unless their collector comes back with them: it has not been heard of for too long", "readings", lost)
	}
	h.showMetrics(now)
}

// startOne begins a turn of the stream that is next, if there is one and a slot
// is free.
func (h *Hook) startOne(ctx context.Context, free chan struct{}, running *sync.WaitGroup) bool {
	select {
	case free <- struct{}{}:
	default:
		return false
	}
	h.mu.Lock()
	next := h.book.nextToAsk(time.Now())
	h.mu.Unlock()
	if next == nil {
		<-free
		return false
	}
	name := next.name
	running.Go(func() {
		err := h.turn(ctx, name)
		h.endTurn(name, err)
		<-free
		if err == nil {
			wake.Up(h.kick)
		}
	})
	return true
}

// turn asks for page after page.
func (h *Hook) turn(ctx context.Context, name string) error {
	answered := uint64(0)
	for range pagesATurn {
		q, lacking := h.question(name)
		if !lacking {
			return nil
		}
		if q.from == answered {
			return errNoProgress
		}
		a, err := h.ask(ctx, q)
		if err != nil {
			return err
		}
		j := job{answerOf: a, done: make(chan struct{})}
		select {
		case h.jobs <- j:
		case <-ctx.Done():
			return ctx.Err()
		}
		select {
		case <-j.done:
			answered = q.from
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// errNoProgress is what becomes of a collector that says that it never gave a
// number which it has published.
var errNoProgress = errors.New("the journal ends before a number that its collector has published")

func (h *Hook) question(name string) (question, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.book.streams[name]
	if !ok {
		return question{}, false
	}
	from, to, ok := s.gap(wattline.MaxPage)
	return question{stream: name, instance: s.instance, from: from, to: to}, ok && s.online
}

// ask gets a page and judges it.
func (h *Hook) ask(ctx context.Context, q question) (answerOf, error) {
	h.metrics.asks.Inc()
	body, err := h.options.Bus.Ask(ctx, bus.Ask{
		Topic: wattline.Topic{
			Kind: wattline.TopicQuery, Component: wattline.RoleCollector, Instance: q.instance, Verb: wattline.VerbReplay,
		},
		Body:    wattline.ReplayQuery{Stream: q.stream, From: q.from, Limit: int(q.to + 1 - q.from)},
		Actor:   "hook/" + h.options.Name,
		Timeout: h.options.AskTimeout,
	})
	if err != nil {
		return answerOf{}, err
	}
	var page wattline.ReplayPage
	if err := strictjson.DecodeLoose(body, &page); err != nil {
		return answerOf{}, err
	}
	return judge(q, page)
}

// endTurn puts a stream back in the queue, later if its collector failed.
func (h *Hook) endTurn(name string, err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	s, ok := h.book.streams[name]
	if !ok {
		return
	}
	s.asking = false
	if err == nil {
		s.failures, s.retryAt = 0, time.Time{}
		return
	}
	pace := newBackoff(firstAskAgain, longestAskAgain)
	wait := pace.NextBackOff()
	for range min(s.failures, 16) {
		wait = pace.NextBackOff()
	}
	s.failures++
	s.retryAt = time.Now().Add(wait)
	if code := wattline.AsError(err).Code; code == wattline.CodeNotFound {
		s.gone = true
		h.metrics.lost.Add(float64(s.behind()))
		h.log.Error("readings are lost: their collector no longer has the journal in which they were",
			"stream", name, "instance", s.instance, "readings", s.behind())
		return
	}
	h.metrics.askFailures.Inc()
	h.log.Debug("replay is tried again", "stream", name, "instance", s.instance, "in", wait, "error", err)
	if !passes(err) {
		h.health.answers.Interval = complainEvery
		h.health.answers.Do(func() {
			h.log.Error("a collector's answer cannot be used; its readings are asked for again and again",
				"stream", name, "instance", s.instance, "error", err)
		})
	}
}

// passes tells whether a failure to be answered is one that ends by itself.
func passes(err error) bool {
	known, ok := errors.AsType[*wattline.Error](err)
	if !ok {
		return errors.Is(err, context.Canceled)
	}
	switch known.Code {
	case wattline.CodeNoResponder, wattline.CodeBrokerDown, wattline.CodeBusy, wattline.CodeTimeout:
		return true
	}
	return false
}
