// Package persist keeps every reading in a store, once, whatever goes down in
// between. It listens to what collectors publish, packed where
// they do so and one by one else, and writes in batches. Collectors
// number their readings, so it knows what it lacks, asks the collector's journal
// for that page by page, and tells the collector up to which number everything
// is in the store, so that the journal may drop it.
//
// What it promises: a reading that a journal has ends up in the store, or in
// the dead-letter file if the store will never take it, or is counted as lost if
// the journal has dropped it before. It never says that a reading is stored
// before the store has confirmed it and its own note of that is on disk. The
// live path never waits for the store: what does not fit into memory meanwhile
// is asked for later. Readings without a number, of somebody else's collector,
// are stored too, but cannot be asked for again.
package persist

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/telemetry"
	"github.com/wattline/wattline/internal/wake"
)

// Defaults of Options.
const (
	DefaultBatchReadings   = 5000
	DefaultBatchInterval   = time.Second
	DefaultMaxPending      = 20_000
	DefaultMaxStreams      = 256
	DefaultReplays         = 4
	DefaultGrace           = 2 * time.Second
	DefaultWriteTimeout    = 30 * time.Second
	DefaultAskTimeout      = 10 * time.Second
	DefaultStopTimeout     = 3 * time.Second
	DefaultDeadLetterBytes = 64 << 20
	DefaultForgetAfter     = 31 * 24 * time.Hour
)

// Bus is what the hook needs of bus.Bus.
type Bus interface {
	hooks.Bus
	Retain(ctx context.Context, topic wattline.Topic, payload any) error
	Ask(ctx context.Context, ask bus.Ask) (json.RawMessage, error)
	Respond(bus.RespondOptions, bus.Handler) (cancel func(), err error)
	Instance() string
	Announce(role string, sites ...string)
	OnPresence(hear func(wattline.Presence))
	Instances() []wattline.Presence
}

// Store is what the hook needs of store.Store; the errors are those of
// store.Store.Write.
type Store interface {
	Write(ctx context.Context, readings []wattline.Reading) error
}

// Options make a Hook. Zero means the default.
type Options struct {
	// Name is the hook's in …/stored/{name}/…, in its files and in the metrics.
	// Hooks of one process need different ones.
	Name  string
	Bus   Bus
	Store Store
	// Dir is where it keeps its ledger, {name}.sqlite, and its dead letters,
	// {name}.dead-letters.ndjson. It is made if it is not there.
	Dir string

	// BatchReadings and BatchInterval say when a batch is written: when so many
	// wait, or one interval after the batch before.
	BatchReadings int
	BatchInterval time.Duration
	// MaxPending bounds the live readings in memory, MaxStreams the collectors'
	// streams that are followed, Replays how many of them are asked at once.
	MaxPending int
	MaxStreams int
	Replays    int
	// Grace is how long a reading is given to arrive before it is asked for, at
	// least; it may be twice as long.
	Grace time.Duration
	// WriteTimeout bounds one write, AskTimeout one question to a collector,
	// StopTimeout the writing of what is in memory when Run ends.
	WriteTimeout time.Duration
	AskTimeout   time.Duration
	StopTimeout  time.Duration
	// DeadLetterBytes bounds the dead letters on disk; the oldest half goes first.
	DeadLetterBytes int64
	// ForgetAfter is how long a stream of which nothing is heard is kept in mind:
	// longer than a journal keeps readings.
	ForgetAfter time.Duration

	Log     *slog.Logger
	Metrics *telemetry.Registry
}

func (o Options) withDefaults() (Options, error) {
	if err := wattline.CheckID(o.Name); err != nil {
		return o, fmt.Errorf("hook name %.80q %w", o.Name, err)
	}
	if o.Bus == nil || o.Store == nil || o.Dir == "" {
		return o, fmt.Errorf("hook %s needs a bus, a store and a folder", o.Name)
	}
	setDefault(&o.BatchReadings, DefaultBatchReadings)
	setDefault(&o.BatchInterval, DefaultBatchInterval)
	setDefault(&o.MaxPending, DefaultMaxPending)
	setDefault(&o.MaxStreams, DefaultMaxStreams)
	setDefault(&o.Replays, DefaultReplays)
	setDefault(&o.Grace, DefaultGrace)
	setDefault(&o.WriteTimeout, DefaultWriteTimeout)
	setDefault(&o.AskTimeout, DefaultAskTimeout)
	setDefault(&o.StopTimeout, DefaultStopTimeout)
	setDefault(&o.DeadLetterBytes, DefaultDeadLetterBytes)
	setDefault(&o.ForgetAfter, DefaultForgetAfter)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Log = o.Log.With("hook", o.Name)
	return o, nil
}

func setDefault[T int | int64 | time.Duration](value *T, byDefault T) {
	if *value <= 0 {
		*value = byDefault
	}
}

// Hook persists readings. Make it with New; it can be run once.
type Hook struct {
	options Options
	log     *slog.Logger
	metrics metrics
	began   time.Time
	// shown are the streams that have gauges.
	shown   map[string]bool
	ledger  *ledger
	letters deadLetters
	// resending is held while dead letters are sent again.
	resending sync.Mutex
	// batch is what is being written. It belongs to the writer, and its memory is
	// used again.
	batch []wattline.Reading
	// jobs are answered questions on their way to the writer.
	jobs chan job
	// wake tells the writer, and kick the replays, that there may be work; came
	// that a collector came or went, or that there is another site.
	wake chan struct{}
	kick chan struct{}
	came chan struct{}

	mu      sync.Mutex
	sources sources
	book    *book
	pending pending
	health  health
}

// New opens the hook's files. A damaged ledger is set aside and begun anew:
// what it knew is asked for again.
func New(ctx context.Context, options Options) (*Hook, error) {
	o, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(o.Dir, 0o700); err != nil {
		return nil, fmt.Errorf("hook %s: %w", o.Name, err)
	}
	opened, err := openLedger(ctx, filepath.Join(o.Dir, o.Name+".sqlite"), o.Log)
	if err != nil {
		return nil, fmt.Errorf("hook %s: %w", o.Name, err)
	}
	h := &Hook{
		options: o, log: o.Log, metrics: newMetrics(o.Metrics, o.Name), began: time.Now(), ledger: opened,
		jobs: make(chan job), wake: make(chan struct{}, 1), kick: make(chan struct{}, 1), came: make(chan struct{}, 1),
		sources: newSources(),
		book:    newBook(o.MaxStreams),
	}
	h.letters.letterBox = letterBox{path: filepath.Join(o.Dir, o.Name+".dead-letters.ndjson"), maxBytes: o.DeadLetterBytes}
	h.letters.onDrop = h.lettersDropped
	if err := opened.load(ctx, h.book); err != nil {
		return nil, errors.Join(fmt.Errorf("hook %s: %w", o.Name, err), opened.close())
	}
	h.noteDisk(h.letters.count())
	return h, nil
}

// Run persists until the context ends; then it writes what is in memory, as far
// as the store lets it within StopTimeout. The rest is in the journals and is
// asked for at the next start.
func (h *Hook) Run(ctx context.Context) (err error) {
	defer func() { err = errors.Join(err, h.ledger.close()) }()
	h.options.Bus.OnPresence(h.hear)
	stopListening, err := h.listen(ctx)
	if err != nil {
		return fmt.Errorf("hook %s: %w", h.options.Name, err)
	}
	defer stopListening()
	stopAnswering, err := h.answer()
	if err != nil {
		return fmt.Errorf("hook %s: %w", h.options.Name, err)
	}
	defer stopAnswering()
	h.options.Bus.Announce(wattline.RoleHook) // from here on it misses nothing that is not asked for
	var replays sync.WaitGroup
	replays.Go(func() { h.replay(ctx) })
	h.write(ctx)
	replays.Wait()
	return nil
}

// take receives live readings. It never waits for the store.
func (h *Hook) take(readings ...wattline.Reading) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := range readings {
		h.takeOne(&readings[i], now)
	}
}

func (h *Hook) takeOne(reading *wattline.Reading, now time.Time) {
	if h.pending.len() >= h.options.MaxPending {
		h.noteOverflow()
		if h.book.miss(reading, now) {
			h.metrics.lost.Inc()
		}
		return
	}
	if !h.book.arrive(reading, now) {
		h.metrics.repeats.Inc()
		return
	}
	h.pending.add(*reading, now)
	if n := h.pending.len(); n == 1 || n == h.options.BatchReadings {
		wake.Up(h.wake)
	}
}

// hear receives what an instance says of itself.
func (h *Hook) hear(p wattline.Presence) {
	h.mu.Lock()
	h.book.presence(p, time.Now())
	h.sources.hear(p)
	h.mu.Unlock()
	wake.Up(h.came)
	wake.Up(h.wake)
	wake.Up(h.kick)
}
