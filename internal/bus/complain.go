package bus

import (
	"sync"
	"time"
)

// complaints remembers what was logged when, so that a flood of bad messages is
// one line a minute; all of them are counted.
type complaints struct {
	mu   sync.Mutex
	last map[string]time.Time
}

const complaintPause = time.Minute

// due reports whether it is time to speak of a subject again. The subjects are
// the program's own, so there are few.
func (c *complaints) due(subject string, now time.Time) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if before, ok := c.last[subject]; ok && now.Sub(before) < complaintPause {
		return false
	}
	if c.last == nil {
		c.last = make(map[string]time.Time)
	}
	c.last[subject] = now
	return true
}

// dropped counts a message that came to nothing, and logs its reason once a
// minute.
func (b *Bus) dropped(reason string, details ...any) {
	b.metrics.dropped.With(reason).Inc()
	if b.complaints.due(reason, time.Now()) {
		b.log.Warn("messages are dropped", append([]any{"reason", reason}, details...)...)
	}
}
