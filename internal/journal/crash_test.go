package journal_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/journal"
)

// crashPath names the variable that turns this test binary into a process that
// appends until it is killed.
const crashPath = "WATTLINE_TEST_JOURNAL"

func bg() context.Context { return context.Background() }

// appendForEver prints "number device" for each reading that was acknowledged.
func appendForEver(path string) {
	const appenders = 16
	j, err := journal.Open(bg(), journal.Options{Path: path, CommitInterval: 2 * time.Millisecond})
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	if err := j.Stored(bg(), "archive", j.LastSeq()/2); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	var all sync.WaitGroup
	var out sync.Mutex
	for n := range appenders {
		all.Go(func() {
			for i := n; ; i += appenders {
				kept, err := j.Append(bg(), readingOf(i, time.Now()))
				if err != nil {
					fmt.Fprintln(os.Stderr, err)
					os.Exit(1)
				}
				out.Lock()
				fmt.Println(kept.Seq, kept.Device, int64(kept.PowerW))
				out.Unlock()
			}
		})
	}
	all.Wait()
}

type acknowledged struct {
	device string
	power  int64
}

// TestKilledWhileAppending kills processes at random moments, some while they
// still open the journal, several journals side by side.
func TestKilledWhileAppending(t *testing.T) {
	journals, kills := 4, 250
	if testing.Short() {
		kills = 10
	}
	for n := range journals {
		t.Run(fmt.Sprint("journal ", n), func(t *testing.T) {
			t.Parallel()
			path := filepath.Join(t.TempDir(), "journal.db")
			said := map[uint64]acknowledged{}
			for range kills {
				killOne(t, path, said)
			}
			holdsWhatWasSaid(t, path, said)
			if len(said) < kills {
				t.Errorf("only %d readings were acknowledged in %d runs", len(said), kills)
			}
		})
	}
}

func holdsWhatWasSaid(t *testing.T, path string, said map[uint64]acknowledged) {
	t.Helper()
	j := opened(t, journal.Options{Path: path})
	held := map[uint64]acknowledged{}
	for _, r := range everything(t, j) {
		held[r.Seq] = acknowledged{r.Device, int64(r.PowerW)}
	}
	status := j.Status()
	for seq, want := range said {
		if got, ok := held[seq]; seq >= status.First && (!ok || got != want) || seq > status.Last {
			t.Errorf("reading %d was acknowledged as %v and is %v (%v)", seq, want, got, ok)
		}
	}
	if status.SetAside != "" || status.Dropped != 0 {
		t.Errorf("status %+v", status)
	}
	t.Logf("%d acknowledged, %d held from %d to %d", len(said), len(held), status.First, status.Last)
}

// killOne lets a process append and kills it: a moment after it has said so many
// things, or so long after its start.
func killOne(t *testing.T, path string, said map[uint64]acknowledged) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	wanted := rand.IntN(60)
	if wanted%4 == 0 {
		time.AfterFunc(rand.N(60*time.Millisecond), kill)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == wanted {
			time.AfterFunc(rand.N(2*time.Millisecond), kill)
		}
		var seq uint64
		var a acknowledged
		if _, err := fmt.Sscan(lines.Text(), &seq, &a.device, &a.power); err != nil {
			continue // the line at which it was killed
		}
		if had, twice := said[seq]; twice {
			t.Fatalf("number %d was given to %v and again to %v", seq, had, a)
		}
		said[seq] = a
	}
	_ = cmd.Wait() // killed
}
