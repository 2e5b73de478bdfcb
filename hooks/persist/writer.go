package persist

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/wattline/wattline"
)

// job is an answered question whose readings are to be written.
type job struct {
	answerOf
	done chan struct{} // closed when it is settled
}

const (
	// saveAgain is how soon the ledger is tried again when the disk refused it.
	saveAgain = time.Second
	// saveInterval is how long the ledger waits while one batch follows another.
	saveInterval = 100 * time.Millisecond
)

// write is the writer: one write to the store at a time, live batches first.
func (h *Hook) write(ctx context.Context) {
	var before, saved time.Time
	jobFirst := false // after a live batch a job has its turn, so that neither starves
	for {
		batch, j := h.next(ctx, before, jobFirst)
		jobFirst = len(batch) > 0
		switch {
		case j != nil:
			if h.put(ctx, j.readings, j.refused) != nil {
				continue // the context has ended; nobody waits for the job any more
			}
			h.settle(*j)
			h.save(ctx)
		case len(batch) > 0:
			before = time.Now()
			if h.put(ctx, batch, nil) != nil {
				h.putBack(batch)
				continue
			}
			h.settleLive(batch)
			if time.Since(saved) >= saveInterval {
				saved = time.Now()
				h.save(ctx)
			}
		case ctx.Err() != nil:
			h.finish(ctx)
			return
		}
	}
}

// next waits for work: a batch, a job, or nothing when it is time to look
// again or the context has ended. Before it waits, the ledger is brought up to date.
func (h *Hook) next(ctx context.Context, before time.Time, jobFirst bool) ([]wattline.Reading, *job) {
	now := time.Now()
	h.mu.Lock()
	wait, some := h.pending.wait(h.options.BatchReadings, h.options.BatchInterval, before, now)
	h.mu.Unlock()
	if ctx.Err() != nil {
		return nil, nil
	}
	if jobFirst {
		select {
		case j := <-h.jobs:
			return nil, &j
		default:
		}
	}
	if some && wait == 0 {
		h.mu.Lock()
		defer h.mu.Unlock()
		h.batch = h.pending.take(h.batch, h.options.BatchReadings, now)
		return h.batch, nil
	}
	h.save(ctx)
	if !some {
		wait = saveAgain
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case j := <-h.jobs:
		return nil, &j
	case <-timer.C:
	case <-h.wake:
	case <-ctx.Done():
	}
	return nil, nil
}

// put writes readings until the store has them all, or refuses some for good;
// those, and the ones that were refused before, are put with the dead letters.
// Only the context's end is an error.
func (h *Hook) put(ctx context.Context, readings []wattline.Reading, refused []refusal) error {
	if len(readings) > 0 {
		err := h.insist(ctx, func() error { return h.try(ctx, readings) })
		if what, _ := decide(err); what != outcomeKept && what != outcomeRefused {
			return err
		}
		refused = append(refused, refusals(err, readings)...)
	}
	if len(refused) == 0 {
		return nil
	}
	return h.insist(ctx, func() error { return h.bury(refused) })
}

// try writes once.
func (h *Hook) try(ctx context.Context, readings []wattline.Reading) error {
	bounded, cancel := context.WithTimeout(ctx, h.options.WriteTimeout)
	defer cancel()
	begun := time.Now()
	err := h.options.Store.Write(bounded, readings)
	if refused := refusals(err, readings); len(refused) > 0 {
		err = cmp.Or(doubt(refused, h.options.Bus.Instances()), err)
	}
	h.metrics.writes.Observe(time.Since(begun).Seconds())
	what, _ := decide(err)
	if ctx.Err() == nil || err == nil {
		h.note(what, err, len(readings))
	}
	return err
}

// insist repeats an action at a growing pace until it succeeds, refuses for
// good, or the context ends.
func (h *Hook) insist(ctx context.Context, action func() error) error {
	pace := newBackoff(firstRetry, longestRetry)
	for {
		err := action()
		what, asked := decide(err)
		if what == outcomeKept || what == outcomeRefused {
			return err
		}
		if ctx.Err() != nil {
			return ctx.Err()
		}
		timer := time.NewTimer(waitAfter(what, asked, pace))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return ctx.Err()
		}
	}
}

// bury puts readings with the dead letters.
func (h *Hook) bury(refused []refusal) error {
	letters := make([]DeadLetter, len(refused))
	for i, r := range refused {
		letters[i] = DeadLetter{Time: wattline.At(time.Now()), Reason: r.reason, Reading: r.reading}
	}
	if err := h.letters.put(letters); err != nil {
		h.noteDisk(err)
		return err
	}
	h.noteDisk(nil)
	h.metrics.letters.Add(float64(len(refused)))
	h.complainOfLetters(refused[0])
	return nil
}

// settleLive notes that a batch is in the store.
func (h *Hook) settleLive(batch []wattline.Reading) {
	h.metrics.written.Add(float64(len(batch)))
	h.mu.Lock()
	defer h.mu.Unlock()
	h.book.settle(batch)
}

// settle notes that an answered question is dealt with.
func (h *Hook) settle(j job) {
	h.metrics.written.Add(float64(len(j.readings)))
	h.metrics.replayed.Add(float64(len(j.readings)))
	h.mu.Lock()
	lost, begun := uint64(0), uint64(0)
	if s, ok := h.book.streams[j.stream]; ok {
		lost, begun = s.close(j.answerOf)
	}
	h.mu.Unlock()
	switch {
	case lost > 0:
		h.metrics.lost.Add(float64(lost))
		h.log.Error("readings are lost: the collector's journal had dropped them before they were stored",
			"stream", j.stream, "instance", j.instance, "from", j.from, "through", j.through, "readings", lost)
	case begun > 0:
		h.log.Info("the stream is followed from where its journal begins", "stream", j.stream,
			"instance", j.instance, "first", begun+1)
	}
	close(j.done)
}

// close settles what an answer speaks about. What it should have held is lost;
// except that a hook that has nothing of a stream yet begins where the journal
// does, for what was before has been stored by those that were there.
func (s *stream) close(a answerOf) (lost, begun uint64) {
	first := s.stored == 0
	for _, r := range a.readings {
		s.settle(span{From: r.Seq, To: r.Seq, At: r.Time.UnixMilli()})
	}
	for _, r := range a.refused {
		s.settle(span{From: r.reading.Seq, To: r.reading.Seq, At: r.reading.Time.UnixMilli()})
	}
	s.changed++
	if a.through == 0 {
		s.endsAt(a.last)
		return 0, 0
	}
	if first && a.from == 1 {
		begins := a.through + 1
		if len(a.readings) > 0 {
			begins = a.readings[0].Seq
		}
		if len(a.refused) > 0 {
			begins = min(begins, a.refused[0].reading.Seq)
		}
		begun = s.forgo(1, begins-1)
	}
	return s.forgo(a.from, a.through), begun
}

// putBack returns a batch that could not be written in time.
func (h *Hook) putBack(batch []wattline.Reading) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.pending.putBack(batch)
}

// finish writes what is in memory when the hook stops.
func (h *Hook) finish(ctx context.Context) {
	bounded, cancel := context.WithTimeout(context.WithoutCancel(ctx), h.options.StopTimeout)
	defer cancel()
	for bounded.Err() == nil {
		h.mu.Lock()
		h.batch = h.pending.take(h.batch, h.options.BatchReadings, time.Now())
		batch := h.batch
		h.mu.Unlock()
		if len(batch) == 0 {
			break
		}
		if h.put(bounded, batch, nil) != nil {
			h.putBack(batch)
			break
		}
		h.settleLive(batch)
	}
	h.save(bounded)
	h.mu.Lock()
	left := h.pending.len()
	h.mu.Unlock()
	if left > 0 {
		h.log.Warn("stopped before the store took everything; the rest is read from the journals at the next start",
			"readings", left)
	}
}

// save puts what has changed on disk and then tells the collectors.
func (h *Hook) save(ctx context.Context) {
	if ctx.Err() != nil {
		return
	}
	h.mu.Lock()
	rows, deleted, err := h.book.changes()
	h.mu.Unlock()
	if err == nil && len(rows)+len(deleted) > 0 {
		err = h.ledger.save(ctx, rows, deleted)
		h.noteDisk(err)
	}
	h.mu.Lock()
	if errors.Is(err, errReplaced) {
		h.book.touchAll()
	}
	if err != nil {
		h.mu.Unlock()
		return
	}
	h.book.noteSaved(rows, deleted)
	news := h.book.news()
	h.mu.Unlock()
	h.announce(ctx, news, deleted)
}

// announce tells the collectors what is stored, and takes back what was said of
// streams that are given up.
func (h *Hook) announce(ctx context.Context, news []row, deleted []string) {
	topic := wattline.Topic{Kind: wattline.TopicStored, Hook: h.options.Name}
	for _, name := range deleted {
		topic.Stream = name
		if err := h.options.Bus.Retain(ctx, topic, nil); err != nil {
			h.log.Debug("stored position not taken back", "stream", name, "error", err)
		}
	}
	for _, r := range news {
		topic.Stream = r.name
		if err := h.options.Bus.Retain(ctx, topic, wattline.Stored{Seq: r.stored}); err != nil {
			h.log.Debug("stored position told later", "stream", r.name, "error", err)
			continue
		}
		h.mu.Lock()
		if s, ok := h.book.streams[r.name]; ok {
			s.told, s.announced = true, r.stored
		}
		h.mu.Unlock()
	}
}
