package journal

import (
	"context"
	"database/sql"
	"errors"
	"maps"
	"math"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/sqlite"
)

const (
	// linger lets callers who come together share a commit; it is what a lone
	// reading waits.
	linger = 2 * time.Millisecond
	// tick is how often the bounds are looked at.
	tick = time.Second
)

type kind int

const (
	appendReadings kind = iota
	noteStored
	forgetHook
)

// request is what a caller asks of the writer.
type request struct {
	kind     kind
	readings []wattline.Reading // of one device, in the order of time
	memo     []byte
	hook     string
	seq      uint64
	done     chan answer // holds one, so that the writer never waits
}

type answer struct {
	readings []wattline.Reading
	err      error
}

var errNoFile = errors.New("the journal's file could not be opened")

// write is the writer: the only goroutine that changes the file and the state.
func (j *Journal) write() {
	defer close(j.ended)
	ticker := time.NewTicker(tick)
	defer ticker.Stop()
	var begun, kept time.Time
	for open := true; open; {
		var batch []*request
		batch, open = j.collect(ticker.C, begun)
		if len(batch) > 0 {
			begun = time.Now()
			j.commit(batch)
		}
		if now := time.Now(); open && now.Sub(kept) >= tick {
			kept = now
			j.keepBounds(now)
		}
	}
	if j.file != nil {
		j.failure = j.file.db.Close()
	}
}

// collect waits for requests and gathers those that share a commit: at once
// after a quiet time, else one interval after the commit before began. open is
// false when the journal is closing and these are the last.
func (j *Journal) collect(ticks <-chan time.Time, before time.Time) (batch []*request, open bool) {
	select {
	case r := <-j.queue:
		batch = append(batch, r)
	case err := <-j.suspect:
		j.replaceFile(err)
		return nil, true
	case <-ticks:
		return nil, true
	case <-j.closing:
		return sqlite.Gather(nil, j.queue, math.MaxInt), false
	}
	timer := time.NewTimer(max(linger, time.Until(before.Add(j.options.CommitInterval))))
	defer timer.Stop()
	for len(batch) < j.options.CommitReadings {
		select {
		case r := <-j.queue:
			batch = append(batch, r)
		case <-timer.C:
			return batch, true
		case <-j.closing:
			return sqlite.Gather(batch, j.queue, math.MaxInt), false
		}
	}
	return batch, true
}

// plan is what one transaction writes.
type plan struct {
	readings []wattline.Reading
	newest   map[string]newest
	hooks    map[string]mark
	trimTo   uint64 // 0 for no trimming
}

// commit writes a batch and answers everybody in it.
func (j *Journal) commit(batch []*request) {
	begun := time.Now()
	p := j.plan(batch)
	err := j.apply(p)
	if sqlite.IsDamaged(err) {
		j.replaceFile(err)
		p = j.plan(batch)
		err = j.apply(p)
	}
	j.noteFailure(err)
	j.metrics.commits.Observe(time.Since(begun).Seconds())
	if hear := j.onCommit.Load(); hear != nil && err == nil && len(p.readings) > 0 {
		(*hear)(p.readings)
	}
	next := 0
	for _, r := range batch {
		a := answer{err: err}
		if r.kind == appendReadings && err == nil {
			a.readings = p.readings[next : next+len(r.readings) : next+len(r.readings)]
			next += len(r.readings)
		}
		r.done <- a
	}
}

// plan numbers the readings and works out what else goes into the transaction.
// It only reads the state, which nobody else changes.
func (j *Journal) plan(batch []*request) plan {
	p := plan{newest: map[string]newest{}, hooks: map[string]mark{}}
	hook := func(name string) (mark, bool) {
		if m, ok := p.hooks[name]; ok {
			return m, true
		}
		m, ok := j.state.hooks[name]
		return m, ok
	}
	seq := j.state.last
	for _, r := range batch {
		switch r.kind {
		case appendReadings:
			for _, reading := range r.readings {
				seq++
				reading.Stream, reading.Seq = j.state.stream, seq
				p.readings = append(p.readings, reading)
				p.newest[reading.Device] = newest{reading, r.memo}
			}
		case noteStored:
			m, known := hook(r.hook)
			p.hooks[r.hook] = m.next(r.seq, known)
		case forgetHook:
			m, _ := hook(r.hook)
			m.forgotten = true
			p.hooks[r.hook] = m
		}
	}
	if stored := storedByAll(j.options.WaitFor, j.state.hooks); stored >= j.state.first {
		p.trimTo = min(stored, j.state.first+chunk-1)
	}
	return p
}

// apply commits a plan and, if that went well, makes it the state.
func (j *Journal) apply(p plan) error {
	if j.file == nil {
		if err := j.openAgain(j.state.aside); err != nil {
			return errors.Join(errNoFile, err)
		}
	}
	// Not bounded by any caller: others share the transaction.
	if err := j.file.write(context.Background(), p); err != nil {
		return err
	}
	j.metrics.appended.Add(float64(len(p.readings)))
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.last += uint64(len(p.readings))
	if p.trimTo != 0 {
		j.state.first = p.trimTo + 1
	}
	maps.Copy(j.state.newest, p.newest)
	maps.Copy(j.state.hooks, p.hooks)
	return nil
}

func (f *file) write(ctx context.Context, p plan) error {
	return f.db.Write(ctx, func(tx *sql.Tx) error {
		insert := tx.StmtContext(ctx, f.insert)
		for _, reading := range p.readings {
			if _, err := insert.ExecContext(ctx, values(reading)...); err != nil {
				return err
			}
		}
		upsert := tx.StmtContext(ctx, f.upsert)
		for _, last := range p.newest {
			if _, err := upsert.ExecContext(ctx, last.values()...); err != nil {
				return err
			}
		}
		for name, m := range p.hooks {
			if _, err := tx.ExecContext(ctx, upsertHook, name, m.seq, m.forgotten); err != nil {
				return err
			}
		}
		if p.trimTo == 0 {
			return nil
		}
		_, err := tx.ExecContext(ctx, deleteUpTo, p.trimTo)
		return err
	})
}

// noteFailure logs when the disk begins to fail and when it works again.
func (j *Journal) noteFailure(err error) {
	text := ""
	if err != nil {
		text = err.Error()
		j.metrics.failures.Inc()
	}
	before := j.state.failing
	j.mu.Lock()
	j.state.failing = text
	j.mu.Unlock()
	switch {
	case before == "" && err != nil:
		j.options.Log.Error("journal cannot write", "file", j.options.Path, "disk_full", sqlite.IsFull(err), "error", err)
	case before != "" && err == nil:
		j.options.Log.Info("journal writes again", "file", j.options.Path)
	}
}

// replaceFile sets a damaged file aside in the middle of the work. The new one
// goes on with the stream and its numbers; what the old one held is lost.
func (j *Journal) replaceFile(damage error) {
	if j.file == nil {
		return
	}
	j.fileMu.Lock()
	defer j.fileMu.Unlock()
	select {
	case again := <-j.suspect: // of the same file
		damage = errors.Join(damage, again)
	default:
	}
	aside, err := j.file.setAside(j.options, damage)
	j.file = nil
	if err != nil {
		j.options.Log.Error("damaged journal file cannot be set aside", "file", j.options.Path, "error", err)
	}
	stored := storedByAll(j.options.WaitFor, j.state.hooks)
	if lost := max(stored+1, j.state.first); lost <= j.state.last {
		j.noteDrop(lost, j.state.last, dropDamage)
	}
	j.mu.Lock()
	j.state.first = j.state.last + 1
	j.mu.Unlock()
	if err := j.open(aside); err != nil {
		j.options.Log.Error("new journal file cannot be made", "file", j.options.Path, "error", err)
	}
}

// openAgain tries once more what replaceFile could not do.
func (j *Journal) openAgain(aside string) error {
	j.fileMu.Lock()
	defer j.fileMu.Unlock()
	return j.open(aside)
}

func (j *Journal) open(aside string) error {
	seed := j.state
	seed.aside = aside
	opened, found, err := openFile(context.Background(), j.options, seed)
	if err != nil {
		return err
	}
	j.file = opened
	j.mu.Lock()
	defer j.mu.Unlock()
	j.state.aside, j.state.bytes = found.aside, found.bytes
	return nil
}
