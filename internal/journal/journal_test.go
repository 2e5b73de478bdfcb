package journal_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
)

func TestAppend(t *testing.T) {
	bubble(t, "numbers readings from 1 and gives them back as they were", func(t *testing.T) {
		j := opened(t, journal.Options{})
		var want []wattline.Reading
		for n := range 10 {
			kept := mustAppend(t, j, readingOf(n, time.Now()))
			expected := readingOf(n, kept.Time.Time)
			expected.Stream, expected.Seq = j.Stream(), uint64(n+1)
			want = append(want, expected)
			if diff := cmp.Diff(expected, kept); diff != "" {
				t.Fatal(diff)
			}
		}
		if diff := cmp.Diff(want, everything(t, j)); diff != "" {
			t.Error(diff)
		}
		if j.LastSeq() != 10 {
			t.Errorf("last number %d", j.LastSeq())
		}
	})
	bubble(t, "returns within milliseconds when it was quiet", func(t *testing.T) {
		j := opened(t, journal.Options{})
		for range 3 {
			time.Sleep(time.Second)
			began := time.Now()
			mustAppend(t, j, readingOf(1, began))
			if waited := time.Since(began); waited > 5*time.Millisecond {
				t.Errorf("waited %v", waited)
			}
		}
	})
	bubble(t, "groups what comes together into one commit per interval", func(t *testing.T) {
		j := opened(t, journal.Options{})
		began := time.Now()
		for range 5 {
			appendMany(t, j, 1, 100)
		}
		if took := time.Since(began); took < 400*time.Millisecond || took > 500*time.Millisecond {
			t.Errorf("five groups took %v", took)
		}
	})
	bubble(t, "commits at once when enough wait", func(t *testing.T) {
		j := opened(t, journal.Options{CommitInterval: time.Hour})
		appendMany(t, j, 1, 1)
		began := time.Now()
		appendMany(t, j, 1, journal.DefaultCommitReadings)
		if took := time.Since(began); took > time.Second {
			t.Errorf("took %v", took)
		}
	})
	bubble(t, "is refused at once when too many wait", func(t *testing.T) {
		const queue, batch, callers = 4, 2, 20
		j := opened(t, journal.Options{Queue: queue, CommitReadings: batch})
		slow, err := j.Writer().Conn(t.Context()) // a commit waits for it
		if err != nil {
			t.Fatal(err)
		}
		var all sync.WaitGroup
		var busy atomic.Int64
		for n := range callers {
			all.Go(func() {
				if _, err := j.Append(t.Context(), readingOf(n, time.Now())); err != nil {
					if codeOf(err) != wattline.CodeBusy {
						t.Error(err)
					}
					busy.Add(1)
				}
			})
			synctest.Wait()
		}
		if n := busy.Load(); n != callers-queue-batch {
			t.Errorf("%d callers were refused", n)
		}
		if err := slow.Close(); err != nil {
			t.Error(err)
		}
		all.Wait()
		if j.LastSeq() != queue+batch {
			t.Errorf("%d readings were kept", j.LastSeq())
		}
	})
	bubble(t, "ends with its context", func(t *testing.T) {
		j := opened(t, journal.Options{CommitInterval: time.Hour})
		mustAppend(t, j, readingOf(0, time.Now()))
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := j.Append(ctx, readingOf(1, time.Now())); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("refuses a reading that does not validate, with the field", func(t *testing.T) {
		j := opened(t, journal.Options{})
		reading := readingOf(1, time.Now())
		reading.Relay = ""
		_, err := j.Append(t.Context(), reading)
		if codeOf(err) != wattline.CodeInvalid || wattline.AsError(err).Fields[0].Field != "relay" {
			t.Errorf("got %v", err)
		}
	})
	t.Run("fails after Close", func(t *testing.T) {
		j := open(t, journal.Options{Path: filepath.Join(t.TempDir(), "x.db")})
		closed(t, j)
		closed(t, j)
		if _, err := j.Append(t.Context(), readingOf(1, time.Now())); !errors.Is(err, journal.ErrClosed) {
			t.Errorf("got %v", err)
		}
	})
	bubble(t, "that waits is committed by Close", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "x.db")
		j := open(t, journal.Options{Path: path, CommitInterval: time.Hour})
		mustAppend(t, j, readingOf(0, time.Now()))
		var all sync.WaitGroup
		all.Go(func() { mustAppend(t, j, readingOf(1, time.Now())) })
		synctest.Wait()
		closed(t, j)
		all.Wait()
		if n := len(everything(t, opened(t, journal.Options{Path: path}))); n != 2 {
			t.Errorf("%d readings were kept", n)
		}
	})
}

func TestLast(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	j := open(t, journal.Options{Path: path, CommitInterval: time.Millisecond})
	var want wattline.Reading
	for n := range 30 {
		if kept := mustAppend(t, j, readingOf(n, time.Now())); kept.Device == "desk-3" {
			want = kept
		}
	}
	if err := j.Stored(t.Context(), "archive", 30); err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		got, ok := j.Last("desk-3")
		if !ok || !cmp.Equal(got, want) {
			t.Errorf("%s: %v", when, cmp.Diff(want, got))
		}
		if _, ok := j.Last("desk-99"); ok {
			t.Errorf("%s: a device that was never seen has a reading", when)
		}
	}
	check("at once")
	closed(t, j)
	j = opened(t, journal.Options{Path: path})
	check("after a restart and trimming")
	if kept := mustAppend(t, j, readingOf(1, time.Now())); kept.Seq != 31 {
		t.Errorf("the numbers go on with %d", kept.Seq)
	}
}

func TestPage(t *testing.T) {
	j := opened(t, journal.Options{CommitInterval: time.Millisecond})
	appendMany(t, j, 1, 2500)
	for _, c := range []struct {
		from        uint64
		limit       int
		first, last uint64 // of the readings
	}{
		{from: 1, limit: 10, first: 1, last: 10},
		{from: 1, limit: 0, first: 1, last: 1000},
		{from: 2000, limit: 1000, first: 2000, last: 2500},
		{from: 2500, limit: 1, first: 2500, last: 2500},
		{from: 2501, limit: 1, first: 0, last: 0},
		{from: 1 << 62, limit: 1, first: 0, last: 0},
	} {
		t.Run(fmt.Sprintf("from %d limit %d", c.from, c.limit), func(t *testing.T) {
			page := mustPage(t, j, c.from, c.limit)
			if page.First != 1 || page.Last != 2500 {
				t.Errorf("holds %d to %d", page.First, page.Last)
			}
			if c.first == 0 && len(page.Readings) == 0 {
				return
			}
			if n := uint64(len(page.Readings)); n != c.last-c.first+1 || page.Readings[0].Seq != c.first {
				t.Errorf("%d readings from %d", n, page.Readings[0].Seq)
			}
		})
	}
	for name, query := range map[string]wattline.ReplayQuery{
		"without a stream":            {From: 1},
		"from nothing":                {Stream: j.Stream()},
		"with a limit beyond a page":  {Stream: j.Stream(), From: 1, Limit: wattline.MaxPage + 1},
		"with a stream of no journal": {Stream: "a b", From: 1},
	} {
		t.Run(name+" is invalid", func(t *testing.T) {
			if _, err := j.Page(t.Context(), query); codeOf(err) != wattline.CodeInvalid {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("of another stream is not found", func(t *testing.T) {
		_, err := j.Page(t.Context(), wattline.ReplayQuery{Stream: "other", From: 1})
		if codeOf(err) != wattline.CodeNotFound {
			t.Errorf("got %v", err)
		}
	})
}

func TestOpenRefusesOptions(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	for name, options := range map[string]journal.Options{
		"no path":                  {},
		"too small a bound":        {Path: path, MaxBytes: 1000},
		"a negative age":           {Path: path, MaxAge: -1},
		"a hook that has no name":  {Path: path, WaitFor: []string{""}},
		"a folder that is missing": {Path: filepath.Join(path, "none", "x.db")},
	} {
		t.Run(name, func(t *testing.T) {
			if j, err := journal.Open(t.Context(), options); err == nil {
				closed(t, j)
				t.Error("it was opened")
			}
		})
	}
}
