package journal_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/powercuttest"
)

// workPath names the variable that turns this test binary into a process that
// uses a journal for a while and says what was acknowledged.
const workPath = "WATTLINE_TEST_JOURNAL_WORK"

// workAndSay appends from several goroutines while a hook stores and so lets the
// journal trim. It ends without closing.
func workAndSay(path string) {
	const appenders, each = 6, 40
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	j, err := journal.Open(bg(), journal.Options{Path: path, CommitInterval: time.Millisecond, CommitReadings: 10})
	must(err)
	fmt.Println("stream", j.Stream())
	began := j.LastSeq()
	var all sync.WaitGroup
	for n := range appenders {
		all.Go(func() {
			for i := n; i < appenders*each; i += appenders {
				kept, err := j.Append(bg(), readingOf(int(began)+i, time.Now()))
				must(err)
				fmt.Println("appended", kept.Seq, int64(kept.PowerW))
				if i%20 == 0 {
					must(j.Stored(bg(), "archive", kept.Seq/2))
					fmt.Println("stored", kept.Seq/2)
				}
			}
		})
	}
	all.Wait()
}

// TestPowerFails lets a journal be used, again and again on what the power
// failure before has left, and opens what the disk may hold after one more.
func TestPowerFails(t *testing.T) {
	generations, cuts := 3, 120
	if testing.Short() {
		generations, cuts = 1, 40
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	folder := t.TempDir()
	for range generations {
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), workPath+"="+filepath.Join(folder, "journal.db"))
		recording := powercuttest.Record(t, cmd, folder)
		next, wanted := t.TempDir(), dice.IntN(cuts)
		recording.Cuts(t, cuts, dice, func(cut powercuttest.Cut) {
			if wanted--; wanted == -1 {
				if err := os.CopyFS(next, os.DirFS(cut.Folder)); err != nil {
					t.Fatal(err)
				}
			}
			checkAfterPowerFailure(t, cut)
		})
		folder = next
	}
}

// checkAfterPowerFailure holds what the disk has against what was acknowledged.
func checkAfterPowerFailure(t *testing.T, cut powercuttest.Cut) {
	t.Helper()
	var stream string
	var stored uint64
	appended := map[uint64]wattline.Milli{}
	for _, line := range cut.Said {
		var seq uint64
		var power int64
		switch word, rest, _ := strings.Cut(line, " "); word {
		case "stream":
			stream = rest
		case "appended":
			if _, err := fmt.Sscan(rest, &seq, &power); err != nil {
				t.Fatal(line, err)
			}
			appended[seq] = wattline.Milli(power)
		case "stored":
			if _, err := fmt.Sscan(rest, &seq); err != nil {
				t.Fatal(line, err)
			}
			stored = max(stored, seq)
		}
	}
	j := open(t, journal.Options{Path: filepath.Join(cut.Folder, "journal.db")})
	defer closed(t, j)
	status := j.Status()
	if status.SetAside != "" || stream != "" && status.Stream != stream {
		t.Fatalf("the file was damaged, or the stream %s is another: %+v", stream, status)
	}
	if len(status.Hooks) == 1 && status.Hooks[0].Stored < stored || len(status.Hooks) == 0 && stored > 0 {
		t.Errorf("up to %d was acknowledged as stored, it is %+v", stored, status.Hooks)
	}
	held := map[uint64]wattline.Milli{}
	for _, r := range everything(t, j) {
		held[r.Seq] = r.PowerW
	}
	for seq, want := range appended {
		if got, ok := held[seq]; seq >= status.First && (!ok || got != want) || seq > status.Last {
			t.Errorf("reading %d was acknowledged as %v and is %v; the journal holds %d to %d", seq, want, got, status.First, status.Last)
		}
	}
	if len(status.Hooks) == 1 && status.First > status.Hooks[0].Stored+1 {
		t.Errorf("begins at %d, stored is %d", status.First, status.Hooks[0].Stored)
	}
	if kept := mustAppend(t, j, readingOf(1, time.Now())); kept.Seq != status.Last+1 {
		t.Errorf("the numbers go on with %d after %d", kept.Seq, status.Last)
	}
}
