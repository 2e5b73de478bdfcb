package persist

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

const (
	// maxResent bounds what one request deals with.
	maxResent = 10_000
	// rewriting is kept of a request's time for putting the rest back.
	rewriting = 2 * time.Second
)

// chosen is a letter that is to be sent again.
type chosen struct {
	id      string
	reading wattline.Reading
}

// verdicts are what became of letters, by id: empty for one that was taken, else
// the new reason.
type verdicts map[string]string

// Resend writes dead letters to the store again. Those that it takes are dropped
// from the files, the others get the new reason. Cut off at any moment, a letter
// is still there or in the store, or both, which does no harm. Errors: CodeInvalid,
// CodeConflict for an After that no longer fits, CodeBusy while another call runs,
// CodeStoreDown if the store takes nothing.
func (h *Hook) Resend(ctx context.Context, query wattline.ResendQuery) (wattline.Resent, error) {
	if err := query.Validate(); err != nil {
		return wattline.Resent{}, err
	}
	from, err := parsePlace(query.After)
	if err != nil {
		return wattline.Resent{}, wattline.Invalid(wattline.FieldError{Field: "after", Reason: err.Error()})
	}
	if !h.resending.TryLock() {
		return wattline.Resent{}, wattline.Errorf(wattline.CodeBusy, "dead letters are being sent again already")
	}
	defer h.resending.Unlock()
	letters, skipped, next, err := h.letters.choose(query.IDs, from)
	if err != nil {
		return wattline.Resent{}, err
	}
	found, stopped := h.sendAgain(ctx, letters)
	switch {
	case !query.All:
		next = ""
	case len(found) < len(letters):
		next = letters[len(found)].id
	}
	answer := wattline.Resent{Hook: h.options.Name, Skipped: skipped}
	if len(found) > 0 {
		if answer.Next, err = h.letters.settle(found, next); err != nil {
			h.noteDisk(err)
			return answer, err
		}
	} else if stopped != nil {
		return answer, wattline.Errorf(wattline.CodeStoreDown, "the store takes nothing now: %s", stopped)
	}
	for _, reason := range found {
		if reason == "" {
			answer.Taken++
		} else {
			answer.Refused++
		}
	}
	if stopped != nil {
		answer.Stopped = stopped.Error()
	}
	for _, id := range query.IDs {
		if !slices.ContainsFunc(letters, func(c chosen) bool { return c.id == id }) {
			answer.Unknown = append(answer.Unknown, id)
		}
	}
	answer.Left = h.letters.kept().letters
	h.log.Info("dead letters were sent again", "taken", answer.Taken, "refused", answer.Refused, "left", answer.Left)
	return answer, nil
}

// sendAgain gives the store the letters in their order, until it fails or time
// is up; what is in the verdicts are then the first ones.
func (h *Hook) sendAgain(ctx context.Context, letters []chosen) (verdicts, error) {
	found := verdicts{}
	for batch := range slices.Chunk(letters, h.options.BatchReadings) {
		if deadline, ok := ctx.Deadline(); ok && len(found) > 0 && time.Until(deadline) < rewriting {
			return found, errors.New("the time of the request was up")
		}
		readings := make([]wattline.Reading, len(batch))
		for i, letter := range batch {
			readings[i] = letter.reading
		}
		err := h.try(ctx, readings)
		refused, some := errors.AsType[*store.RefusedError](err)
		if err != nil && !some {
			return found, err
		}
		for _, letter := range batch {
			found[letter.id] = ""
		}
		if !some {
			continue
		}
		for _, r := range refused.Readings {
			if r.Index >= 0 && r.Index < len(batch) {
				found[batch[r.Index].id] = cmp.Or(r.Reason, "the store gives no reason")
			}
		}
	}
	return found, nil
}

// choose is the letters with these ids, or those from a place on that may go again,
// each identity once, at most maxResent; how many on the way may not; and the id of
// the one after them.
func (d *deadLetters) choose(ids []string, from place) (letters []chosen, skipped int, next string, err error) {
	wanted, seen := map[string]bool{}, map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	err = d.walk(from, func(line letterLine) bool {
		if seen[line.id] || len(ids) > 0 && !wanted[line.id] {
			return true
		}
		if len(ids) == 0 && !mayGoAgain(line.letter.Reason) {
			seen[line.id] = true
			skipped++
			return true
		}
		if len(letters) == maxResent {
			next = line.id
			return false
		}
		seen[line.id] = true
		letters = append(letters, chosen{line.id, line.letter.Reading})
		return true
	})
	return letters, skipped, next, err
}

// settle rewrites the files by the verdicts, while nothing can be added. It
// returns the new place of a letter, empty where that is gone.
func (d *deadLetters) settle(found verdicts, letter string) (next string, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	rest := rewriter{found: found, wanted: letter, seen: map[string]bool{}}
	for _, file := range d.files() {
		if err := rest.rewrite(file); err != nil {
			return "", fmt.Errorf("dead-letter file: %w", err)
		}
	}
	return rest.next, nil
}

// rewriter copies what is left of the letters, file by file.
type rewriter struct {
	found  verdicts
	wanted string // a letter whose new place is wanted
	seen   map[string]bool

	at   int64
	next string
}

func (r *rewriter) rewrite(f letterFile) error {
	old, err := os.Open(f.path)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer old.Close()
	now := letterCount{}
	err = replaceFile(f.path, func(to io.Writer) (changed bool, err error) {
		for line, err := range letterLines(old, 0) {
			if err != nil {
				return false, err
			}
			raw, other, err := r.rest(line)
			if err != nil {
				return false, err
			}
			changed = changed || other
			if len(raw) == 0 {
				continue
			}
			if _, err := to.Write(raw); err != nil {
				return false, err
			}
			if line.id != "" && line.id == r.wanted && r.next == "" {
				r.next = place{r.at, line.id}.String()
			}
			r.at += int64(len(raw))
			now.add(line)
		}
		return changed, nil
	})
	if err == nil {
		*f.count = now
	}
	return err
}

// rest is what becomes of a line, and whether that is another one: nothing is left
// of a letter that was taken, or whose reading has another one before it.
func (r *rewriter) rest(line letterLine) (raw []byte, other bool, err error) {
	reason, dealt := r.found[line.id]
	if !dealt {
		return line.raw, false, nil
	}
	if reason == "" || r.seen[line.id] {
		return nil, true, nil
	}
	r.seen[line.id] = true
	letter := line.letter
	letter.Reason = reason
	letter.Tries++
	raw, err = letter.text()
	return raw, true, err
}
