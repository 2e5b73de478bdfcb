package bus

import (
	"slices"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/wake"
)

// call is an ask that waits for its reply.
type call struct {
	id      string
	site    string      // of a command: whose controllers are asked
	replies chan []byte // buffered: the MQTT client never blocks on it
	again   chan struct{}

	mu       sync.Mutex
	instance string // of a query: who is asked
}

func (c *call) asked() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.instance
}

func (c *call) redirect(instance string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.instance = instance
}

// concerns tells whether an instance is one of those asked.
func (c *call) concerns(p wattline.Presence) bool {
	if c.site != "" {
		return p.Serves(wattline.RoleController, c.site)
	}
	return p.Instance == c.asked()
}

// recentAsks is how many ended asks are remembered, for telling late replies
// from repeated and from stray ones.
const recentAsks = 256

type endedAsk struct {
	id       string
	answered bool
}

// pendingAsks are the asks that wait, by id.
type pendingAsks struct {
	max int

	mu     sync.Mutex
	calls  map[string]*call
	recent [recentAsks]endedAsk // a ring
	ended  int
}

func newPendingAsks(limit int) *pendingAsks {
	return &pendingAsks{max: limit, calls: make(map[string]*call)}
}

// add reports a fault: too many wait, or this id is waiting already.
func (p *pendingAsks) add(c *call) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.calls) >= p.max {
		return wattline.Errorf(wattline.CodeBusy, "%d requests wait for a reply already", len(p.calls))
	}
	if p.calls[c.id] != nil {
		return wattline.Errorf(wattline.CodeConflict, "the request %s is under way already", c.id)
	}
	p.calls[c.id] = c
	return nil
}

func (p *pendingAsks) remove(c *call, answered bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	delete(p.calls, c.id)
	p.recent[p.ended%recentAsks] = endedAsk{id: c.id, answered: answered}
	p.ended++
}

// deliver hands a reply to its ask, and says what it is where there is none.
func (p *pendingAsks) deliver(id string, payload []byte) (unexpected string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if waiting := p.calls[id]; waiting != nil {
		select {
		case waiting.replies <- payload:
			return ""
		default:
			return "duplicate"
		}
	}
	i := slices.IndexFunc(p.recent[:], func(ended endedAsk) bool { return ended.id == id })
	switch {
	case i < 0:
		return "stray"
	case p.recent[i].answered:
		return "duplicate"
	}
	return "late"
}

// again makes those asks that it applies to send themselves once more.
func (p *pendingAsks) again(applies func(*call) bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, waiting := range p.calls {
		if applies(waiting) {
			wake.Up(waiting.again)
		}
	}
}

func (p *pendingAsks) len() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return len(p.calls)
}
