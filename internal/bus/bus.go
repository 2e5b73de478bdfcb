package bus

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"sync"
	"time"

	"github.com/wattline/wattline"
)

// Bus is a process's connection to all the others. Its methods are safe for
// concurrent use, also before and after Run.
type Bus struct {
	options       Options
	brokers       []broker
	log           *slog.Logger
	metrics       *metrics
	complaints    complaints
	presenceTopic string

	started       time.Time
	announced     *announcement
	presence      *presenceTable
	listeners     listeners
	subscriptions *subscriptions
	retained      *retainedStore
	pending       *pendingAsks
	responders    *responders
	busy          activity // asks that wait and requests that were accepted

	mu        sync.Mutex
	state     runState
	session   *session
	failure   error         // of the last attempt to connect
	connected chan struct{} // closed while the session is ready
	waiting   []func(context.Context)
	spawn     func(func(context.Context)) // while Run runs
	heardSelf chan struct{}               // the presence of this process came back
}

type runState int

const (
	notRun runState = iota
	running
	draining
	stopped
)

var errRunTwice = errors.New("the bus can run only once")

func errStopping() error {
	return wattline.Errorf(wattline.CodeBrokerDown, "this process is stopping")
}

// New checks the options; a fault is a CodeInvalid error with the fields
// instance and broker[n]. It connects to nothing: see Run.
func New(options Options) (*Bus, error) {
	brokers, err := options.check()
	if err != nil {
		return nil, err
	}
	own := wattline.Topic{Kind: wattline.TopicPresence, Instance: options.Instance}
	presenceTopic, err := options.Topics.Build(own)
	if err != nil {
		return nil, err
	}
	started := time.Now()
	b := &Bus{
		options:       options,
		brokers:       brokers,
		log:           options.Log.With("instance", options.Instance),
		presenceTopic: presenceTopic,
		started:       started,
		announced:     newAnnouncement(options.Instance, options.Version, started),
		presence:      newPresenceTable(),
		listeners:     listeners{changed: make(chan struct{}, 1)},
		subscriptions: newSubscriptions(),
		retained:      newRetainedStore(options.MaxRetained),
		pending:       newPendingAsks(options.MaxPending),
		responders:    &responders{},
		connected:     make(chan struct{}),
		heardSelf:     make(chan struct{}, 1),
	}
	b.metrics = newMetrics(options.Metrics, b)
	b.subscriptions.add(b.replies())
	presence, watch := b.watchPresence()
	b.subscriptions.add(presence)
	b.waiting = append(b.waiting, watch)
	return b, nil
}

// Instance is this process's name.
func (b *Bus) Instance() string { return b.options.Instance }

// Topics builds and parses the topics of this bus.
func (b *Bus) Topics() wattline.Topics { return b.options.Topics }

// Connected tells whether there is a connection on which every subscription is
// granted, and presence is known.
func (b *Bus) Connected() bool { return b.live() != nil }

// WaitConnected returns when Connected is true, or with the context's error and why
// the last attempt failed.
func (b *Bus) WaitConnected(ctx context.Context) error {
	b.mu.Lock()
	connected := b.connected
	b.mu.Unlock()
	select {
	case <-connected:
		return nil
	case <-ctx.Done():
		b.mu.Lock()
		defer b.mu.Unlock()
		if b.failure == nil {
			return ctx.Err()
		}
		return fmt.Errorf("%w: %w", ctx.Err(), b.failure)
	}
}

// current is the connection that there is, ready or not.
func (b *Bus) current() *session {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.session
}

// live is the connection if it is ready and not known to be lost.
func (b *Bus) live() *session {
	s := b.current()
	if s == nil || !s.ready.Load() || s.isLost() {
		return nil
	}
	return s
}

// start runs the functions on goroutines of their own, with a context that ends
// with Run; before Run they wait for it.
func (b *Bus) start(workers ...func(context.Context)) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	switch b.state {
	case notRun:
		b.waiting = append(b.waiting, workers...)
	case running:
		for _, worker := range workers {
			b.spawn(worker)
		}
	case draining, stopped:
		return errStopping()
	}
	return nil
}

func (b *Bus) stopping() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.state >= draining
}

// guard keeps a panic of somebody's handler from ending the process.
func (b *Bus) guard(name string, call func()) (panicked bool) {
	defer func() {
		if fault := recover(); fault != nil {
			panicked = true
			b.metrics.panics.Inc()
			b.log.Error("a handler panicked", "handler", name, "panic", fault, "stack", string(debug.Stack()))
		}
	}()
	call()
	return false
}

// Stats is what a bus holds at the moment.
type Stats struct {
	Pending       int // asks that wait for a reply
	Remembered    int // request ids that the responders remember
	Retained      int // topics kept by Retain
	Subscriptions int
	Instances     int // instances that are alive
}

// Stats counts what the bus holds.
func (b *Bus) Stats() Stats {
	return Stats{
		Pending:       b.pending.len(),
		Remembered:    b.responders.remembered(),
		Retained:      b.retained.len(),
		Subscriptions: b.subscriptions.len(),
		Instances:     len(b.presence.live()),
	}
}
