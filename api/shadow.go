package api

import (
	"context"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
)

// shadow is what the retained topics say of every device: its description, its
// state and its last reading. A retained value is a hint that a live one
// corrects. What comes for a device that the registry has not told of is kept
// for when it does, within bounds, and shown to nobody.
//
// Reading costs a map look-up; writers replace a device's snapshot as a whole.
type shadow struct {
	log *slog.Logger
	// most bounds the known devices, and again those not known yet.
	most int

	mu      sync.RWMutex
	slots   map[string]*slot
	known   int
	listing []*slot // the known ones by id; nil when out of date

	// changes counts those of descriptions, each after it can be seen.
	changes atomic.Uint64

	// collectors are the instances that are alive, as of the last look.
	collectors atomic.Pointer[map[string]bool]
	// arrived is when the last retained value came, for knowing when all are here.
	arrived atomic.Pointer[time.Time]
	loaded  atomic.Bool
	// ask wakes reconcile.
	ask chan struct{}

	// news hears of every change, in order.
	news     news
	refused  *telemetry.CounterVec
	complain rate.Sometimes
}

// slot is a device's place; its snapshot changes, it does not.
type slot struct {
	id string
	at atomic.Pointer[snapshot]
}

func newShadow(most int, log *slog.Logger, registry *telemetry.Registry) *shadow {
	s := &shadow{
		log:   log,
		most:  most,
		slots: make(map[string]*slot),
		ask:   make(chan struct{}, 1),
		refused: registry.CounterVec("wattline_api_messages_refused_total",
			"Device, state and data messages that were not taken, by reason.", "reason"),
		complain: rate.Sometimes{First: 1, Interval: time.Minute},
	}
	registry.GaugeFunc("wattline_api_devices", "Devices that the gateway knows.", func() float64 {
		s.mu.RLock()
		defer s.mu.RUnlock()
		return float64(s.known)
	})
	return s
}

// find is a known device's snapshot.
func (s *shadow) find(id string) (*snapshot, bool) {
	s.mu.RLock()
	at := s.slots[id]
	s.mu.RUnlock()
	if at == nil {
		return nil, false
	}
	now := at.at.Load()
	return now, now.device != nil
}

// list is the known devices in the order of ids, as they are now.
func (s *shadow) list() []*snapshot {
	slots := s.sorted()
	now := make([]*snapshot, 0, len(slots))
	for _, at := range slots {
		if snap := at.at.Load(); snap.device != nil {
			now = append(now, snap)
		}
	}
	return now
}

// devices is the descriptions alone, in the order of ids.
func (s *shadow) devices() []wattline.Device {
	slots := s.sorted()
	devices := make([]wattline.Device, 0, len(slots))
	for _, at := range slots {
		if device := at.at.Load().device; device != nil {
			devices = append(devices, *device)
		}
	}
	return devices
}

func (s *shadow) sorted() []*slot {
	s.mu.RLock()
	listing := s.listing
	s.mu.RUnlock()
	if listing != nil {
		return listing
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listing == nil {
		s.listing = make([]*slot, 0, s.known)
		for _, at := range s.slots {
			if at.at.Load().device != nil {
				s.listing = append(s.listing, at)
			}
		}
		slices.SortFunc(s.listing, func(a, b *slot) int { return strings.Compare(a.id, b.id) })
	}
	return s.listing
}

// alive tells whether the instance that polls a device is running. One that
// names no collector is taken at its word.
func (s *shadow) alive(collector string) bool {
	collectors := s.collectors.Load()
	return collector == "" || collectors == nil || (*collectors)[collector]
}

// update replaces a device's snapshot by what change makes of its facts; false
// leaves it as it is. A device not heard of before gets a place if there is
// room.
func (s *shadow) update(id string, change func(*facts) bool) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := &snapshot{facts: facts{id: id, learnt: wattline.At(time.Now())}}
	at := s.slots[id]
	if at != nil {
		now.facts = at.at.Load().facts
	}
	before := now.facts
	wasKnown := before.device != nil
	if !change(&now.facts) {
		return nil
	}
	isKnown := now.device != nil
	switch {
	case isKnown && !wasKnown && s.known >= s.most:
		return fmt.Errorf("more than %d devices", s.most)
	case at == nil && !isKnown && len(s.slots)-s.known >= s.most:
		return fmt.Errorf("more than %d devices that the registry does not know", s.most)
	case at == nil:
		at = &slot{id: id}
		s.slots[id] = at
	}
	at.at.Store(now)
	if before.device != now.device {
		s.changes.Add(1)
	}
	s.news.changed(before, now.facts, s.alive(now.collector()))
	if wasKnown != isKnown {
		s.listing = nil
		s.known += count(isKnown) - count(wasKnown)
	}
	if now.empty() {
		delete(s.slots, id)
	}
	return nil
}

// hearOf sets which collectors are alive, and tells of the devices that this makes
// stale or no longer so.
func (s *shadow) hearOf(collectors map[string]bool) {
	s.mu.RLock() // readers go on, and no other change comes between
	defer s.mu.RUnlock()
	was := s.collectors.Swap(&collectors)
	if was != nil && maps.Equal(*was, collectors) {
		return
	}
	for _, at := range s.slots {
		now := at.at.Load().facts
		collector := now.collector()
		if now.device != nil && collector != "" && (was == nil || (*was)[collector]) != collectors[collector] {
			s.news.state(now, collectors[collector])
		}
	}
}

func count(one bool) int {
	if one {
		return 1
	}
	return 0
}

// refuse counts a message that is not taken, and says so once a minute.
func (s *shadow) refuse(message bus.Message, reason string, err error) {
	s.refused.WithLabelValues(reason).Inc()
	s.complain.Do(func() {
		s.log.Warn("a message about a device was not taken; more like it are only counted for a minute",
			"kind", message.Topic.Kind, "site", message.Topic.Site, "device", message.Topic.Device, "error", err)
	})
}

// shadowQueue holds the burst of retained messages at the start. What overflows
// it comes again with the next poll, and devices with the registry's list.
const shadowQueue = 4096

// subscribe follows the three retained topics until it is undone.
func (s *shadow) subscribe(b Bus) (undo func(), err error) {
	cancels := []func(){}
	undo = func() {
		for _, cancel := range cancels {
			cancel()
		}
	}
	for _, filter := range []wattline.Topic{
		{Kind: wattline.TopicDevice}, {Kind: wattline.TopicState}, {Kind: wattline.TopicData},
	} {
		options := bus.SubscribeOptions{Filter: filter, Queue: shadowQueue, Name: "shadow-" + string(filter.Kind)}
		cancel, err := b.Subscribe(options, func(_ context.Context, message bus.Message) { s.take(message, time.Now()) })
		if err != nil {
			undo()
			return nil, err
		}
		cancels = append(cancels, cancel)
	}
	return undo, nil
}
