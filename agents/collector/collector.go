// Package collector is the agent that reads devices: it polls each plug of its
// site, numbers every reading in a journal on disk before it publishes it, and
// publishes how each device does. It learns its devices from the registry's
// retained messages.
package collector

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/semaphore"
	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/agents"
	"github.com/wattline/wattline/agents/kasa"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/fence"
	"github.com/wattline/wattline/internal/telemetry"
)

// Defaults and bounds.
const (
	DefaultPoll         = 5 * time.Second
	defaultMaxExchanges = 1024
	// New devices are first contacted at this pace, so that a start is spread too.
	contactsPerSecond = 200
	contactsBurst     = 8
)

// Plugs reads plugs; kasa.Client does. It is called concurrently, and serializes
// the requests to one address itself.
type Plugs interface {
	Read(ctx context.Context, target kasa.Target) (kasa.Measurement, error)
	// Days asks for the plug's own statistics of the days since an instant.
	Days(ctx context.Context, target kasa.Target, since time.Time) (kasa.Days, error)
}

// Journal numbers readings and puts them on disk; journal.Journal does.
type Journal interface {
	// AppendAll returns a device's readings with their Stream and Seq once they are
	// on disk, all of them or none, and the memo beside the last.
	AppendAll(ctx context.Context, readings []wattline.Reading, memo []byte) ([]wattline.Reading, error)
	// Recall is the newest reading ever appended for a device, and its memo.
	Recall(device string) (wattline.Reading, []byte, bool)
	Page(ctx context.Context, query wattline.ReplayQuery) (wattline.ReplayPage, error)
	Stored(ctx context.Context, hook string, seq uint64) error
	// Forget stops waiting for a hook.
	Forget(ctx context.Context, hook string) error
	Status() wattline.JournalStatus
	Stream() string
	LastSeq() uint64
	// OnCommit sets who is given the readings of each commit, consecutive numbers all.
	OnCommit(hear func(readings []wattline.Reading))
}

// Bus is what a collector needs of bus.Bus.
type Bus interface {
	agents.Bus
	AnnounceStream(func() (stream string, seq uint64))
}

// Options make a Collector.
type Options struct {
	Bus     Bus
	Plugs   Plugs
	Journal Journal
	// Finder searches plugs, those that have changed their address among them; nil
	// searches none.
	Finder Finder
	// Networks are where plugs are searched: address by address in those that are
	// small enough.
	Networks fence.Networks
	// Site is the network whose devices are polled.
	Site string
	// Poll is the interval for devices that have none of their own; 5 s.
	Poll time.Duration
	// MaxExchanges bounds how many plugs are talked to at once; 1024.
	MaxExchanges int64
	// AwaitHistory is how long after the start a history is given to be there, before
	// devices that nobody else knows of begin without having asked one.
	AwaitHistory time.Duration
	Log          *slog.Logger
	Metrics      *telemetry.Registry
}

// Collector polls the devices of a site. Make it with New.
type Collector struct {
	options      Options
	log          *slog.Logger
	metrics      metrics
	exchanges    *semaphore.Weighted
	contacts     *rate.Limiter
	journalFails atomic.Bool
	handover     *handover
	past         *past
	started      time.Time
	whereabouts  *whereabouts
	searches     *searches
	complain     rate.Sometimes // belongs to stored
	watches      watches
	packer       *packer

	mu      sync.Mutex
	pollers map[string]*poller
}

// New makes a collector; Run starts it.
func New(options Options) *Collector {
	if options.Poll == 0 {
		options.Poll = DefaultPoll
	}
	if options.MaxExchanges == 0 {
		options.MaxExchanges = defaultMaxExchanges
	}
	if len(options.Networks) == 0 {
		options.Finder = nil // there is nowhere to search
	}
	c := &Collector{
		options: options, log: options.Log.With("role", wattline.RoleCollector),
		metrics:     newMetrics(options.Metrics),
		exchanges:   semaphore.NewWeighted(options.MaxExchanges),
		contacts:    rate.NewLimiter(contactsPerSecond, contactsBurst),
		complain:    rate.Sometimes{First: 1, Interval: time.Minute},
		handover:    newHandover(),
		past:        newPast(options.Bus),
		pollers:     map[string]*poller{},
		whereabouts: newWhereabouts(), searches: newSearches(), packer: newPacker(),
	}
	options.Metrics.GaugeFunc("wattline_collector_watched", "Devices that are polled every second because somebody watches.", func() float64 {
		return float64(c.watches.count(time.Now()))
	})
	return c
}

// Run polls until the context ends, then waits for the polls under way.
func (c *Collector) Run(ctx context.Context) error {
	c.options.Journal.OnCommit(c.packer.add)
	c.options.Bus.AnnounceStream(func() (string, uint64) { return c.options.Journal.Stream(), c.options.Journal.LastSeq() })
	stopAnswering, err := c.answer()
	if err != nil {
		return err
	}
	defer stopAnswering()
	stopTakingOver, err := c.options.Bus.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicData, Site: c.options.Site}, Queue: handoverDevices, Name: "collector-handover",
	}, c.handover.hear)
	if err != nil {
		return err
	}
	defer stopTakingOver()
	c.started = time.Now()
	packing, stopPacking := context.WithCancel(context.WithoutCancel(ctx))
	var packs sync.WaitGroup
	packs.Go(func() { c.pack(packing) })
	defer func() { stopPacking(); packs.Wait() }() // the last polls are packed too
	ctx, end := context.WithCancel(ctx)
	var asking sync.WaitGroup
	asking.Go(func() { c.past.run(ctx) })
	defer func() { end(); asking.Wait() }()
	stopFollowing, err := agents.Follow(agents.Following{
		Bus: c.options.Bus, Site: c.options.Site, Name: wattline.RoleCollector, Log: c.log, Metrics: c.options.Metrics,
	}, func(_ context.Context, change agents.Change) { c.apply(ctx, change) })
	if err != nil {
		return err
	}
	c.options.Bus.Announce(wattline.RoleCollector, c.options.Site)
	var seeking sync.WaitGroup
	seeking.Go(func() { c.seek(ctx) })
	seeking.Go(func() { c.discover(ctx) })
	c.handover.settle(ctx)
	stopTakingOver()
	<-ctx.Done()
	seeking.Wait()
	stopFollowing()
	c.stopAll()
	return nil
}

// apply starts, restarts or ends the poller of a device. It is called by one
// goroutine.
func (c *Collector) apply(ctx context.Context, change agents.Change) {
	if ctx.Err() != nil {
		return
	}
	running, ok := c.poller(change.Device.ID)
	if ok && !change.Removed && polledAlike(running.device, change.Device) {
		return
	}
	if ok {
		running.stop()
		if running.device.Address != change.Device.Address {
			c.whereabouts.readdress(change.Device)
		}
	}
	if change.Removed {
		c.unpublish(ctx, change.Device)
		c.keep(change.Device.ID, nil)
		c.whereabouts.forget(change.Device.ID)
		if ok {
			c.log.Info("device removed", "device", change.Device.ID)
		}
		return
	}
	c.handover.begin()
	p := c.newPoller(change.Device)
	pollCtx, cancel := context.WithCancel(ctx)
	p.cancel = cancel
	c.keep(change.Device.ID, p)
	go p.run(pollCtx)
}

// polledAlike tells whether two descriptions of a device make no difference to
// its poller.
func polledAlike(a, b wattline.Device) bool { return a.Address == b.Address && a.PollS == b.PollS }

func (c *Collector) keep(device string, p *poller) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.pollers, device)
	if p != nil {
		c.pollers[device] = p
	}
	c.metrics.devices.Set(float64(len(c.pollers)))
}

func (c *Collector) stopAll() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, p := range c.pollers {
		p.cancel()
	}
	for id, p := range c.pollers {
		p.stop()
		delete(c.pollers, id)
	}
}

func (c *Collector) poller(device string) (*poller, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	p, ok := c.pollers[device]
	return p, ok
}

type metrics struct {
	polls       *telemetry.CounterVec
	lateness    telemetry.Histogram
	devices     telemetry.Gauge
	unjournaled telemetry.Counter
	unpacked    telemetry.Counter
	badStored   telemetry.Counter
	days        *telemetry.CounterVec
}

func newMetrics(registry *telemetry.Registry) metrics {
	return metrics{
		polls: registry.CounterVec("wattline_collector_polls_total", "Polls, by what became of them.", "result"),
		lateness: registry.Histogram("wattline_collector_poll_lateness_seconds", "How late polls began.",
			[]float64{0.001, 0.005, 0.01, 0.05, 0.1, 0.5, 1, 5}),
		devices:     registry.Gauge("wattline_collector_devices", "Devices that are polled."),
		unjournaled: registry.Counter("wattline_collector_unjournaled_total", "Readings lost because they could not be put on disk."),
		days:        registry.CounterVec("wattline_collector_day_stats_total", "Questions for a plug's own statistics, by what became of them.", "result"),
		unpacked:    registry.Counter("wattline_collector_unpacked_total", "Readings that went out in no pack; hooks ask the journal for them."),
		badStored:   registry.Counter("wattline_collector_bad_stored_total", "Stored positions of hooks that could not be used."),
	}
}
