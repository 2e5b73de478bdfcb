package audit_test

import (
	"context"
	"database/sql"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/sqlite"
)

// tamper changes the file as somebody would who can write to it.
// tamper does what somebody can do who has the file and knows it.
func tamper(t *testing.T, path string, statements ...string) {
	t.Helper()
	statements = append([]string{`DROP TRIGGER records_stay`, `DROP TRIGGER records_stay_as_they_are`}, statements...)
	if err := execute(t, path, statements...); err != nil {
		t.Fatal(err)
	}
}

// execute carries out statements on the file, all or none.
func execute(t *testing.T, path string, statements ...string) error {
	t.Helper()
	db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: make([]string, 2)})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	return db.Write(t.Context(), func(tx *sql.Tx) error {
		for _, statement := range statements {
			if _, err := tx.ExecContext(t.Context(), statement); err != nil {
				return fmt.Errorf("%s: %w", statement, err)
			}
		}
		return nil
	})
}

func TestTheFileTakesNoChangeOfARecordByMistake(t *testing.T) {
	path, _ := chain(t, 10)
	for _, statement := range []string{
		`UPDATE records SET who = 'token:other' WHERE seq = 4`, `DELETE FROM records WHERE seq = 10`, `DELETE FROM records`,
	} {
		if err := execute(t, path, statement); err == nil || !strings.Contains(err.Error(), "only appended to") {
			t.Errorf("%s: %v", statement, err)
		}
	}
	if report := verify(t, path); len(report.Faults) != 0 || report.Records != 10 {
		t.Errorf("%+v", report)
	}
}

func chain(t *testing.T, length int) (path string, head audit.Head) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "audit.sqlite")
	l, err := audit.Open(t.Context(), audit.Options{Path: path})
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for i := range length {
		write(t, l, entry(fmt.Sprint("desk-", i)))
	}
	head, err = l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return path, head
}

func TestVerify(t *testing.T) {
	for name, c := range map[string]struct {
		statements []string
		want       string
	}{
		"nothing was done":        {nil, ""},
		"a text was changed":      {[]string{`UPDATE records SET who = 'token:other' WHERE seq = 4`}, "record 4 was changed"},
		"a text moved":            {[]string{`UPDATE records SET who = who || substr(address, 1, 1), address = substr(address, 2) WHERE seq = 4`}, "record 4 was changed"},
		"a time was changed":      {[]string{`UPDATE records SET at_ms = at_ms + 1 WHERE seq = 1`}, "record 1 was changed"},
		"a hash was changed":      {[]string{`UPDATE records SET hash = zeroblob(32) WHERE seq = 4`}, "record 4 was changed"},
		"one was taken out":       {[]string{`DELETE FROM records WHERE seq = 5`}, "record 5 is missing"},
		"some were taken out":     {[]string{`DELETE FROM records WHERE seq IN (5, 6)`}, "records 5 to 6 are missing"},
		"the first was taken out": {[]string{`DELETE FROM records WHERE seq = 1`}, "record 1 is missing"},
		"the last was taken out":  {[]string{`DELETE FROM records WHERE seq = 10`}, "record 10 is missing at the end"},
		"one was put in its place": {[]string{
			`UPDATE records SET (before, hash, who) = (SELECT before, hash, who FROM records WHERE seq = 3) WHERE seq = 4`,
		}, "record 4 does not follow"},
		"one was taken out and the others renumbered": {[]string{
			`DELETE FROM records WHERE seq = 5`, `UPDATE records SET seq = -seq WHERE seq > 5`, `UPDATE records SET seq = -seq - 1 WHERE seq < 0`,
			`UPDATE marks SET seq = 9, hash = (SELECT hash FROM records WHERE seq = 9) WHERE name = 'head'`,
		}, "record 5 does not follow"},
		"one was put in between": {[]string{
			`UPDATE records SET seq = -seq WHERE seq > 5`, `UPDATE records SET seq = -seq + 1 WHERE seq < 0`,
			`INSERT INTO records SELECT 6, at_ms, who, address, action, device, outcome, code, request_id, detail, hash, hash FROM records WHERE seq = 5`,
			`UPDATE marks SET seq = 11 WHERE name = 'head'`,
		}, "record 6 was changed"},
		"the beginning was taken out as if by age": {[]string{
			`UPDATE marks SET seq = 3, hash = (SELECT hash FROM records WHERE seq = 3) WHERE name = 'base'`, `DELETE FROM records WHERE seq <= 3`,
		}, "no record vouches for the removal of records 1 to 3"},
		"the mark of the end was taken out":       {[]string{`DELETE FROM marks WHERE name = 'head'`}, `the mark "head" was removed from the file: which record was the last is not known`},
		"the mark of the beginning was taken out": {[]string{`DELETE FROM marks WHERE name = 'base'`}, `the mark "base" was removed from the file`},
		"both, and the beginning with it":         {[]string{`DELETE FROM marks`, `DELETE FROM records WHERE seq <= 3`}, "records 1 to 3 are missing"},
		"all was taken out":                       {[]string{`DELETE FROM records`}, "records 1 to 10 are missing at the end"},
	} {
		t.Run(name, func(t *testing.T) {
			path, _ := chain(t, 10)
			tamper(t, path, c.statements...)
			report := verify(t, path)
			found := slices.ContainsFunc(report.Faults, func(fault string) bool { return strings.Contains(fault, c.want) })
			if c.want == "" && len(report.Faults) > 0 || c.want != "" && !found {
				t.Errorf("got %q, want %q", report.Faults, c.want)
			}
		})
	}
}

func TestVerifyAgainstAHeadThatIsKnown(t *testing.T) {
	t.Run("finds nothing where all is as it was, and more came since", func(t *testing.T) {
		path, head := chain(t, 10)
		l := open(t, audit.Options{Path: path})
		write(t, l, entry("desk-1"))
		if report := verify(t, path, head); len(report.Faults) != 0 || report.Records != 11 {
			t.Errorf("%+v", report)
		}
	})
	t.Run("finds that the end was cut off without a trace", func(t *testing.T) {
		path, head := chain(t, 10)
		tamper(t, path, `DELETE FROM records WHERE seq > 8`,
			`UPDATE marks SET seq = 8, hash = (SELECT hash FROM records WHERE seq = 8) WHERE name = 'head'`)
		if report := verify(t, path); len(report.Faults) != 0 {
			t.Fatalf("there was a trace: %+v", report)
		}
		if report := verify(t, path, head); len(report.Faults) != 1 || report.Faults[0] != "records 9 to 10 are missing at the end" {
			t.Errorf("%+v", report)
		}
	})
	t.Run("finds that the whole chain was written anew", func(t *testing.T) {
		_, head := chain(t, 10)
		path := filepath.Join(t.TempDir(), "audit.sqlite")
		l := open(t, audit.Options{Path: path})
		for range 12 {
			write(t, l, entry("desk-1"))
		}
		if report := verify(t, path, head); len(report.Faults) != 1 || !strings.Contains(report.Faults[0], "record 10 is not the one that was the head") {
			t.Errorf("%+v", report)
		}
	})
	t.Run("finds that the end was cut off together with its mark", func(t *testing.T) {
		path, head := chain(t, 10)
		tamper(t, path, `DELETE FROM records WHERE seq > 8`, `DELETE FROM marks WHERE name = 'head'`)
		if report := verify(t, path, head); !slices.Contains(report.Faults, "records 9 to 10 are missing at the end") {
			t.Errorf("%+v", report)
		}
	})
	t.Run("is what a file without marks asks for when something is to be added", func(t *testing.T) {
		path, _ := chain(t, 10)
		tamper(t, path, `DELETE FROM marks`)
		l := open(t, audit.Options{Path: path})
		if err := l.Write(t.Context(), entry("desk-1")); err == nil || !strings.Contains(err.Error(), `mark "head" was removed`) || !strings.Contains(err.Error(), "wattline audit verify") {
			t.Errorf("%v", err)
		}
	})
	t.Run("of a file that is not there is an error", func(t *testing.T) {
		if _, err := audit.Verify(t.Context(), filepath.Join(t.TempDir(), "audit.sqlite")); err == nil {
			t.Error("nothing is in order")
		}
	})
	t.Run("is written and read", func(t *testing.T) {
		_, head := chain(t, 3)
		if again, err := audit.ParseHead(head.String()); err != nil || again != head {
			t.Errorf("%v, %v", again, err)
		}
		for _, text := range []string{"", "3", "3:", "3:ab", head.String() + "00", "-" + head.String(), "x:" + strings.Repeat("0", 64)} {
			if _, err := audit.ParseHead(text); err == nil {
				t.Errorf("%q was taken", text)
			}
		}
	})
}

func TestPrune(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit.sqlite")
	l := open(t, audit.Options{Path: path, Retention: 24 * time.Hour})
	now := time.Now()
	for day := range 5 {
		for range 3 {
			e := entry("desk-1")
			e.Time = wattline.At(now.Add(time.Duration(day-4)*24*time.Hour - time.Hour))
			write(t, l, e)
		}
	}
	before, err := l.Head(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	prune := func(at time.Time) {
		t.Helper()
		if err := l.Prune(context.Background(), at); err != nil {
			t.Fatal(err)
		}
	}
	t.Run("removes what is old, and the rest verifies, against a head from before too", func(t *testing.T) {
		prune(now)
		got := records(t, l, audit.Query{})
		if len(got) != 4 || got[3].Seq != 13 || got[0].Action != "audit.prune" {
			t.Fatalf("%+v", got)
		}
		if report := verify(t, path, before); len(report.Faults) != 0 || report.First != 13 {
			t.Errorf("%+v", report)
		}
	})
	t.Run("does nothing where nothing is old", func(t *testing.T) {
		prune(now)
		if got := records(t, l, audit.Query{}); len(got) != 4 {
			t.Errorf("%+v", got)
		}
	})
	t.Run("leaves a chain that goes on when everything is old", func(t *testing.T) {
		prune(now.Add(72 * time.Hour))
		prune(now.Add(144 * time.Hour))
		write(t, l, entry("desk-1"))
		if report := verify(t, path); len(report.Faults) != 0 || report.Records != 2 {
			t.Errorf("%+v", report)
		}
		if report := verify(t, path, before); len(report.Faults) != 1 {
			t.Errorf("a head that cannot be looked at any more: %+v", report)
		}
	})
}
