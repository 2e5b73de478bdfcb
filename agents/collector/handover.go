package collector

import (
	"context"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/strictjson"
)

const (
	// handoverWait is how long the first poll of a device waits for what the broker
	// has of it; handoverFor how long after the first device is listened at all, for
	// everything that this collector publishes comes back.
	handoverWait = time.Second
	handoverFor  = time.Minute
	// handoverDevices bounds the readings that are kept meanwhile.
	handoverDevices = 16_384
	// maxLifetimeWh is more than a plug gives in a thousand years, and far from what
	// no store takes any more.
	maxLifetimeWh = 100_000_000_000_000
	// maxClockSkew is how far the clocks of two collectors may be apart.
	maxClockSkew = time.Minute
)

// handover is what other collectors have published of this site's devices: the
// broker retains it. A collector that takes over, with a journal that is empty or
// old, goes on from there.
type handover struct {
	begun chan struct{} // closed with the first device
	begin func()
	ended chan struct{} // closed when nothing more is listened to

	mu      sync.Mutex
	last    map[string]wattline.Reading
	plugs   map[string]string // what the hardware of each device was
	arrived map[string]chan struct{}
}

func newHandover() *handover {
	h := &handover{
		begun: make(chan struct{}), ended: make(chan struct{}),
		last: map[string]wattline.Reading{}, plugs: map[string]string{}, arrived: map[string]chan struct{}{},
	}
	h.begin = sync.OnceFunc(func() { close(h.begun) })
	return h
}

// settle waits until there is nothing more to take over.
func (h *handover) settle(ctx context.Context) {
	defer close(h.ended)
	select {
	case <-ctx.Done():
		return
	case <-h.begun:
	}
	timer := time.NewTimer(handoverFor)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}

// hear keeps the newest reading of each device.
func (h *handover) hear(_ context.Context, message bus.Message) {
	var reading wattline.Reading
	if len(message.Payload) == 0 || strictjson.DecodeLoose(message.Payload, &reading) != nil ||
		reading.Device != message.Topic.Device || reading.EnergyWh > maxLifetimeWh || store.Refusal(reading, time.Now(), 0) != "" {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	had, ok := h.last[reading.Device]
	if !ok && len(h.last) >= handoverDevices || ok && !reading.Time.After(had.Time.Time) {
		return
	}
	h.last[reading.Device] = reading
	if waiting := h.arrived[reading.Device]; waiting != nil {
		close(waiting)
		delete(h.arrived, reading.Device)
	}
}

// know keeps by what each device's plug was known.
func (h *handover) know(state wattline.State) {
	h.mu.Lock()
	defer h.mu.Unlock()
	select {
	case <-h.ended:
	default:
		if len(h.plugs) < handoverDevices {
			h.plugs[state.Device] = state.MAC
		}
	}
}

// wait is over when there is a reading of the device, or it is not to be expected
// any more.
func (h *handover) wait(ctx context.Context, device string) {
	h.mu.Lock()
	if _, ok := h.last[device]; ok {
		h.mu.Unlock()
		return
	}
	arrived := make(chan struct{})
	h.arrived[device] = arrived
	h.mu.Unlock()
	timer := time.NewTimer(handoverWait)
	defer timer.Stop()
	select {
	case <-arrived:
	case <-timer.C:
	case <-h.ended:
	case <-ctx.Done():
	}
}

// take gives what to go on from for a device, once, if it is newer than what is
// known.
func (h *handover) take(device string, than wattline.Time) *counted {
	h.mu.Lock()
	defer h.mu.Unlock()
	reading, ok := h.last[device]
	plug := h.plugs[device]
	delete(h.arrived, device)
	delete(h.last, device)
	delete(h.plugs, device)
	if !ok || !reading.Time.After(than.Time) || reading.Time.After(time.Now().Add(maxClockSkew)) {
		return nil
	}
	previous := remembered(reading, nil)
	previous.plug = plug
	return previous
}
