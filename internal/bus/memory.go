package bus

import (
	"container/heap"
	"container/list"
	"sync"
	"time"
)

// maxRememberedBytes bounds the replies that one responder keeps for repeats: one of
// the largest, for a long answer asked for page by page fills it.
const maxRememberedBytes = defaultMaxMessage

// requestMemory remembers the requests of a responder until their deadlines, so
// that each is acted upon once. Times are by the wall clock, like the deadlines.
//
// Where acting twice does no harm it is forgetful: when it is full, it forgets
// the requests that were answered first rather than refuse new ones.
type requestMemory struct {
	max       int
	forgetful bool

	mu       sync.Mutex
	requests map[string]*remembered
	byEnd    remembereds
	done     *list.List // of *remembered that were answered, the first answered first
	bytes    int
}

// remembered is a request that was taken up.
type remembered struct {
	key      string
	deadline time.Time
	reply    []byte
	done     *list.Element // nil while it is being acted upon
	index    int
}

// verdict is what to do with a request.
type verdict int

const (
	actOnIt  verdict = iota // it is new; finish or forget must follow
	answered                // it was answered: send the stored reply
	underWay                // it is being acted upon: say nothing now
	noRoom                  // too many are remembered
)

func newRequestMemory(limit int, forgetful bool) *requestMemory {
	return &requestMemory{
		max:       limit,
		forgetful: forgetful,
		requests:  make(map[string]*remembered),
		done:      list.New(),
	}
}

// begin takes a request up, or says that it was before.
func (m *requestMemory) begin(key string, deadline, now time.Time) (verdict, []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
	if known := m.requests[key]; known != nil {
		return known.verdict()
	}
	if len(m.requests) >= m.max && !m.forgetOne() {
		return noRoom, nil
	}
	request := &remembered{key: key, deadline: deadline}
	m.requests[key] = request
	heap.Push(&m.byEnd, request)
	return actOnIt, nil
}

// known is begin for a request for which there is no room.
func (m *requestMemory) known(key string) (verdict, []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.requests[key]; known != nil {
		return known.verdict()
	}
	return noRoom, nil
}

func (r *remembered) verdict() (verdict, []byte) {
	if r.done == nil {
		return underWay, nil
	}
	return answered, r.reply
}

// finish stores the reply.
func (m *requestMemory) finish(key string, reply []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	request := m.requests[key]
	if request == nil {
		return
	}
	request.reply = reply
	request.done = m.done.PushBack(request)
	m.bytes += len(reply)
	for m.bytes > maxRememberedBytes && m.forgetOne() {
	}
}

// forgetOne makes room in a forgetful memory.
func (m *requestMemory) forgetOne() bool {
	if !m.forgetful || m.done.Len() == 0 {
		return false
	}
	if oldest, ok := m.done.Front().Value.(*remembered); ok {
		m.remove(oldest)
	}
	return true
}

// forget makes a request one that was never seen.
func (m *requestMemory) forget(key string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if request := m.requests[key]; request != nil {
		m.remove(request)
	}
}

// expire forgets what is past its deadline, what is still being acted upon
// included: a repeat of it would be dropped as late.
func (m *requestMemory) expire(now time.Time) {
	for len(m.byEnd) > 0 && now.After(m.byEnd[0].deadline) {
		m.remove(m.byEnd[0])
	}
}

func (m *requestMemory) sweep(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.expire(now)
}

func (m *requestMemory) remove(request *remembered) {
	heap.Remove(&m.byEnd, request.index)
	delete(m.requests, request.key)
	if request.done != nil {
		m.done.Remove(request.done)
	}
	m.bytes -= len(request.reply)
}

func (m *requestMemory) len() int {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.requests)
}

// remembereds is a heap.Interface, the earliest deadline first.
type remembereds []*remembered

func (r remembereds) Len() int           { return len(r) }
func (r remembereds) Less(i, j int) bool { return r[i].deadline.Before(r[j].deadline) }

func (r remembereds) Swap(i, j int) {
	r[i], r[j] = r[j], r[i]
	r[i].index, r[j].index = i, j
}

// Push is for container/heap.
func (r *remembereds) Push(x any) {
	if request, ok := x.(*remembered); ok {
		request.index = len(*r)
		*r = append(*r, request)
	}
}

// Pop is for container/heap.
func (r *remembereds) Pop() any {
	last := (*r)[len(*r)-1]
	*r = (*r)[:len(*r)-1]
	return last
}
