package journal_test

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/sqlite"
)

// together is n readings of one device, a second apart.
func together(n int) []wattline.Reading {
	readings := make([]wattline.Reading, n)
	for i := range readings {
		readings[i] = readingOf(7, time.Now().Add(time.Duration(i)*time.Second))
	}
	return readings
}

func TestReadingsThatBelongTogether(t *testing.T) {
	bubble(t, "are kept with consecutive numbers, and the memo with the newest", func(t *testing.T) {
		j := opened(t, journal.Options{})
		mustAppend(t, j, readingOf(1, time.Now()))
		readings := together(3)
		kept, err := j.AppendAll(t.Context(), readings, []byte("where it stood"))
		if err != nil {
			t.Fatal(err)
		}
		for i := range readings {
			readings[i].Stream, readings[i].Seq = j.Stream(), uint64(2+i)
		}
		if diff := cmp.Diff(readings, kept); diff != "" {
			t.Error(diff)
		}
		last, memo, ok := j.Recall("desk-0")
		if !ok || last != kept[2] || string(memo) != "where it stood" {
			t.Errorf("recalled %v, %q", last, memo)
		}
		if got := everything(t, j); len(got) != 4 {
			t.Errorf("%d readings are held", len(got))
		}
	})
	bubble(t, "are refused, all of them, if one cannot be", func(t *testing.T) {
		j := opened(t, journal.Options{})
		broken, foreign, repeated := together(3), together(3), together(3)
		broken[1].Relay = ""
		foreign[2].Device = "desk-1"
		repeated[1].Time = repeated[0].Time
		for name, readings := range map[string][]wattline.Reading{
			"none": nil, "too many": together(journal.MaxTogether + 1), "one that does not validate": broken,
			"of two devices": foreign, "one twice": repeated,
		} {
			if _, err := j.AppendAll(t.Context(), readings, nil); codeOf(err) != wattline.CodeInvalid {
				t.Errorf("%s: %v", name, err)
			}
		}
		if _, err := j.AppendAll(t.Context(), together(1), make([]byte, journal.MaxMemo+1)); codeOf(err) != wattline.CodeInvalid {
			t.Errorf("a long memo: %v", err)
		}
		if j.LastSeq() != 0 {
			t.Errorf("%d were kept", j.LastSeq())
		}
	})
}

func TestAMemo(t *testing.T) {
	bubble(t, "outlives a restart, trimming, and the file's damage", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "journal.db")
		recalls := func(j *journal.Journal, when string) {
			t.Helper()
			if _, memo, _ := j.Recall("desk-0"); string(memo) != "where it stood" {
				t.Errorf("%s the memo is %q", when, memo)
			}
		}
		j := open(t, journal.Options{Path: path, CommitInterval: time.Millisecond})
		if _, err := j.AppendAll(t.Context(), together(2), []byte("where it stood")); err != nil {
			t.Fatal(err)
		}
		mustStore(t, j, "archive", 2)
		time.Sleep(3 * time.Second)
		recalls(j, "after trimming")
		for n := 1; n < 4000; n++ { // pages to damage
			mustAppend(t, j, readingOf(1+n%6, time.Now()))
		}
		closed(t, j)
		j = open(t, journal.Options{Path: path})
		recalls(j, "after a restart")
		closed(t, j)
		scribble(t, path, 20, 40)
		j = opened(t, journal.Options{Path: path})
		if j.Status().SetAside == "" {
			t.Error("the file is not damaged")
		}
		recalls(j, "after damage")
	})
	bubble(t, "is gone with the next reading that has none", func(t *testing.T) {
		j := opened(t, journal.Options{})
		if _, err := j.AppendAll(t.Context(), together(1), []byte("old")); err != nil {
			t.Fatal(err)
		}
		mustAppend(t, j, readingOf(7, time.Now().Add(time.Second)))
		if _, memo, ok := j.Recall("desk-0"); !ok || len(memo) != 0 {
			t.Errorf("recalled %q", memo)
		}
	})
}

// released is the schema of the files that are out there.
const released = `
CREATE TABLE stream(name TEXT NOT NULL) STRICT;
CREATE TABLE reading(seq INTEGER PRIMARY KEY, device TEXT NOT NULL, time_ms INTEGER NOT NULL, power_w INTEGER NOT NULL,
	voltage_v INTEGER NOT NULL, current_a INTEGER NOT NULL, energy_wh INTEGER NOT NULL, meter_wh INTEGER NOT NULL,
	relay_on INTEGER NOT NULL, rssi_dbm INTEGER NOT NULL, covers_s INTEGER NOT NULL, quality INTEGER NOT NULL) STRICT;
CREATE TABLE last(seq INTEGER NOT NULL, device TEXT NOT NULL, time_ms INTEGER NOT NULL, power_w INTEGER NOT NULL,
	voltage_v INTEGER NOT NULL, current_a INTEGER NOT NULL, energy_wh INTEGER NOT NULL, meter_wh INTEGER NOT NULL,
	relay_on INTEGER NOT NULL, rssi_dbm INTEGER NOT NULL, covers_s INTEGER NOT NULL, quality INTEGER NOT NULL,
	PRIMARY KEY (device)) STRICT, WITHOUT ROWID;
CREATE TABLE hook(name TEXT PRIMARY KEY, seq INTEGER NOT NULL, forgotten INTEGER NOT NULL) STRICT, WITHOUT ROWID;
INSERT INTO stream VALUES ('the-old-one');
INSERT INTO reading VALUES (5, 'desk-1', 1788000000000, 61753, 230000, 268, 105300, 5000, 1, -60, 5000, 0);
INSERT INTO last VALUES (5, 'desk-1', 1788000000000, 61753, 230000, 268, 105300, 5000, 1, -60, 5000, 0);`

func TestAFileFromBeforeThereWereMemos(t *testing.T) {
	oldFile := func(t *testing.T) string {
		path := filepath.Join(t.TempDir(), "journal.db")
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: []string{released}})
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		return path
	}
	want := wattline.Reading{
		Device: "desk-1", Time: wattline.AtMilli(1788000000000), PowerW: 61_753, VoltageV: 230_000, CurrentA: 268,
		EnergyWh: 105_300, MeterWh: 5_000, Relay: wattline.RelayOn, RSSIdBm: -60, CoversS: 5_000,
	}
	t.Run("goes on with what it holds", func(t *testing.T) {
		j := opened(t, journal.Options{Path: oldFile(t)})
		want := want
		want.Stream, want.Seq = "the-old-one", 5
		if got, memo, ok := j.Recall("desk-1"); !ok || got != want || len(memo) > 0 {
			t.Errorf("recalled %v, %q", got, memo)
		}
		if kept := mustAppend(t, j, readingOf(7, time.Now())); kept.Seq != 6 || len(everything(t, j)) != 2 {
			t.Errorf("the next is %+v", kept)
		}
	})
	t.Run("and gives up its newest readings when it is damaged", func(t *testing.T) {
		path := oldFile(t)
		db, err := sqlite.Open(t.Context(), path, sqlite.Options{Migrations: []string{released}})
		if err != nil {
			t.Fatal(err)
		}
		_, err = db.Writer().ExecContext(t.Context(), `WITH RECURSIVE n(i) AS (SELECT 6 UNION ALL SELECT i+1 FROM n WHERE i < 5000)
			INSERT INTO reading SELECT i, 'desk-2', i, 1, 1, 1, 1, 1, 1, 1, 1, 0 FROM n`)
		if err != nil {
			t.Fatal(err)
		}
		if err := db.Close(); err != nil {
			t.Fatal(err)
		}
		scribble(t, path, 20, 40)
		j := opened(t, journal.Options{Path: path})
		if got, ok := j.Last("desk-1"); !ok || got != want || !strings.Contains(j.Status().SetAside, ".damaged-") {
			t.Errorf("last is %v, set aside as %q", got, j.Status().SetAside)
		}
	})
}

func TestWhoListensToCommits(t *testing.T) {
	bubble(t, "is given every reading that is on disk, once and in the order of numbers", func(t *testing.T) {
		j := opened(t, journal.Options{})
		var heard []wattline.Reading
		j.OnCommit(func(readings []wattline.Reading) { heard = append(heard, readings...) })
		mustAppend(t, j, readingOf(1, time.Now()))
		if _, err := j.AppendAll(t.Context(), together(3), nil); err != nil {
			t.Fatal(err)
		}
		if err := j.Stored(t.Context(), "influx", 2); err != nil {
			t.Fatal(err)
		}
		if err := j.Close(); err != nil {
			t.Fatal(err)
		}
		var numbers []uint64
		for _, r := range heard {
			numbers = append(numbers, r.Seq)
		}
		if diff := cmp.Diff([]uint64{1, 2, 3, 4}, numbers); diff != "" {
			t.Error(diff)
		}
	})
}
