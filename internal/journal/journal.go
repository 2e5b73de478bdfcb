// Package journal keeps a collector's readings on disk until every store has
// them. A reading is numbered (1, 2, 3… within a stream) and synced to disk
// before Append returns; hooks ask for what they lack by number and say up to
// which number they have stored; what all of them have stored is dropped.
//
// The journal is one SQLite file. Its stream is a random name made with the
// file, so that numbers of two journals are never taken for one another. It is
// bounded in bytes and age: what a bound drops before it was stored is lost,
// and is counted, logged and told to OnDrop.
package journal

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/telemetry"
)

// Defaults of Options. A reading takes about 50 bytes on disk: 1 GiB holds what
// 300 plugs give in eight days at 10 s.
const (
	DefaultMaxBytes       = 1 << 30
	DefaultMaxAge         = 30 * 24 * time.Hour
	DefaultCommitInterval = 100 * time.Millisecond
	DefaultCommitReadings = 500
	DefaultQueue          = 8192

	minMaxBytes = 256 << 10
	maxHooks    = 64
)

// ErrClosed is returned by all calls after Close.
var ErrClosed = errors.New("the journal is closed")

// Options say where a journal is and what bounds it. Zero means the default.
type Options struct {
	// Path is the file; its folder must exist.
	Path string
	// MaxBytes bounds the pages in use, MaxAge the time since a reading was taken.
	MaxBytes int64
	MaxAge   time.Duration
	// CommitInterval is the least time between the beginnings of two commits,
	// and so the longest that a reading waits for its own; it is cut short when
	// CommitReadings wait.
	CommitInterval time.Duration
	CommitReadings int
	// Queue bounds the callers that wait for a commit; more are told busy.
	Queue int
	// WaitFor names the hooks without whose word nothing is dropped, even if
	// they were never heard of.
	WaitFor []string
	// OnDrop is told of each range of numbers (both ends included) that a bound
	// or damage took before every hook had stored it. It is called by the one
	// goroutine that writes: it must return soon and not call the journal.
	OnDrop func(from, to uint64)
	// Log hears once of each change of state; nil for nobody.
	Log     *slog.Logger
	Metrics *telemetry.Registry
}

func (o Options) withDefaults() (Options, error) {
	o.MaxBytes = cmp.Or(o.MaxBytes, DefaultMaxBytes)
	o.MaxAge = cmp.Or(o.MaxAge, DefaultMaxAge)
	o.CommitInterval = cmp.Or(o.CommitInterval, DefaultCommitInterval)
	o.CommitReadings = cmp.Or(o.CommitReadings, DefaultCommitReadings)
	o.Queue = cmp.Or(o.Queue, DefaultQueue)
	o.Log = cmp.Or(o.Log, slog.New(slog.DiscardHandler))
	if o.OnDrop == nil {
		o.OnDrop = func(uint64, uint64) {}
	}
	switch {
	case o.Path == "":
		return o, errors.New("journal: no path")
	case o.MaxBytes < minMaxBytes:
		return o, fmt.Errorf("journal: max bytes must be at least %d", minMaxBytes)
	case o.MaxAge < 0 || o.CommitInterval < 0 || o.CommitReadings < 0 || o.Queue < 0:
		return o, errors.New("journal: a bound must not be negative")
	}
	for _, hook := range o.WaitFor {
		if err := wattline.CheckID(hook); err != nil {
			return o, fmt.Errorf("journal: hook to wait for %.80q %w", hook, err)
		}
	}
	return o, nil
}

// Journal is an open journal. All methods may be called concurrently.
type Journal struct {
	options Options
	metrics metrics
	queue   chan *request
	// suspect is told that a question met damage.
	suspect chan error
	closing chan struct{}
	ended   chan struct{}
	shown   map[string]bool // the hooks that have gauges; the writer's
	close   sync.Once
	failure error // of closing the file; read after ended
	// onCommit is nil while nobody wants to hear.
	onCommit atomic.Pointer[func([]wattline.Reading)]

	// opened is when it was, by the clock that only goes on; since is what the time
	// was then: that of the newest reading, if there is one.
	opened, since time.Time

	// fileMu keeps the file from being replaced under a question.
	fileMu sync.RWMutex
	file   *file

	mu    sync.RWMutex
	state state
}

// Open opens or makes a journal and starts its writer, which Close ends. A
// damaged file is set aside and a new stream begun; of the damaged file the
// newest reading of each device is saved where it can still be read.
func Open(ctx context.Context, options Options) (*Journal, error) {
	options, err := options.withDefaults()
	if err != nil {
		return nil, err
	}
	opened, found, err := openFile(ctx, options, state{stream: newStream()})
	if err != nil {
		return nil, fmt.Errorf("open the journal: %w", err)
	}
	now := time.Now()
	j := &Journal{
		opened: now, since: found.newestTime(now),
		options: options, metrics: newMetrics(options.Metrics), file: opened, state: found,
		queue: make(chan *request, options.Queue), suspect: make(chan error, 1),
		closing: make(chan struct{}), ended: make(chan struct{}),
	}
	go j.write()
	return j, nil
}

func newStream() string { return strings.ToLower(rand.Text()) }

// Close commits what waits, ends the writer and closes the file.
func (j *Journal) Close() error {
	j.close.Do(func() { close(j.closing) })
	<-j.ended
	return j.failure
}

// Stream is the name of the numbering. It never changes while the journal is
// open.
func (j *Journal) Stream() string {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.state.stream
}

// LastSeq is the newest number on disk; 0 before the first.
func (j *Journal) LastSeq() uint64 {
	j.mu.RLock()
	defer j.mu.RUnlock()
	return j.state.last
}

// Stored says that everything up to a number is in a hook's store. It is on
// disk when it returns. A lower number than one said before changes nothing. A
// number that the journal never gave is CodeInvalid: it is another stream's.
func (j *Journal) Stored(ctx context.Context, hook string, seq uint64) error {
	if err := wattline.CheckID(hook); err != nil {
		return wattline.Invalid(wattline.FieldError{Field: "hook", Reason: err.Error()})
	}
	if last := j.LastSeq(); seq > last {
		return wattline.Invalid(wattline.FieldError{
			Field: "seq", Reason: fmt.Sprintf("%d is beyond the newest number, %d", seq, last),
		})
	}
	if known, err := j.knows(hook, seq); known || err != nil {
		return err
	}
	_, err := j.ask(ctx, &request{kind: noteStored, hook: hook, seq: seq})
	if err != nil {
		return fmt.Errorf("note what %s has stored: %w", hook, err)
	}
	return nil
}

// knows tells whether a hook's word is old news. A new hook is an error when
// there are too many.
func (j *Journal) knows(hook string, seq uint64) (bool, error) {
	j.mu.RLock()
	defer j.mu.RUnlock()
	mark, ok := j.state.hooks[hook]
	if !ok && len(j.state.hooks) >= maxHooks {
		return false, wattline.Errorf(wattline.CodeBusy, "the journal knows %d hooks already and takes no more", maxHooks)
	}
	return ok && seq <= mark.seq, nil
}

// Forget stops waiting for a hook, until it stores more than it had. Errors:
// CodeNotFound for a hook never heard of, CodeConflict for one that the
// configuration names.
func (j *Journal) Forget(ctx context.Context, hook string) error {
	if slices.Contains(j.options.WaitFor, hook) {
		return wattline.Errorf(wattline.CodeConflict,
			"the configuration says to wait for hook %s: take it out there", hook)
	}
	j.mu.RLock()
	mark, known := j.state.hooks[hook]
	j.mu.RUnlock()
	if !known || mark.forgotten {
		return wattline.Errorf(wattline.CodeNotFound, "the journal waits for no hook %.80q", hook)
	}
	if _, err := j.ask(ctx, &request{kind: forgetHook, hook: hook}); err != nil {
		return fmt.Errorf("forget hook %s: %w", hook, err)
	}
	return nil
}

// ask gives the writer a request and waits for its answer.
func (j *Journal) ask(ctx context.Context, r *request) (answer, error) {
	r.done = make(chan answer, 1)
	select {
	case <-j.closing:
		return answer{}, ErrClosed
	case <-ctx.Done():
		return answer{}, ctx.Err()
	default:
	}
	select {
	case j.queue <- r:
	default:
		j.metrics.busy.Inc()
		return answer{}, wattline.Errorf(wattline.CodeBusy, "the journal's queue is full")
	}
	select {
	case a := <-r.done:
		return a, a.err
	case <-ctx.Done():
		return answer{}, ctx.Err()
	case <-j.ended:
		select {
		case a := <-r.done:
			return a, a.err
		default:
			return answer{}, ErrClosed
		}
	}
}
