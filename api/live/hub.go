package live

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/seats"
	"github.com/wattline/wattline/internal/telemetry"
)

// Options bound a hub. Zero values take the defaults.
type Options struct {
	// Events and Bytes are what is kept for subscribers that are behind or come
	// back; 16,384 and 4 MiB.
	Events, Bytes int
	// Backlog is by how many events a subscriber may be behind before values that
	// newer ones have replaced are left out for it; 1,024.
	Backlog int
	// Slow is for how long a subscriber may be behind by more than that; 60 s.
	Slow time.Duration
	// Seats and SeatsEach are the connections at once, of all and of one principal;
	// 4,096 and 256.
	Seats, SeatsEach int
	// Stall is how long a client may take nothing before it is cut off; 30 s.
	Stall time.Duration
	// Pause is the time between two writes to a client, in which events are gathered;
	// 30 ms.
	Pause time.Duration
	// Heartbeat is sent to a client that nothing else was sent to for so long; 15 s.
	Heartbeat time.Duration
	Metrics   *telemetry.Registry
}

func (o Options) withDefaults() Options {
	const (
		kept    = 16_384
		bytes   = 4 << 20
		backlog = 1024
		places  = 4096
		each    = 256
		pause   = 30 * time.Millisecond
	)
	return Options{
		Events: cmp.Or(o.Events, kept), Bytes: cmp.Or(o.Bytes, bytes),
		Backlog: cmp.Or(o.Backlog, backlog), Slow: cmp.Or(o.Slow, time.Minute),
		Seats: cmp.Or(o.Seats, places), SeatsEach: cmp.Or(o.SeatsEach, each),
		Stall: cmp.Or(o.Stall, 30*time.Second), Pause: cmp.Or(o.Pause, pause),
		Heartbeat: cmp.Or(o.Heartbeat, 15*time.Second), Metrics: o.Metrics,
	}
}

// Hub takes what happens and hands it to feeds. Its methods are safe for concurrent
// use and never wait for a subscriber.
type Hub struct {
	options Options
	ids     ids
	meters  meters
	seats   *seats.Seats
	buffers sync.Pool
	// sessions is how many there ever were.
	sessions atomic.Uint64

	mu       sync.RWMutex
	ring     ring
	subjects map[string]*subject
	listing  []*subject // by id; nil when out of date
	news     chan struct{}
	ended    bool
}

// New makes a hub. Nothing runs.
func New(options Options) (*Hub, error) {
	options = options.withDefaults()
	made, err := newIDs()
	if err != nil {
		return nil, err
	}
	h := &Hub{
		options: options, ids: made, ring: newRing(options.Events, options.Bytes),
		subjects: map[string]*subject{}, news: make(chan struct{}),
	}
	h.buffers.New = func() any { return new([]byte) }
	h.meters = newMeters(options.Metrics)
	h.seats = seats.New(seats.Options{
		What: "live connections are open", All: options.Seats, Each: options.SeatsEach,
		Refused: func(seats.Limit) { h.meters.refused.Inc() },
	})
	options.Metrics.GaugeFunc("wattline_live_subscribers", "Clients that listen to live events.", func() float64 {
		return float64(h.seats.Taken())
	})
	return h, nil
}

// Describe sets the description of a device, which is added or changed by it.
func (h *Hub) Describe(device wattline.Device) error {
	encoded, err := viewsOf(device)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	about := h.subjects[device.ID]
	if about == nil {
		about = &subject{id: device.ID}
		h.subjects[device.ID] = about
		h.listing = nil
	}
	before := about.now.Swap(&device)
	h.push(&event{kind: Registry, about: about, before: before, after: &device, views: encoded})
	return nil
}

// Forget removes a device.
func (h *Hub) Forget(id string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	about := h.subjects[id]
	if about == nil {
		return
	}
	delete(h.subjects, id)
	h.listing = nil
	before := about.now.Swap(nil)
	e := &event{kind: Registry, about: about, before: before}
	if last := about.latest[0].Load(); last != nil {
		e.views = last.views
	}
	h.push(e)
}

// Publish is something that happened to a device. It comes to nothing if the device
// is not known: nobody may see it.
func (h *Hub) Publish(kind Kind, device string, value any) error {
	data, err := json.Marshal(value)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	about := h.subjects[device]
	if about == nil {
		return nil
	}
	now := about.now.Load()
	h.push(&event{kind: kind, about: about, before: now, after: now, data: data})
	return nil
}

// Announce is an alert that is about no device: it is for those who may see all.
func (h *Hub) Announce(alarm Alarm) error {
	data, err := json.Marshal(alarm)
	if err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.push(&event{kind: Alert, data: data})
	return nil
}

// push numbers an event and wakes whoever waits. The caller holds the lock.
func (h *Hub) push(e *event) {
	e.number = h.ring.next
	e.id = h.ids.of(e.number)
	if at, isValue := e.kind.slot(); isValue && e.about != nil {
		e.about.latest[at].Store(e)
	}
	h.ring.push(e)
	h.meters.events.WithLabelValues(string(e.kind)).Inc()
	if !h.ended {
		close(h.news)
		h.news = make(chan struct{})
	}
}

// End has every connection end and lets no more begin. It returns when the last one
// has ended, or with the context.
func (h *Hub) End(ctx context.Context) {
	ended := h.seats.Close()
	h.mu.Lock()
	if !h.ended {
		h.ended = true
		close(h.news)
	}
	h.mu.Unlock()
	select {
	case <-ended:
	case <-ctx.Done():
	}
}

// News is closed when there is something that was not there when it was called.
func (h *Hub) News() <-chan struct{} {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.news
}

func (h *Hub) newest() uint64 {
	h.mu.RLock()
	defer h.mu.RUnlock()
	return h.ring.next - 1
}

// look is a part of the ring.
type look struct {
	events []*event
	// first and newest are the numbers held.
	first, newest uint64
	ended         bool
}

// after is what follows a number, as much of it as fits.
func (h *Hub) after(number uint64, into []*event) look {
	h.mu.RLock()
	defer h.mu.RUnlock()
	seen := look{first: h.ring.first, newest: h.ring.next - 1, ended: h.ended}
	if number+1 >= h.ring.first {
		seen.events = h.ring.after(number, into)
	}
	return seen
}

// sorted is the devices by id. The list is not changed.
func (h *Hub) sorted() []*subject {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.listing == nil {
		h.listing = make([]*subject, 0, len(h.subjects))
		for _, about := range h.subjects {
			h.listing = append(h.listing, about)
		}
		slices.SortFunc(h.listing, func(a, b *subject) int { return strings.Compare(a.id, b.id) })
	}
	return h.listing
}
