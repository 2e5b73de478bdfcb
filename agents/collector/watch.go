package collector

import (
	"maps"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// watchPoll is the interval of a device that somebody watches.
const watchPoll = wattline.MinPoll

// The bounds of watching: devices at once, of all holders and of one, and leases.
const (
	maxWatched     = 64
	maxWatchedEach = 16
	maxLeases      = 1024
)

// watches are the leases by which devices are polled more often, by device and
// holder. They outlive a poller: a device that is changed is watched on.
type watches struct {
	mu     sync.Mutex
	leases map[string]map[string]time.Time
}

// renew gives a holder a lease on a device, or ends it where until is zero. Without
// room it is a CodeBusy error.
func (w *watches) renew(device, holder string, until, now time.Time) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	own, all := w.expire(holder, now)
	if until.IsZero() {
		delete(w.leases[device], holder)
		return nil
	}
	_, renewed := w.leases[device][holder]
	switch {
	case !renewed && own >= maxWatchedEach:
		return wattline.Errorf(wattline.CodeBusy, "%s watches %d devices already; stop watching one first", holder, own)
	case len(w.leases[device]) == 0 && len(w.leases) >= maxWatched, !renewed && all >= maxLeases:
		return wattline.Errorf(wattline.CodeBusy, "this collector's devices are watched as far as they may be; try again in a minute")
	}
	if w.leases == nil {
		w.leases = map[string]map[string]time.Time{}
	}
	if w.leases[device] == nil {
		w.leases[device] = map[string]time.Time{}
	}
	w.leases[device][holder] = until
	return nil
}

// expire drops the leases that are over, and counts the holder's and all that are
// left.
func (w *watches) expire(holder string, now time.Time) (own, all int) {
	for device, leases := range w.leases {
		maps.DeleteFunc(leases, func(_ string, until time.Time) bool { return !until.After(now) })
		if len(leases) == 0 {
			delete(w.leases, device)
		}
		if _, holds := leases[holder]; holds {
			own++
		}
		all += len(leases)
	}
	return own, all
}

// watched tells whether anybody watches a device.
func (w *watches) watched(device string, now time.Time) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, until := range w.leases[device] {
		if until.After(now) {
			return true
		}
	}
	return false
}

// count is the devices that are watched.
func (w *watches) count(now time.Time) int {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, _ = w.expire("", now)
	return len(w.leases)
}

// watch gives or ends a lease, and has the device polled accordingly.
func (c *Collector) watch(query wattline.WatchQuery) (wattline.Watch, error) {
	p, ok := c.poller(query.Device)
	if !ok {
		return wattline.Watch{}, notPolled(query.Device)
	}
	if p.unusable != nil {
		return wattline.Watch{}, p.noAddress()
	}
	now := time.Now()
	watch := wattline.Watch{Device: query.Device}
	var until time.Time
	if query.LeaseS > 0 {
		until = now.Add(time.Duration(query.LeaseS) * time.Millisecond)
		watch.Until = wattline.At(until)
	}
	if err := c.watches.renew(query.Device, query.Holder, until, now); err != nil {
		return wattline.Watch{}, err
	}
	p.hurry()
	watch.PollS = wattline.Milli(p.pace(now).Milliseconds())
	return watch, nil
}

// pace is the interval at which the device is polled now.
func (p *poller) pace(now time.Time) time.Duration {
	if p.watches.watched(p.device.ID, now) {
		return min(watchPoll, p.interval)
	}
	return p.interval
}

// hurry has the next poll reckoned anew, at the pace that is now right.
func (p *poller) hurry() {
	wake.Up(p.paced)
}

// nextPoll is when to poll after so many failures in a row. One that is watched and
// fails is left alone as long as at the usual interval: a second is no time for a plug
// to recover, and it would be down by a hiccup.
func (p *poller) nextPoll(failures int, now time.Time, chance float64) time.Time {
	pace := p.pace(now)
	if failures > 0 {
		return now.Add(backOff(failures, min(max(pace, DefaultPoll), p.interval), chance))
	}
	return nextSlot(p.device.ID, pace, now)
}

// expected is the time between two readings of which none is missing: the pace when
// the last one was taken or the one that is now right, if it has become slower.
func (p *poller) expected(now time.Time) time.Duration { return max(p.lastPace, p.pace(now)) }
