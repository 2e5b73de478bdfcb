package persist

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/time/rate"

	"github.com/wattline/wattline"
)

const complainEvery = time.Minute

// health is how the store and the disk do. The hook's mutex guards it.
type health struct {
	lastWrite time.Time
	failing   outcome // "" while the store takes what it is given
	since     time.Time
	err       string
	diskErr   string
	// overflowing says that memory is full and that the log was told.
	overflowing bool

	misconfigured rate.Sometimes
	letters       rate.Sometimes
	answers       rate.Sometimes
}

// Status tells how the hook does. It may be called at any time.
func (h *Hook) Status() wattline.HookStatus {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	status := wattline.HookStatus{
		Hook: h.options.Name, Failing: string(h.health.failing), Error: h.health.err, DiskError: h.health.diskErr,
		Pending: h.pending.len(), MaxPending: h.options.MaxPending, Overflowed: h.metrics.overflow.count(),
		Lost: h.metrics.lost.count(), DeadLetters: h.letters.kept().letters, Streams: h.book.status(now),
	}
	if !h.health.lastWrite.IsZero() {
		status.LastWrite = wattline.At(h.health.lastWrite)
	}
	if h.health.failing != "" {
		status.Since = wattline.At(h.health.since)
	}
	return status
}

// Ready is nil while the store takes what it is given and the hook's own files
// can be written.
func (h *Hook) Ready(context.Context) error {
	status := h.Status()
	switch {
	case status.Failing != "":
		return fmt.Errorf("the store is %s since %v: %s", status.Failing, status.Since, status.Error)
	case status.DiskError != "":
		return fmt.Errorf("the hook's files cannot be written: %s", status.DiskError)
	}
	return nil
}

// note keeps the outcome of a write and logs each change of state; a
// misconfigured store is named once a minute.
func (h *Hook) note(what outcome, err error, readings int) {
	now := time.Now()
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.health.failing
	if what == outcomeKept || what == outcomeRefused {
		h.health.lastWrite, h.health.failing, h.health.err = now, "", ""
		if before != "" {
			h.log.Info("store takes readings again", "after", now.Sub(h.health.since).Round(time.Millisecond))
		}
		return
	}
	h.metrics.failures.WithLabelValues(h.options.Name, string(what)).Inc()
	if before == "" {
		h.health.since = now
	}
	h.health.failing, h.health.err = what, err.Error()
	switch {
	case what == outcomeMisconfigured:
		h.health.misconfigured.Interval = complainEvery
		h.health.misconfigured.Do(func() {
			h.log.Error("store is misconfigured; readings are kept until it is mended", "error", err)
		})
	case before != what:
		h.log.Warn("store does not take readings; they are kept and tried again", "readings", readings, "error", err)
	}
}

// noteDisk logs when the hook's own files can no longer be written, and when
// they can again.
func (h *Hook) noteDisk(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.health.diskErr
	h.health.diskErr = ""
	if err != nil {
		h.health.diskErr = err.Error()
	}
	switch {
	case before == "" && err != nil:
		h.log.Error("hook's files cannot be written; nothing is told to be stored meanwhile", "error", err)
	case before != "" && err == nil:
		h.log.Info("hook's files can be written again")
	}
}

func (h *Hook) complainOfLetters(first refusal) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.health.letters.Interval = complainEvery
	h.health.letters.Do(func() {
		h.log.Error("store refuses readings for good; they are with the dead letters", "file", h.letters.path,
			"device", first.reading.Device, "time", first.reading.Time, "reason", first.reason)
	})
}

// noteOverflow counts a reading for which memory is full, and logs the first.
// The hook's mutex is held.
func (h *Hook) noteOverflow() {
	h.metrics.overflow.Add(1)
	if !h.health.overflowing {
		h.health.overflowing = true
		h.log.Warn("memory for readings that wait for the store is full; the others stay with the collectors and are asked for later",
			"readings", h.options.MaxPending)
	}
}

// noteRoom ends an episode of full memory when a good part of it is free again.
// The hook's mutex is held.
func (h *Hook) noteRoom() {
	if h.health.overflowing && h.pending.len() < h.options.MaxPending/2 {
		h.health.overflowing = false
		h.log.Info("memory has room for readings again", "overflowed_since_start", h.metrics.overflow.count())
	}
}

// lettersDropped tells of dead letters that had to go for want of room.
func (h *Hook) lettersDropped(letters int) {
	h.metrics.lettersDropped.Add(float64(letters))
	h.log.Error("the oldest dead letters were dropped: their files are full", "file", h.letters.path, "letters", letters)
}

// status is the streams by name.
func (b *book) status(now time.Time) []wattline.HookStream {
	list := make([]wattline.HookStream, 0, len(b.streams))
	for _, s := range b.streams {
		one := wattline.HookStream{
			Stream: s.name, Instance: s.instance, Online: s.online, Stored: s.stored, Known: s.known, Gone: s.gone,
		}
		if !s.gone {
			one.Behind = s.behind()
		}
		if one.Behind > 0 {
			one.BehindS = wattline.Milli(max(0, now.UnixMilli()-cmp.Or(s.storedAt, s.begun.UnixMilli())))
		}
		list = append(list, one)
	}
	slices.SortFunc(list, func(a, b wattline.HookStream) int { return cmp.Compare(a.Stream, b.Stream) })
	return list
}
