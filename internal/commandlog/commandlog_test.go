package commandlog_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/commandlog"
	"github.com/wattline/wattline/internal/telemetry"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// open opens and runs a log until the test, or stop, ends.
func open(t testing.TB, options commandlog.Options) (l *commandlog.Log, stop func()) {
	t.Helper()
	if options.Path == "" {
		options.Path = filepath.Join(t.TempDir(), "commands.sqlite")
	}
	options.Metrics = telemetry.New()
	l, err := commandlog.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := errors.Join(<-ended, l.Close()); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return l, stop
}

func batch(id string, within time.Duration, devices ...string) commandlog.Batch {
	b := commandlog.Batch{ID: id, Actor: "token:t", Asked: time.Now(), Deadline: time.Now().Add(within)}
	for _, device := range devices {
		b.Commands = append(b.Commands, commandlog.Command{ID: id + "-" + device, Device: device, Action: wattline.ActionOff})
	}
	return b
}

func result(id, device string, outcome wattline.Outcome) wattline.Result {
	r := wattline.Result{ID: id, Device: device, Action: wattline.ActionOff, Outcome: outcome, Time: wattline.At(time.Now()), Actor: "token:t"}
	if outcome == wattline.OutcomeTimeout {
		r.Code, r.Message = wattline.CodeTimeout, "silence"
	}
	return r
}

// outcomes are those of a request's commands, by device.
func outcomes(t testing.TB, l *commandlog.Log, id string) map[string]wattline.Outcome {
	t.Helper()
	records, err := l.Find(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	found := map[string]wattline.Outcome{}
	for _, r := range records {
		found[r.Device] = r.Outcome
	}
	return found
}

func TestACommandIsFoundFromWhenItIsGiven(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	l.Note(batch("b1", time.Minute, "desk-1", "desk-2"))
	want := map[string]wattline.Outcome{"desk-1": wattline.OutcomePending, "desk-2": wattline.OutcomePending}
	if diff := cmp.Diff(want, outcomes(t, l, "b1")); diff != "" {
		t.Error(diff)
	}
	l.End("b1-desk-1", result("b1-desk-1", "desk-1", wattline.OutcomeDone))
	want["desk-1"] = wattline.OutcomeDone
	if diff := cmp.Diff(want, outcomes(t, l, "b1")); diff != "" {
		t.Error(diff)
	}
	if got := outcomes(t, l, "b1-desk-2"); len(got) != 1 || got["desk-2"] != wattline.OutcomePending {
		t.Errorf("by its own id: %v", got)
	}
	if got := outcomes(t, l, "b2"); len(got) != 0 {
		t.Errorf("by an id that nobody gave: %v", got)
	}
}

func TestAnOutcomeThatWasUnknownBecomesKnown(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	l.Note(batch("b1", time.Minute, "desk-1"))
	l.End("b1-desk-1", result("b1-desk-1", "desk-1", wattline.OutcomeTimeout))
	l.Heard(result("b1-desk-1", "desk-2", wattline.OutcomeFailed), time.Now()) // of another device: not this command's
	l.Heard(result("b1-desk-1", "desk-1", wattline.OutcomeDone), time.Now())
	l.Heard(result("b1-desk-1", "desk-1", wattline.OutcomeFailed), time.Now())
	records, err := l.Find(t.Context(), "b1")
	if err != nil || len(records) != 1 || records[0].Outcome != wattline.OutcomeDone || !records[0].Late || records[0].Code != "" {
		t.Errorf("%+v %v", records, err)
	}
}

// TestEveryCommandHasOneOutcome holds the log against the rule: what is known
// first stays, and an unknown outcome gives way to a known one.
func TestEveryCommandHasOneOutcome(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		n++
		id := fmt.Sprintf("c%d", n)
		l.Note(batch(id, time.Minute, "desk-1"))
		want := wattline.OutcomePending
		for range rapid.IntRange(0, 5).Draw(rt, "steps") {
			outcome := rapid.SampledFrom([]wattline.Outcome{
				wattline.OutcomeDone, wattline.OutcomeFailed, wattline.OutcomeUnreachable, wattline.OutcomeTimeout,
			}).Draw(rt, "outcome")
			r := result(id+"-desk-1", "desk-1", outcome)
			heard := rapid.Bool().Draw(rt, "heard")
			if heard {
				l.Heard(r, time.Now())
			} else {
				l.End(r.ID, r)
			}
			if want == wattline.OutcomePending || heard && want == wattline.OutcomeTimeout {
				want = outcome
			}
		}
		if got := outcomes(t, l, id)["desk-1"]; got != want {
			rt.Errorf("%s, want %s", got, want)
		}
	})
}

func TestCommandsOfOthersAreInTheHistoryOfADevice(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	for i := range 25 {
		l.Heard(result(fmt.Sprintf("c-%02d", i), "desk-1", wattline.OutcomeDone), time.Now())
		l.Heard(result(fmt.Sprintf("d-%02d", i), "desk-2", wattline.OutcomeDone), time.Now())
	}
	l.Note(batch("b1", time.Minute, "desk-1"))
	hidden := result("", "desk-1", wattline.OutcomeRefused)
	hidden.Code = wattline.CodeNotFound
	l.Note(batch("b2", time.Minute, "desk-1"))
	l.End("b2-desk-1", hidden)
	var ids []string
	var before int64
	for {
		records, next, err := l.Of(t.Context(), "desk-1", before, 10)
		if err != nil {
			t.Fatal(err)
		}
		for _, r := range records {
			ids = append(ids, r.ID)
		}
		if before = next; next == 0 {
			break
		}
	}
	if len(ids) != 26 || ids[0] != "b1-desk-1" || ids[1] != "c-24" || ids[25] != "c-00" {
		t.Errorf("%v", ids)
	}
}

func TestWhatWasUnderWayAtTheEndIsUnknownAfterARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.sqlite")
	l, stop := open(t, commandlog.Options{Path: path})
	if err := l.NoteNow(t.Context(), batch("b1", -time.Minute, "desk-1", "desk-2")); err != nil {
		t.Fatal(err)
	}
	l.End("b1-desk-2", result("b1-desk-2", "desk-2", wattline.OutcomeDone))
	stop()
	l, _ = open(t, commandlog.Options{Path: path})
	want := map[string]wattline.Outcome{"desk-1": wattline.OutcomeTimeout, "desk-2": wattline.OutcomeDone}
	if diff := cmp.Diff(want, outcomes(t, l, "b1")); diff != "" {
		t.Error(diff)
	}
	t.Run("and its controller may still tell", func(t *testing.T) {
		l.Heard(result("b1-desk-1", "desk-1", wattline.OutcomeDone), time.Now())
		if got := outcomes(t, l, "b1")["desk-1"]; got != wattline.OutcomeDone {
			t.Error(got)
		}
	})
}

func TestTheLogIsBounded(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.sqlite")
	l, stop := open(t, commandlog.Options{Path: path})
	for i := range 25 {
		l.Note(batch(fmt.Sprintf("b%d", i), time.Minute, "desk-1"))
	}
	old := batch("old", 0, "desk-2")
	old.Asked = time.Now().Add(-48 * time.Hour)
	l.Note(old)
	stop()
	l, _ = open(t, commandlog.Options{Path: path, MaxCommands: 10, MaxAge: 24 * time.Hour})
	if got := outcomes(t, l, "old"); len(got) != 0 {
		t.Errorf("of two days ago: %v", got)
	}
	records, _, err := l.Of(t.Context(), "desk-1", 0, 100)
	if err != nil || len(records) != 10 || records[0].ID != "b24-desk-1" {
		t.Errorf("%d records, %v", len(records), err)
	}
}

func key(principal, name, request string) commandlog.Key {
	return commandlog.Key{Principal: principal, Key: name, Request: sha256.Sum256([]byte(request))}
}

func claim(t *testing.T, l *commandlog.Log, k commandlog.Key, batch string) commandlog.Claimed {
	t.Helper()
	claimed, err := l.Claim(t.Context(), k, batch)
	if err != nil {
		t.Fatal(err)
	}
	return claimed
}

func TestAKeyIsForOneRequestOfOnePrincipal(t *testing.T) {
	l, _ := open(t, commandlog.Options{})
	k := key("token:a", "k1", "off")
	if got := claim(t, l, k, "b1"); got.Claim != commandlog.Fresh || got.Batch != "b1" {
		t.Errorf("%+v", got)
	}
	if got := claim(t, l, k, "b2"); got.Claim != commandlog.UnderWay || got.Batch != "b1" {
		t.Errorf("while it is carried out: %+v", got)
	}
	if got := claim(t, l, key("token:a", "k1", "on"), "b3"); got.Claim != commandlog.Reused {
		t.Errorf("for another request: %+v", got)
	}
	if got := claim(t, l, key("token:b", "k1", "off"), "b4"); got.Claim != commandlog.Fresh {
		t.Errorf("of another principal: %+v", got)
	}
	if err := l.Answer(t.Context(), k, 200, []byte("answer")); err != nil {
		t.Fatal(err)
	}
	if got := claim(t, l, k, "b5"); got.Claim != commandlog.Answered || got.Status != 200 || string(got.Answer) != "answer" || got.Batch != "b1" {
		t.Errorf("once it is answered: %+v", got)
	}
	l.Release(key("token:b", "k1", "off"), "b4")
	if got := claim(t, l, key("token:b", "k1", "else"), "b6"); got.Claim != commandlog.Fresh {
		t.Errorf("given back: %+v", got)
	}
}

func TestKeysOutliveARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "commands.sqlite")
	l, stop := open(t, commandlog.Options{Path: path})
	for _, name := range []string{"answered", "cut-off", "unsent"} {
		claim(t, l, key("token:a", name, "off"), "b-"+name)
	}
	if err := errors.Join(l.Answer(t.Context(), key("token:a", "answered", "off"), 202, nil),
		l.NoteNow(t.Context(), batch("b-cut-off", time.Minute, "desk-1"))); err != nil {
		t.Fatal(err)
	}
	stop()
	l, _ = open(t, commandlog.Options{Path: path})
	for name, want := range map[string]commandlog.Claim{
		"answered": commandlog.Answered, "cut-off": commandlog.Interrupted, "unsent": commandlog.Fresh,
	} {
		if got := claim(t, l, key("token:a", name, "off"), "b-new"); got.Claim != want {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestNoKeyIsForgottenWithinItsDay(t *testing.T) {
	for name, c := range map[string]struct {
		options commandlog.Options
		answer  []byte
	}{
		"for the number of keys":       {commandlog.Options{MaxKeys: 3}, nil},
		"for the bytes of the answers": {commandlog.Options{MaxAnswerBytes: 300}, make([]byte, 100)},
	} {
		t.Run(name, func(t *testing.T) {
			l, _ := open(t, c.options)
			for _, principal := range []string{"token:a", "token:b"} { // neither takes the other's room
				for i, want := range []commandlog.Claim{commandlog.Fresh, commandlog.Fresh, commandlog.Fresh, commandlog.Full} {
					k := key(principal, fmt.Sprintf("k%d", i), "off")
					got := claim(t, l, k, "b")
					if got.Claim != want {
						t.Errorf("%s: %+v", k.Key, got)
					}
					if want == commandlog.Full && (got.Wait < 23*time.Hour || got.Wait > commandlog.KeyAge+time.Second) {
						t.Errorf("room is in %v", got.Wait)
					}
					if err := l.Answer(t.Context(), k, 200, c.answer); err != nil {
						t.Fatal(err)
					}
				}
			}
			for i := range 3 {
				if got := claim(t, l, key("token:a", fmt.Sprintf("k%d", i), "off"), "b"); got.Claim != commandlog.Answered {
					t.Errorf("k%d: %+v", i, got)
				}
			}
		})
	}
}

// later is a log that is not written yet, on the clock of the test, and what begins it.
func later(t *testing.T) (l *commandlog.Log, run func()) {
	t.Helper()
	l, err := commandlog.Open(t.Context(), commandlog.Options{Path: filepath.Join(t.TempDir(), "commands.sqlite"), Metrics: telemetry.New()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	run = sync.OnceFunc(func() { go func() { ended <- l.Run(ctx) }() })
	t.Cleanup(func() {
		run()
		cancel()
		if err := errors.Join(<-ended, l.Close()); err != nil {
			t.Error(err)
		}
	})
	return l, run
}

func TestWhoGoesWhileTheyWaitStillLearnsWhatWasWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, run := later(t)
		ctx, leave := context.WithCancel(t.Context())
		type answer struct {
			claimed commandlog.Claimed
			err     error
		}
		claimed, noted := make(chan answer, 1), make(chan error, 1)
		go func() {
			got, err := l.Claim(ctx, key("token:a", "k", "off"), "b1")
			claimed <- answer{got, err}
		}()
		go func() { noted <- l.NoteNow(ctx, batch("b1", time.Minute, "desk-1")) }()
		synctest.Wait()
		leave()
		synctest.Wait()
		run()
		if got := <-claimed; got.err != nil || got.claimed.Claim != commandlog.Fresh {
			t.Errorf("%+v", got)
		}
		if err := <-noted; err != nil || len(outcomes(t, l, "b1")) != 1 {
			t.Error(err)
		}
		if _, err := l.Claim(ctx, key("token:a", "k2", "off"), "b2"); !errors.Is(err, context.Canceled) {
			t.Errorf("who has gone before: %v", err)
		}
	})
}

func TestNothingIsKeptOfWhatADiskTookTooLongFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, run := later(t)
		k := key("token:a", "k", "off")
		if got, err := l.Claim(t.Context(), k, "b1"); err == nil {
			t.Errorf("%+v", got)
		}
		if err := l.NoteNow(t.Context(), batch("b1", time.Minute, "desk-1")); err == nil {
			t.Error("noted by nobody")
		}
		run()
		if got := outcomes(t, l, "b1"); len(got) != 0 {
			t.Errorf("noted: %v", got)
		}
		if got := claim(t, l, k, "b2"); got.Claim != commandlog.Fresh {
			t.Errorf("%+v", got)
		}
		l.Release(k, "b1") // of a request that does not have it any more
		if got := claim(t, l, k, "b3"); got.Claim != commandlog.UnderWay || got.Batch != "b2" {
			t.Errorf("%+v", got)
		}
	})
}

func TestNobodyWaitsForALogThatHasEnded(t *testing.T) {
	l, stop := open(t, commandlog.Options{})
	stop()
	l.Note(batch("b1", time.Minute, "desk-1"))
	if err := l.NoteNow(t.Context(), batch("b1", time.Minute, "desk-1")); !errors.Is(err, commandlog.ErrEnded) {
		t.Error(err)
	}
}
