package audit_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/sqlite"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(workPath); path != "" {
		workAndSay(path)
		return
	}
	goleak.VerifyTestMain(m)
}

func open(t testing.TB, options audit.Options) *audit.Log {
	t.Helper()
	if options.Path == "" {
		options.Path = audit.Path(t.TempDir())
	}
	l, err := audit.Open(t.Context(), options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// run runs a log until the function that it returns is called.
func run(t testing.TB, l *audit.Log) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return stop
}

func entry(device string) audit.Entry {
	return audit.Entry{
		Time: wattline.At(time.UnixMilli(1_700_000_000_000)), Who: "token:research", Address: "192.0.2.7", Action: "command.off",
		Device: device, Outcome: audit.Refused, Code: wattline.CodeProtected, RequestID: "R1", Detail: "always on",
	}
}

func write(t testing.TB, l *audit.Log, entries ...audit.Entry) {
	t.Helper()
	if err := l.Write(context.Background(), entries...); err != nil {
		t.Fatal(err)
	}
}

func records(t testing.TB, l *audit.Log, query audit.Query) []audit.Record {
	t.Helper()
	if query.Limit == 0 {
		query.Limit = 10_000
	}
	found, err := l.Records(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func verify(t testing.TB, path string, heads ...audit.Head) audit.Report {
	t.Helper()
	report, err := audit.Verify(t.Context(), path, heads...)
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestRecords(t *testing.T) {
	path := audit.Path(t.TempDir())
	l := open(t, audit.Options{Path: path})
	write(t, l, entry("desk-1"), entry("desk-2"))
	t.Run("are given back as they were, the newest first", func(t *testing.T) {
		got := records(t, l, audit.Query{})
		want := audit.Record{
			Seq: 2, Time: wattline.At(time.UnixMilli(1_700_000_000_000)), Who: "token:research", Address: "192.0.2.7", Action: "command.off",
			Device: "desk-2", Outcome: audit.Refused, Code: wattline.CodeProtected, RequestID: "R1", Detail: "always on", Hash: got[0].Hash,
		}
		if diff := cmp.Diff(want, got[0]); diff != "" || len(got) != 2 || len(got[0].Hash) != 64 {
			t.Errorf("%s", diff)
		}
	})
	t.Run("are chosen by who, device, action, outcome and time", func(t *testing.T) {
		at := wattline.At(time.UnixMilli(1_700_000_001_000))
		write(t, l, audit.Entry{Time: at, Who: "user:ana", Action: "token.create", Outcome: audit.Done})
		for name, c := range map[string]struct {
			query audit.Query
			want  []int64
		}{
			"who":              {audit.Query{Who: "user:ana"}, []int64{3}},
			"device":           {audit.Query{Device: "desk-1"}, []int64{1}},
			"action":           {audit.Query{Action: "command.off"}, []int64{2, 1}},
			"outcome":          {audit.Query{Outcome: audit.Done}, []int64{3}},
			"from":             {audit.Query{From: at}, []int64{3}},
			"to":               {audit.Query{To: at}, []int64{2, 1}},
			"several together": {audit.Query{Outcome: audit.Refused, Device: "desk-2"}, []int64{2}},
			"only some":        {audit.Query{Devices: []string{"desk-2", "desk-9"}}, []int64{2}},
			"none":             {audit.Query{Devices: []string{}}, nil},
			"a page":           {audit.Query{Limit: 1, Before: 3}, []int64{2}},
		} {
			var got []int64
			for _, r := range records(t, l, c.query) {
				got = append(got, r.Seq)
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("%s: %s", name, diff)
			}
		}
	})
	t.Run("of two processes are one chain", func(t *testing.T) {
		other := open(t, audit.Options{Path: path})
		var group sync.WaitGroup
		for _, writer := range []*audit.Log{l, other} {
			group.Go(func() {
				for range 20 {
					if err := writer.Write(context.Background(), entry("desk-1")); err != nil {
						t.Error(err)
					}
				}
			})
		}
		group.Wait()
		if report := verify(t, path); len(report.Faults) != 0 || report.Records != 43 {
			t.Errorf("%+v", report)
		}
	})
}

func TestAppend(t *testing.T) {
	t.Run("writes all that is queued before Run ends, in order", func(t *testing.T) {
		l := open(t, audit.Options{})
		stop := run(t, l)
		for i := range 1000 {
			if err := l.Append(t.Context(), audit.Entry{Action: fmt.Sprint(i)}, audit.Entry{Action: "and"}); err != nil {
				t.Fatal(err)
			}
		}
		stop()
		got := records(t, l, audit.Query{})
		if len(got) != 2000 || got[0].Action != "and" || got[1].Action != "999" || got[1999].Action != "0" {
			t.Errorf("%d records", len(got))
		}
	})
	t.Run("says busy when there is no room", func(t *testing.T) {
		l := open(t, audit.Options{Queue: 2})
		if err := l.Append(t.Context(), entry("a"), entry("b")); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		err := l.Append(ctx, entry("c"))
		if known := wattline.AsError(err); known == nil || known.Code != wattline.CodeBusy {
			t.Errorf("%v", err)
		}
		run(t, l)()
		if got := records(t, l, audit.Query{}); len(got) != 2 {
			t.Errorf("%d records", len(got))
		}
	})
	t.Run("says busy when nobody writes any more", func(t *testing.T) {
		l := open(t, audit.Options{})
		run(t, l)()
		if err := l.Append(t.Context(), entry("a")); err == nil {
			t.Error("it was taken")
		}
	})
	t.Run("keeps what was queued while the file could not be written", func(t *testing.T) {
		path := audit.Path(t.TempDir())
		l := open(t, audit.Options{Path: path})
		other, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: make([]string, 2)})
		if err != nil {
			t.Fatal(err)
		}
		blocked := make(chan struct{})
		release, released := make(chan struct{}), make(chan error)
		go func() {
			released <- other.Write(context.Background(), func(*sql.Tx) error { close(blocked); <-release; return nil })
		}()
		<-blocked
		stop := run(t, l)
		if err := l.Append(t.Context(), entry("a"), entry("b")); err != nil {
			t.Fatal(err)
		}
		close(release)
		if err := errors.Join(<-released, other.Close()); err != nil {
			t.Fatal(err)
		}
		stop()
		if got := records(t, l, audit.Query{}); len(got) != 2 {
			t.Errorf("%d records", len(got))
		}
	})
}

func TestADamagedFileIsSetAsideAndTheNewOneSaysSo(t *testing.T) {
	path := audit.Path(t.TempDir())
	if err := os.WriteFile(path, []byte(strings.Repeat("not a database. ", 1000)), 0o600); err != nil {
		t.Fatal(err)
	}
	l := open(t, audit.Options{Path: path})
	if got := records(t, l, audit.Query{}); len(got) != 1 || got[0].Action != "audit.begin" || !strings.Contains(got[0].Detail, "damaged") {
		t.Errorf("%+v", got)
	}
}

func TestOutcomes(t *testing.T) {
	for code, want := range map[wattline.Code]audit.Status{
		wattline.CodeProtected: audit.Refused, wattline.CodeForbidden: audit.Refused, wattline.CodeNotFound: audit.Refused,
		wattline.CodeBusy: audit.Refused, wattline.CodeDeviceUnreachable: audit.Failed, wattline.CodeNoResponder: audit.Failed,
		wattline.CodeTimeout: audit.Unknown, wattline.CodeInternal: audit.Unknown,
	} {
		if got, gotCode := audit.OutcomeOf(wattline.Errorf(code, "x")); got != want || gotCode != code {
			t.Errorf("%s is %s", code, got)
		}
	}
	if got, code := audit.OutcomeOf(nil); got != audit.Done || code != "" {
		t.Errorf("no error is %s %s", got, code)
	}
}

func TestWhateverIsWrittenVerifies(t *testing.T) {
	path := audit.Path(t.TempDir())
	l := open(t, audit.Options{Path: path})
	rapid.Check(t, func(rt *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just("\xff\x00"), rapid.Just(strings.Repeat("é", 2000)))
		e := audit.Entry{
			Who: text.Draw(rt, "who"), Action: text.Draw(rt, "action"), Device: text.Draw(rt, "device"),
			Outcome: audit.Status(rapid.String().Draw(rt, "outcome")), Detail: text.Draw(rt, "detail"),
		}
		if err := l.Write(context.Background(), e); err != nil {
			rt.Fatal(err)
		}
	})
	if report := verify(t, path); len(report.Faults) != 0 {
		t.Errorf("%+v", report)
	}
}

func BenchmarkAppend(b *testing.B) {
	l := open(b, audit.Options{})
	stop := run(b, l)
	for b.Loop() {
		if err := l.Append(b.Context(), entry("desk-1")); err != nil {
			b.Fatal(err)
		}
	}
	stop()
}
