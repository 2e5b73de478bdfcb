package persist

import (
	"context"
	"sync"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/strictjson"
	"github.com/wattline/wattline/internal/wake"
)

// Bounds of the packs that wait to be taken, and of the states.
const (
	packQueue  = 1024
	stateQueue = 16 << 10
)

// maxSites bounds the sites that are kept in mind.
const maxSites = 1024

// sources are who publishes readings, as far as is known.
type sources struct {
	// collectors are those that say that they are there, by instance.
	collectors map[string]wattline.Presence
	// sites are those whose devices somebody tells the state of. Who does so need
	// not say that it is there.
	sites map[string]bool
}

func newSources() sources {
	return sources{collectors: map[string]wattline.Presence{}, sites: map[string]bool{}}
}

func (s sources) hear(p wattline.Presence) {
	if p.Serves(wattline.RoleCollector, "") {
		s.collectors[p.Instance] = p
	} else {
		delete(s.collectors, p.Instance)
	}
}

// see notes a site, and tells whether it is new.
func (s sources) see(site string) bool {
	if s.sites[site] || len(s.sites) >= maxSites {
		return false
	}
	s.sites[site] = true
	return true
}

// singly tells whether readings have to be taken one by one: a collector does not
// pack, or devices are read by who does not say that it is there.
func (s sources) singly() bool {
	for _, p := range s.collectors {
		if !p.Packs {
			return true
		}
	}
	for site := range s.sites {
		if !s.served(site) {
			return true
		}
	}
	return len(s.collectors) == 0 || len(s.sites) >= maxSites
}

func (s sources) served(site string) bool {
	for _, p := range s.collectors {
		if p.Serves(wattline.RoleCollector, site) {
			return true
		}
	}
	return false
}

// listen takes what collectors publish until stop is called. Where the broker does
// not let it hear packs, it takes single readings, whoever packs.
func (h *Hook) listen(ctx context.Context) (stop func(), err error) {
	stopPacks, err := h.packs()
	if err != nil && wattline.AsError(err).Code == wattline.CodeForbidden {
		h.log.Error("readings are taken one by one, which costs more: give this hook's credential its rights anew", "error", err)
		return h.singles()
	}
	if err != nil {
		return nil, err
	}
	stopSites, err := h.sites()
	if err != nil {
		stopPacks()
		return nil, err
	}
	stopSingles, err := h.singles()
	if err != nil {
		stopSites()
		stopPacks()
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	var choosing sync.WaitGroup
	choosing.Go(func() { h.choose(ctx, stopSingles) })
	return func() { cancel(); choosing.Wait(); stopSites(); stopPacks() }, nil
}

// sites sees of which sites states are told.
func (h *Hook) sites() (stop func(), err error) {
	return h.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicState}, Queue: stateQueue, Name: "hook-" + h.options.Name + "-sites",
	}, func(_ context.Context, message bus.Message) {
		if len(message.Payload) == 0 {
			return // the device was removed
		}
		h.mu.Lock()
		isNew := h.sources.see(message.Topic.Site)
		h.mu.Unlock()
		if isNew {
			wake.Up(h.came)
		}
	})
}

// choose listens to single readings while there is a need to.
func (h *Hook) choose(ctx context.Context, stop func()) {
	for {
		select {
		case <-ctx.Done():
			if stop != nil {
				stop()
			}
			return
		case <-h.came:
		}
		h.mu.Lock()
		singly := h.sources.singly()
		h.mu.Unlock()
		var err error
		switch {
		case singly && stop == nil:
			if stop, err = h.singles(); err != nil {
				h.log.Warn("readings are not heard one by one; it is tried again with the next word of a collector", "error", err)
			}
		case !singly && stop != nil:
			stop()
			stop = nil
		}
	}
}

func (h *Hook) singles() (stop func(), err error) {
	return hooks.Readings(hooks.Options{
		Name: h.options.Name, Bus: h.options.Bus, Log: h.log, Metrics: h.options.Metrics,
	}, func(_ context.Context, reading wattline.Reading) { h.take(reading) })
}

func (h *Hook) packs() (stop func(), err error) {
	complain := rate.Sometimes{Interval: complainEvery}
	var readings []wattline.Reading // used again for every pack
	return h.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicPack}, Queue: packQueue, Name: "hook-" + h.options.Name + "-packs",
	}, func(_ context.Context, message bus.Message) {
		var err error
		if readings, err = unpack(readings[:0], message); err != nil {
			h.metrics.invalid.Inc()
			complain.Do(func() {
				h.log.Warn("message is not a valid pack of readings", "site", message.Topic.Site, "stream", message.Topic.Stream, "error", err)
			})
			return
		}
		h.take(readings...)
	})
}

// unpack reads a pack, all of which must be valid: what is wrong with a reading shows
// when the journal is asked for it. The readings are put into the memory of an empty
// list. Errors are of CodeInvalid.
func unpack(into []wattline.Reading, message bus.Message) ([]wattline.Reading, error) {
	var pack wattline.Pack
	if err := strictjson.DecodeLoose(message.Payload, &pack); err != nil {
		return nil, err
	}
	if pack.From == 0 || pack.From > maxSeq {
		return nil, wattline.Invalid(wattline.FieldError{Field: "from", Reason: "is no number of a journal"})
	}
	readings, err := packed.Decode(into, pack.Packed, wattline.MaxPage)
	if err != nil {
		return nil, wattline.Invalid(wattline.FieldError{Field: "packed", Reason: err.Error()})
	}
	if pack.From+uint64(len(readings))-1 > maxSeq {
		return nil, wattline.Invalid(wattline.FieldError{Field: "from", Reason: "is too large for so many readings"})
	}
	for i := range readings {
		readings[i].Stream, readings[i].Seq = message.Topic.Stream, pack.From+uint64(i)
		if err := readings[i].Validate(); err != nil {
			return nil, err
		}
	}
	return readings, nil
}
