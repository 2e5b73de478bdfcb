package persist_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
)

// refusing makes a store refuse the readings of which reason says why.
func refusing(reason func(wattline.Reading) string) func([]wattline.Reading) error {
	return func(batch []wattline.Reading) error {
		var refused []store.RefusedReading
		for i, r := range batch {
			if why := reason(r); why != "" {
				refused = append(refused, store.RefusedReading{Index: i, Reason: why})
			}
		}
		if refused == nil {
			return nil
		}
		return &store.RefusedError{Readings: refused}
	}
}

func poison(wattline.Reading) string { return "poison" }

// bury delivers readings from..to of no journal, all of which are refused.
func (o *office) bury(from, to int) {
	o.store.set(refusing(poison))
	for n := from; n <= to; n++ {
		r := wattline.Reading{
			Device: fmt.Sprint("desk-", n), Time: wattline.At(time.Now()), PowerW: wattline.Milli(n), Relay: wattline.RelayOn,
		}
		o.bus.deliver(r.Device, r)
	}
	time.Sleep(3 * time.Second)
	o.store.set(nil)
}

func (o *office) lettersPath() string {
	return filepath.Join(o.options.Dir, o.options.Name+".dead-letters.ndjson")
}

// letters is a page of the dead letters.
func (o *office) letters(t fatal, query wattline.DeadLettersQuery) wattline.DeadLetterPage {
	t.Helper()
	page, err := o.hook.DeadLetters(query)
	if err != nil {
		t.Fatal(err)
	}
	return page
}

func (o *office) resend(t fatal, query wattline.ResendQuery) wattline.Resent {
	t.Helper()
	answer, err := o.hook.Resend(context.Background(), query)
	if err != nil {
		t.Fatal(err)
	}
	return answer
}

func TestDeadLetters(t *testing.T) {
	bubble(t, "are listed in their order, page by page, from both files", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.DeadLetterBytes = 12_000 })
		for n := 1; n <= 30; n += 3 {
			o.bury(n, n+2)
		}
		if _, err := os.Stat(o.lettersPath() + ".1"); err != nil {
			t.Fatal(err)
		}
		var powers []wattline.Milli
		query := wattline.DeadLettersQuery{Limit: 4}
		for {
			page := o.letters(t, query)
			if page.Hook != "archive" || page.Total != 30 || page.Unreadable != 0 {
				t.Fatalf("page %+v", page)
			}
			for _, letter := range page.Letters {
				powers = append(powers, letter.Reading.PowerW)
				if letter.Reason != "poison" || letter.Tries != 1 || letter.Time.IsZero() || letter.Explanation == "" || letter.Remedy == "" {
					t.Errorf("letter %+v", letter)
				}
			}
			if query.After = page.Next; query.After == "" {
				break
			}
		}
		if len(powers) != 30 || !slices.IsSorted(powers) {
			t.Errorf("listed %v", powers)
		}
	})
	bubble(t, "are none where nothing was refused", func(t *testing.T) {
		o := begin(t, nil)
		if page := o.letters(t, wattline.DeadLettersQuery{}); page.Total != 0 || len(page.Letters) != 0 || page.Next != "" {
			t.Errorf("page %+v", page)
		}
		if answer := o.resend(t, wattline.ResendQuery{All: true}); answer.Taken+answer.Refused != 0 {
			t.Errorf("answer %+v", answer)
		}
	})
	bubble(t, "survive lines that cannot be read, which are counted and kept", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 2)
		o.stop()
		junk := "not JSON\n{}\n\n" + strings.Repeat("x", 200<<10) + "\n" + `{"time":"2026-`
		file, err := os.OpenFile(o.lettersPath(), os.O_APPEND|os.O_WRONLY, 0)
		if err == nil {
			_, err = file.WriteString(junk)
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
		o.start()
		o.bury(3, 4)
		if page := o.letters(t, wattline.DeadLettersQuery{}); page.Total != 4 || page.Unreadable != 5 || len(page.Letters) != 4 {
			t.Errorf("page %+v", page)
		}
		if answer := o.resend(t, wattline.ResendQuery{All: true}); answer.Taken != 4 || answer.Left != 0 {
			t.Errorf("answer %+v", answer)
		}
		content, err := os.ReadFile(o.lettersPath())
		if err != nil || string(content) != junk+"\n" {
			t.Errorf("left is %.300q (%v)", content, err)
		}
	})
	bubble(t, "come in pages that fit into a message, however long they are", func(t *testing.T) {
		o := begin(t, nil)
		o.store.set(refusing(func(wattline.Reading) string { return strings.Repeat("long ", 10_000) }))
		for n := range 100 {
			r := wattline.Reading{Device: fmt.Sprint("desk-", n), Time: wattline.At(time.Now()), Relay: wattline.RelayOn}
			o.bus.deliver(r.Device, r)
		}
		time.Sleep(3 * time.Second)
		pages, listed := 0, 0
		for query := (wattline.DeadLettersQuery{}); ; pages++ {
			page := o.letters(t, query)
			text, err := json.Marshal(page)
			if err != nil || len(text) > 2<<20 {
				t.Fatalf("a page of %d bytes, %v", len(text), err)
			}
			listed += len(page.Letters)
			if query.After = page.Next; query.After == "" {
				break
			}
		}
		if listed != 100 || pages < 3 {
			t.Errorf("%d letters on %d pages", listed, pages)
		}
	})
	bubble(t, "are counted where the oldest had to go for want of room", func(t *testing.T) {
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.DeadLetterBytes = 6000; o.Log = log.Logger(slog.LevelInfo) })
		for n := range 30 {
			o.bury(n, n)
		}
		page := o.letters(t, wattline.DeadLettersQuery{})
		if page.Total >= 30 || page.Total != len(page.Letters) || o.hook.Status().DeadLetters != page.Total {
			t.Errorf("%d are said to be kept, %d are", page.Total, len(page.Letters))
		}
		if !strings.Contains(log.String(), "oldest dead letters were dropped") {
			t.Errorf("log: %s", &log)
		}
	})
}

func TestDeadLettersSentAgain(t *testing.T) {
	odd := func(r wattline.Reading) string {
		if r.PowerW%2 == 1 {
			return "odd"
		}
		return ""
	}
	bubble(t, "leave the files when they are taken, and stay with the new reason when not", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 9)
		first := o.letters(t, wattline.DeadLettersQuery{})
		o.store.set(refusing(odd))
		if answer := o.resend(t, wattline.ResendQuery{All: true}); answer.Taken != 4 || answer.Refused != 5 || answer.Left != 5 || answer.Next != "" {
			t.Errorf("answer %+v", answer)
		}
		if o.store.count() != 4 {
			t.Errorf("%d are in the store", o.store.count())
		}
		for round := range 3 {
			page := o.letters(t, wattline.DeadLettersQuery{})
			if page.Total != 5 {
				t.Fatalf("page %+v", page)
			}
			for i, letter := range page.Letters {
				was := first.Letters[2*i]
				if letter.ID != was.ID || letter.Time != was.Time || letter.Reason != "odd" || letter.Tries != 2+round || letter.Reading != was.Reading {
					t.Errorf("letter %+v was %+v", letter, was)
				}
			}
			o.resend(t, wattline.ResendQuery{All: true})
		}
	})
	bubble(t, "are only those that were named; a repeat does no harm", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 5)
		all := o.letters(t, wattline.DeadLettersQuery{}).Letters
		query := wattline.ResendQuery{IDs: []string{all[3].ID, all[1].ID}}
		if answer := o.resend(t, query); answer.Taken != 2 || answer.Left != 3 || answer.Unknown != nil {
			t.Errorf("answer %+v", answer)
		}
		if answer := o.resend(t, query); answer.Taken != 0 || answer.Left != 3 || !slices.Equal(answer.Unknown, query.IDs) {
			t.Errorf("answer %+v", answer)
		}
	})
	bubble(t, "of a time to come are sent only by their name", func(t *testing.T) {
		o := begin(t, nil)
		ahead := wattline.Reading{Device: "desk-9", Time: wattline.At(time.Now().Add(48 * time.Hour)), Relay: wattline.RelayOn}
		o.store.set(refusing(func(r wattline.Reading) string { return store.Refusal(r, time.Now(), 0) }))
		o.bus.deliver(ahead.Device, ahead)
		time.Sleep(3 * time.Second)
		o.bury(1, 3)
		time.Sleep(72 * time.Hour)
		if answer := o.resend(t, wattline.ResendQuery{All: true}); answer.Taken != 3 || answer.Skipped != 1 || answer.Left != 1 || o.store.has(ahead) {
			t.Errorf("answer %+v", answer)
		}
		named := wattline.ResendQuery{IDs: []string{o.letters(t, wattline.DeadLettersQuery{}).Letters[0].ID}}
		if answer := o.resend(t, named); answer.Taken != 1 || answer.Skipped != 0 || !o.store.has(ahead) {
			t.Errorf("answer %+v", answer)
		}
	})
	bubble(t, "to a store that is down all stay", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 5)
		for _, failure := range []error{&store.UnavailableError{Err: errors.New("away")}, store.ErrMisconfigured, errHang} {
			o.store.set(func([]wattline.Reading) error { return failure })
			_, err := o.hook.Resend(t.Context(), wattline.ResendQuery{All: true})
			if wattline.AsError(err).Code != wattline.CodeStoreDown || o.letters(t, wattline.DeadLettersQuery{}).Total != 5 {
				t.Errorf("%v: %v", failure, err)
			}
		}
	})
	bubble(t, "go on where they were stopped", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.BatchReadings = 3 })
		o.bury(1, 10)
		writes := 0
		o.store.set(func(batch []wattline.Reading) error {
			if writes++; writes%3 == 0 {
				return &store.UnavailableError{Err: errors.New("away")}
			}
			return refusing(odd)(batch)
		})
		answer := o.resend(t, wattline.ResendQuery{All: true})
		if answer.Taken != 3 || answer.Refused != 3 || answer.Stopped == "" || answer.Next == "" {
			t.Errorf("answer %+v", answer)
		}
		answer = o.resend(t, wattline.ResendQuery{All: true, After: answer.Next})
		if answer.Taken != 2 || answer.Refused != 2 || answer.Stopped != "" || answer.Next != "" || answer.Left != 5 {
			t.Errorf("answer %+v", answer)
		}
		for _, letter := range o.letters(t, wattline.DeadLettersQuery{}).Letters {
			if letter.Tries != 2 {
				t.Errorf("letter %+v", letter)
			}
		}
	})
	bubble(t, "take their copies with them", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 1)
		content, err := os.ReadFile(o.lettersPath())
		if err == nil {
			err = os.WriteFile(o.lettersPath()+".1", slices.Repeat(content, 3), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if answer := o.resend(t, wattline.ResendQuery{All: true}); answer.Taken != 1 || answer.Left != 0 || len(o.store.batches()) != 2 {
			t.Errorf("answer %+v, writes %v", answer, o.store.batches())
		}
	})
}

func TestQueriesToAHook(t *testing.T) {
	bubble(t, "are answered, or refused with the field at fault", func(t *testing.T) {
		o := begin(t, nil)
		o.bury(1, 3)
		type object = map[string]any
		for _, c := range []struct {
			verb  string
			query any
			want  wattline.Code
		}{
			{wattline.VerbStatus, object{}, ""},
			{wattline.VerbStatus, object{"x": 1}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"limit": 1}, ""},
			{wattline.VerbDeadLetters, object{"limit": -1}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"limit": 9999}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"after": "x"}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"after": "-5-a"}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"after": "5-A"}, wattline.CodeInvalid},
			{wattline.VerbDeadLetters, object{"after": "5-abc"}, wattline.CodeConflict},
			{wattline.VerbDeadLetters, object{"after": "9223372036854775807-abc"}, wattline.CodeConflict},
			{wattline.VerbResend, object{}, wattline.CodeInvalid},
			{wattline.VerbResend, object{"all": true, "ids": []string{"a"}}, wattline.CodeInvalid},
			{wattline.VerbResend, object{"ids": []string{"A b"}}, wattline.CodeInvalid},
			{wattline.VerbResend, object{"ids": slices.Repeat([]string{"a"}, 1001)}, wattline.CodeInvalid},
			{wattline.VerbResend, object{"ids": []string{"a"}, "after": "0-a"}, wattline.CodeInvalid},
			{wattline.VerbResend, object{"all": true, "after": "0-a"}, wattline.CodeConflict},
			{wattline.VerbResend, object{"ids": []string{"a"}}, ""},
			{"explode", object{}, wattline.CodeNotFound},
		} {
			_, err := o.bus.ask(t.Context(), c.verb, c.query)
			if got := codeOf(err); got != c.want {
				t.Errorf("%s %v: %v, want %q", c.verb, c.query, err, c.want)
			}
		}
	})
}

func codeOf(err error) wattline.Code {
	if err == nil {
		return ""
	}
	return wattline.AsError(err).Code
}
