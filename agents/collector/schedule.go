package collector

import (
	"hash/fnv"
	"time"
)

// failuresUntilDown: so many polls in a row go unanswered before a device that
// was stale is down.
const failuresUntilDown = 3

// nextSlot is the first instant after now at which the device is due. The slots
// are anchored to absolute time and spread by a hash of the id over the
// interval, so that neither many devices nor a restart bunch them.
func nextSlot(device string, interval time.Duration, now time.Time) time.Time {
	hash := fnv.New64a()
	_, _ = hash.Write([]byte(device))
	slot := now.Truncate(interval).Add(time.Duration(hash.Sum64() % uint64(interval)))
	if slot.After(now) {
		return slot
	}
	return slot.Add(interval)
}

// backOff is how long to leave a device alone after so many failures in a row:
// an early second try tells a lost packet from a lost plug, and the pause then
// grows to the interval. It never exceeds that, because a plug that returns is
// to be read within one poll. chance in [0, 1) takes up to a fifth off, so that
// the plugs behind one access point do not come back in step.
func backOff(failures int, interval time.Duration, chance float64) time.Duration {
	pause := interval
	if doublings := failures - failuresUntilDown; doublings < 0 {
		pause = interval >> -doublings
	}
	return pause - time.Duration(chance*float64(pause)/5)
}

// pollTimeout leaves room for the next slot: a poll ends before its successor is
// due.
func pollTimeout(interval time.Duration) time.Duration {
	const most = 5 * time.Second
	return min(most, interval*9/10)
}
