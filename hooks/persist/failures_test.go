package persist_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
)

func TestStoreFailures(t *testing.T) {
	unavailable := &store.UnavailableError{Err: errors.New("down")}
	for name, c := range map[string]struct {
		err  error
		half bool
		log  string
	}{
		"that is down":                 {err: unavailable, log: "does not take readings"},
		"that fails in an unknown way": {err: errors.New("strange"), log: "does not take readings"},
		"that keeps half of a batch":   {err: unavailable, half: true, log: "does not take readings"},
		"that hangs":                   {err: errHang, log: "does not take readings"},
		"that is misconfigured":        {err: fmt.Errorf("token: %w", store.ErrMisconfigured), log: "misconfigured; readings are kept"},
	} {
		bubble(t, name+" gets everything when it is back", func(t *testing.T) {
			var log testserver.Text
			o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
			col := o.bus.add(&collector{instance: "c1", stream: "s1"})
			o.store.mu.Lock()
			o.store.half = c.half
			o.store.mu.Unlock()
			o.store.set(func([]wattline.Reading) error { return c.err })
			for range 300 {
				o.bus.publish(col, true)
				time.Sleep(time.Second)
			}
			if err := o.hook.Ready(t.Context()); err == nil {
				t.Error("it says that it is ready")
			}
			if n := o.bus.stored("archive", "s1"); n != 0 {
				t.Errorf("told that %d is stored", n)
			}
			if n := len(o.store.batches()); n < 5 || n > 40 {
				t.Errorf("%d writes in five minutes", n)
			}
			o.store.set(nil)
			time.Sleep(2 * time.Minute)
			o.complete(t, col)
			if err := o.hook.Ready(t.Context()); err != nil {
				t.Error(err)
			}
			n := strings.Count(log.String(), c.log)
			if want := 1; n < want || n > 6 || strings.Count(log.String(), "takes readings again") != 1 {
				t.Errorf("log: %s", &log)
			}
		})
	}
	bubble(t, "that asks to be left alone is left alone so long", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.store.set(func([]wattline.Reading) error {
			return &store.UnavailableError{RetryAfter: 5 * time.Minute, Err: errors.New("limit")}
		})
		o.bus.publish(c, true)
		time.Sleep(299 * time.Second)
		if n := len(o.store.batches()); n != 1 {
			t.Errorf("%d writes", n)
		}
		o.store.set(nil)
		time.Sleep(time.Minute)
		o.complete(t, c)
	})
}

func TestRefusedReadings(t *testing.T) {
	refuse := func(batch []wattline.Reading) error {
		var refused []store.RefusedReading
		for i, r := range batch {
			if r.Seq%10 == 3 {
				refused = append(refused, store.RefusedReading{Index: i, Reason: "poison"})
			}
		}
		if refused == nil {
			return nil
		}
		return &store.RefusedError{Readings: refused}
	}
	letters := func(t *testing.T, path string) (all []persist.DeadLetter) {
		t.Helper()
		content, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(content)) {
			var letter persist.DeadLetter
			if err := json.Unmarshal([]byte(line), &letter); err != nil {
				t.Fatal(err)
			}
			all = append(all, letter)
		}
		return all
	}
	bubble(t, "go to the dead letters with the reason, and count as handled", func(t *testing.T) {
		o := begin(t, nil)
		o.store.set(refuse)
		c := &collector{instance: "c1", stream: "s1"}
		for range 20 {
			o.bus.publish(c, false)
		}
		o.bus.add(c)
		for range 20 {
			o.bus.publish(c, true)
		}
		time.Sleep(time.Minute)
		o.bus.mu.Lock()
		o.bus.untrue = nil // the four are not in the store, and should not be
		o.bus.mu.Unlock()
		if got := o.bus.stored("archive", "s1"); got != 40 || o.store.count() != 36 {
			t.Errorf("stored %d, %d in the store", got, o.store.count())
		}
		all := letters(t, filepath.Join(o.options.Dir, "archive.dead-letters.ndjson"))
		seen := map[uint64]bool{}
		for _, letter := range all {
			seen[letter.Reading.Seq] = true
			if letter.Reason != "poison" || letter.Time.IsZero() || letter.Reading != c.all[letter.Reading.Seq-1] {
				t.Errorf("letter %+v", letter)
			}
		}
		if len(all) != 4 || !seen[3] || !seen[33] {
			t.Errorf("letters %+v", all)
		}
	})
	bubble(t, "are kept while the dead letters cannot be written", func(t *testing.T) {
		o := begin(t, nil)
		o.store.set(refuse)
		path := filepath.Join(o.options.Dir, "archive.dead-letters.ndjson")
		if err := os.Mkdir(path, 0o700); err != nil {
			t.Fatal(err)
		}
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 5 {
			o.bus.publish(c, true)
		}
		time.Sleep(time.Minute)
		if n := o.bus.stored("archive", "s1"); n != 0 || o.hook.Ready(t.Context()) == nil {
			t.Errorf("told that %d is stored", n)
		}
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		if n := o.bus.stored("archive", "s1"); n != 5 || len(letters(t, path)) != 1 {
			t.Errorf("told that %d is stored", n)
		}
		o.bus.mu.Lock()
		o.bus.untrue = nil
		o.bus.mu.Unlock()
	})
	bubble(t, "are bounded: the oldest letters go first", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.DeadLetterBytes = 20_000 })
		o.store.set(func(batch []wattline.Reading) error {
			return &store.RefusedError{Readings: []store.RefusedReading{{Index: 0, Reason: "poison"}, {Index: 99, Reason: "no such"}}}
		})
		for n := range 200 {
			r := wattline.Reading{Device: "d", Time: wattline.At(time.Now()), PowerW: wattline.Milli(n), Relay: wattline.RelayOn}
			o.bus.deliver("d", r)
			time.Sleep(2 * time.Second)
		}
		path := filepath.Join(o.options.Dir, "archive.dead-letters.ndjson")
		newest, older := letters(t, path), letters(t, path+".1")
		size := 0
		for _, name := range []string{path, path + ".1"} {
			info, err := os.Stat(name)
			if err != nil {
				t.Fatal(err)
			}
			size += int(info.Size())
		}
		if size > 20_000 || newest[len(newest)-1].Reading.PowerW != 199 || older[len(older)-1].Reading.PowerW != newest[0].Reading.PowerW-1 {
			t.Errorf("%d bytes, %d and %d letters", size, len(older), len(newest))
		}
	})
}
