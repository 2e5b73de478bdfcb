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
	// Note is the file in which it is noted how far the task has come; empty for
	// none. It goes when the task is done. Label tells the task from others that
	// may have left a note there.
	Note, Label string
	// AtOnce is how many groups of devices are moved at the same time; 4 if 0.
	AtOnce int
	// Patience is for how long a store may be away; DefaultPatience if 0.
	Patience time.Duration
	// Progress, if there, hears how many of how many readings have been dealt with.
	// It is called by several goroutines, one at a time.
	Progress func(done, total int64)
}

// Run does a task. The report tells of all that was done, also by runs that were
// ended before their time; on an error it tells how far it came, and the same task
// goes on from there. Readings that the target refuses and days that differ are
// in the report and are no error.
func Run(ctx context.Context, task Task) (*Report, error) {
	if task.AtOnce == 0 {
		task.AtOnce = defaultAtOnce
	}
	if task.Patience == 0 {
		task.Patience = DefaultPatience
	}
	r := run{task: task, source: patient{task.Source, task.Patience}, target: patient{task.Target, task.Patience}}
	if err := task.check(); err != nil {
		return &Report{}, err
	}
	var err error
	if r.plan, err = makePlan(ctx, r.source, task); err != nil {
		return &Report{}, err
	}
	n, err := openNote(task.Note, task.identity())
	if err != nil {
		return &Report{}, err
	}
	r.report = n.Report
	r.report.begin(r.plan)
	for day := range r.plan.days(n.Done) {
		if err := r.day(ctx, day); err != nil {
			return r.report, fmt.Errorf("%s: %w", day.Format(time.DateOnly), err)
		}
		if !day.Before(r.plan.lastDay()) {
			break // it may still grow: it is never done with
		}
		n.Done = day
		if err := n.save(); err != nil {
			return r.report, err
		}
	}
	r.tell(r.plan.total)
	return r.report, n.remove()
}

func (r *run) tell(done int64) {
	if r.task.Progress != nil {
		r.task.Progress(done, r.plan.total)
	}
}

// identity is what makes two tasks the same.
func (t Task) identity() string {
	return fmt.Sprintf("%s %t %d %d %v", t.Label, t.VerifyOnly, t.Since.UnixMilli(), t.Until.UnixMilli(), t.Devices)
}

type run struct {
	task           Task
	source, target patient
	plan           plan
	report         *Report
}

// day moves a day: groups of devices at the same time. The report takes a day
// whole or not at all.
func (r *run) day(ctx context.Context, start time.Time) error {
	held := r.plan.on(start)
	if len(held) == 0 {
		return nil
	}
	found := newFound(r.report.Done, r.tell)
	group, ctx := errgroup.WithContext(ctx)
	for _, some := range deal(held, r.task.AtOnce) {
		part := part{
			run: r, found: found, held: some,
			from: latest(start, r.task.Since), to: earliest(start.Add(day), r.plan.until),
		}
		group.Go(func() error { return part.move(ctx) })
	}
	if err := group.Wait(); err != nil {
		return err
	}
	r.report.add(found)
	return nil
}

// part is some devices on a day.
type part struct {
	*run

	found    *found
	held     []holding
	from, to time.Time
}

func (p part) date() string { return p.from.UTC().Format(time.DateOnly) }

func (p part) devices() []string {
	names := make([]string, len(p.held))
	for i, h := range p.held {
		names[i] = h.device
	}
	return names
}

func (p part) heldOf(device string) holding {
	i, _ := slices.BinarySearchFunc(p.held, device, func(h holding, name string) int { return cmp.Compare(h.device, name) })
	return p.held[i]
}

// move writes the part, unless it is only to be compared, and compares it.
func (p part) move(ctx context.Context) error {
	source, err := p.digests(ctx, p.source, p.write)
	if err != nil {
		return err
	}
	target, err := p.digests(ctx, p.target, nil)
	if err != nil {
		return err
	}
	for _, device := range p.devices() {
		p.found.readings(device, source[device].Readings)
		if source[device] == target[device] {
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

// write hands a page to the target.
func (p part) write(ctx context.Context, page []wattline.Reading) error {
	p.found.progress(int64(len(page)))
	if p.task.VerifyOnly {
		return nil
	}
	refusals, err := Refusals(page, p.target.Write(ctx, page))
	p.found.refuse(refusals)
	return err
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
