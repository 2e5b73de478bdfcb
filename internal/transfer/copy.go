package transfer

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

const defaultAtOnce = 4

// Task is what to move, and from where to where.
type Task struct {
	Source, Target store.Store
	// Devices are those to move; all of the source's if empty.
	Devices []string
	// Since and Until bound the time, [Since, Until); zero for all there is.
	Since, Until time.Time
	// VerifyOnly compares and writes nothing.
	VerifyOnly bool
	// AtOnce is how many groups of devices are moved at the same time; 4 if 0.
	AtOnce int
	// Patience is for how long a store may be away; DefaultPatience if 0.
	Patience time.Duration
	// Progress, if there, hears how many of how many readings have been dealt with.
	// It is called by several goroutines, one at a time.
	Progress func(done, total int64)
}

// Run does a task. What the target has already is compared and not written again, so
// that a task which was ended can be run again. On an error the report tells how far
// it came. Readings that the target refuses and days that differ are in the report and
// are no error.
func Run(ctx context.Context, task Task) (*Report, error) {
	if task.AtOnce == 0 {
		task.AtOnce = defaultAtOnce
	}
	if task.Patience == 0 {
		task.Patience = DefaultPatience
	}
	r := run{task: task, source: patient{task.Source, task.Patience}, target: patient{task.Target, task.Patience}}
	if err := task.check(); err != nil {
		return newReport(), err
	}
	var err error
	if r.plan, err = makePlan(ctx, r.source, task); err != nil {
		return newReport(), err
	}
	if err := r.prepare(ctx); err != nil {
		return newReport(), err
	}
	r.report = newReport()
	r.report.begin(r.plan)
	for day := range r.plan.days() {
		if err := r.day(ctx, day); err != nil {
			return r.report, fmt.Errorf("%s: %w", day.Format(time.DateOnly), err)
		}
	}
	r.tell(r.plan.total)
	return r.report, nil
}

// Preparer is a target that has something to make before it can be asked what it has.
type Preparer interface {
	Prepare(ctx context.Context) error
}

func (r *run) prepare(ctx context.Context) error {
	target, ok := r.task.Target.(Preparer)
	if !ok || r.task.VerifyOnly {
		return nil
	}
	return r.target.insist(ctx, func() error { return target.Prepare(ctx) })
}

func (r *run) tell(done int64) {
	if r.task.Progress != nil {
		r.task.Progress(done, r.plan.total)
	}
}

type run struct {
	task           Task
	source, target patient
	plan           plan
	report         *Report
}

// day moves what the target lacks of a day: stretch by stretch, groups of devices at
// the same time, and then compares it. The report takes a day whole or not at all.
func (r *run) day(ctx context.Context, start time.Time) error {
	held := r.plan.on(start)
	if len(held) == 0 {
		return nil
	}
	found := newFound(r.report.Done, r.tell)
	batch := &batch{target: r.target, found: found}
	parts := make([]*part, 0, r.task.AtOnce)
	for _, some := range deal(held, r.task.AtOnce) {
		parts = append(parts, &part{
			run: r, found: found, batch: batch, held: some, sums: sums{},
			from: latest(start, r.task.Since), to: earliest(start.Add(day), r.plan.until),
		})
	}
	if err := together(ctx, parts, func(ctx context.Context, p *part) error { return p.survey(ctx) }); err != nil {
		return err
	}
	stretch := stretchOf(held)
	for at := parts[0].from; at.Before(parts[0].to) && !r.task.VerifyOnly; at = at.Add(stretch) {
		err := together(ctx, parts, func(ctx context.Context, p *part) error { return p.copy(ctx, at, at.Add(stretch)) })
		if err == nil {
			err = batch.flush(ctx)
		}
		if err != nil {
			return err
		}
	}
	if err := together(ctx, parts, func(ctx context.Context, p *part) error { return p.compare(ctx) }); err != nil {
		return err
	}
	r.report.add(found)
	return nil
}

// together does something with all parts at the same time.
func together(ctx context.Context, parts []*part, do func(context.Context, *part) error) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, p := range parts {
		group.Go(func() error { return do(ctx, p) })
	}
	return group.Wait()
}

// part is some devices on a day.
type part struct {
	*run

	found    *found
	batch    *batch
	held     []holding
	from, to time.Time
	// lacking are the devices of which the target may not have what the source has.
	lacking []string
	// sums are of what the source has. Counted says that the survey made them.
	sums    sums
	counted bool
}

func (p *part) date() string { return p.from.UTC().Format(time.DateOnly) }

func (p *part) devices() []string {
	names := make([]string, len(p.held))
	for i, h := range p.held {
		names[i] = h.device
	}
	return names
}

func (p *part) heldOf(device string) holding {
	i, _ := slices.BinarySearchFunc(p.held, device, func(h holding, name string) int { return cmp.Compare(h.device, name) })
	return p.held[i]
}

// survey finds the devices of which the target lacks something. Where it has nothing
// at all, as on most days of a copy, the source is read only once, to be copied.
func (p *part) survey(ctx context.Context) error {
	target, err := p.digests(ctx, p.target, p.devices())
	if err != nil {
		return err
	}
	if len(target) == 0 && !p.task.VerifyOnly {
		p.lacking = p.devices()
		return nil
	}
	p.counted = true
	for page, err := range pages(ctx, p.source, p.query(p.devices(), p.from, p.to)) {
		if err != nil {
			return err
		}
		p.count(page)
	}
	p.lacking = slices.DeleteFunc(p.devices(), func(device string) bool { return p.sums.digest(device) == target.digest(device) })
	return nil
}

func (p *part) count(page []wattline.Reading) {
	p.sums.add(page)
	p.found.progress(int64(len(page)))
}

// copy has a stretch of what is lacking written.
func (p *part) copy(ctx context.Context, from, to time.Time) error {
	if len(p.lacking) == 0 {
		return nil
	}
	for page, err := range pages(ctx, p.source, p.query(p.lacking, from, earliest(to, p.to))) {
		if err != nil {
			return err
		}
		if !p.counted {
			p.count(page)
		}
		if err := p.batch.add(ctx, page); err != nil {
			return err
		}
	}
	return nil
}

// compare holds the target against what the source had.
func (p *part) compare(ctx context.Context) error {
	target, err := p.digests(ctx, p.target, p.lacking)
	if err != nil {
		return err
	}
	for _, device := range p.devices() {
		source := p.sums.digest(device)
		p.found.readings(device, source.Readings)
		if _, lacks := slices.BinarySearch(p.lacking, device); !lacks || source == target.digest(device) {
			continue
		}
		m, err := p.explain(ctx, device)
		if err != nil {
			return err
		}
		p.found.differs(m)
	}
	return p.moveQuarters(ctx)
}

// digests are of what a store has of some devices of the part.
func (p *part) digests(ctx context.Context, of store.Store, devices []string) (sums, error) {
	found := sums{}
	if len(devices) == 0 {
		return found, nil
	}
	for page, err := range pages(ctx, of, p.query(devices, p.from, p.to)) {
		if err != nil {
			return nil, err
		}
		found.add(page)
	}
	return found, nil
}

// query asks for a stretch of the part.
func (p *part) query(devices []string, from, to time.Time) store.Query {
	return store.Query{Devices: devices, From: from, To: to, Limit: store.MaxLimit}
}

// deal deals a list out into at most n lists of neighbours.
func deal(held []holding, n int) [][]holding {
	n = min(n, len(held))
	dealt := make([][]holding, n)
	for i := range dealt {
		dealt[i] = held[i*len(held)/n : (i+1)*len(held)/n]
	}
	return dealt
}

func latest(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func earliest(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}
