package persist_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/powercuttest"
	"github.com/wattline/wattline/internal/testserver"
)

// start makes a process of the options, without starting it.
func (o childOptions) command(t *testing.T) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childEnv+"="+string(text))
	cmd.Stderr = os.Stderr
	return cmd
}

// TestKilledWhilePersisting kills processes with a hook at random moments. What
// any of them said to be stored must be, and no later one may say less.
func TestKilledWhilePersisting(t *testing.T) {
	hooks, kills := 4, 250
	if testing.Short() {
		kills = 10
	}
	for n := range hooks {
		t.Run(fmt.Sprint("hook ", n), func(t *testing.T) {
			t.Parallel()
			o := childOptions{Folder: t.TempDir(), Began: time.Now()}
			said := positions{}
			for range kills {
				killHook(t, o, said)
			}
			said.areIn(t, handled(t, o.Folder))
			o.Last = o.last()
			finish := o.command(t)
			if out, err := finish.Output(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, stream := range childStreams() {
				said[stream] = o.Last
			}
			said.areIn(t, handled(t, o.Folder))
		})
	}
}

// positions are the greatest numbers that were said to be stored, by stream.
type positions map[string]uint64

// hear takes a line of a child; half a line is none.
func (p positions) hear(t *testing.T, line string) {
	t.Helper()
	var stream string
	var seq uint64
	if n, err := fmt.Sscanf(line, "stored %s %d", &stream, &seq); n != 2 || err != nil {
		return
	}
	if seq < p[stream] {
		t.Errorf("%s was stored up to %d, and then up to %d", stream, p[stream], seq)
	}
	p[stream] = seq
}

// areIn checks that everything up to the positions is in the store, or with the
// dead letters.
func (p positions) areIn(t *testing.T, have map[string]bool) {
	t.Helper()
	for stream, last := range p {
		for seq := uint64(1); seq <= last; seq++ {
			if !have[fmt.Sprint(stream, " ", seq)] {
				t.Fatalf("%s was said to be stored up to %d, and %d is not", stream, last, seq)
			}
		}
	}
}

// killHook lets a process persist and kills it: a moment after it has said so many
// things, or so long after its start.
func killHook(t *testing.T, o childOptions, said positions) {
	t.Helper()
	cmd := o.command(t)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	kill := func() { _ = cmd.Process.Kill() }
	wanted := rand.IntN(8)
	if wanted == 0 {
		time.AfterFunc(rand.N(60*time.Millisecond), kill)
	}
	lines := bufio.NewScanner(out)
	for n := 0; lines.Scan(); n++ {
		if n == wanted {
			time.AfterFunc(rand.N(5*time.Millisecond), kill)
		}
		said.hear(t, lines.Text())
	}
	_ = cmd.Wait() // killed
}

// TestPowerFailsWhilePersisting looks at what the disk may hold after a power
// failure: the ledger never claims more than is in the store, and never less than
// was said.
func TestPowerFailsWhilePersisting(t *testing.T) {
	generations, cuts, readings := 2, 100, uint64(200)
	if testing.Short() {
		generations, cuts = 1, 30
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	o := childOptions{Folder: t.TempDir(), Began: time.Now(), Sync: true}
	for range generations {
		o.Last += readings
		o.Began = time.Now().Add(-time.Duration(o.Last-readings) * pace)
		recording := powercuttest.Record(t, o.command(t), o.Folder)
		next, wanted := t.TempDir(), dice.IntN(cuts)
		recording.Cuts(t, cuts, dice, func(cut powercuttest.Cut) {
			if wanted--; wanted == -1 {
				if err := os.CopyFS(next, os.DirFS(cut.Folder)); err != nil {
					t.Fatal(err)
				}
			}
			said := positions{}
			for _, line := range cut.Said {
				said.hear(t, line)
			}
			ledgerIsTrue(t, cut.Folder, said, handled(t, cut.Folder))
		})
		o.Folder = next
	}
}

// ledgerIsTrue opens a hook on what is left, and closes it again.
func ledgerIsTrue(t *testing.T, folder string, said positions, have map[string]bool) {
	t.Helper()
	var log testserver.Text
	hook, err := persist.New(context.Background(), persist.Options{
		Name: "archive", Bus: newBus(newStore()), Store: newStore(), Dir: filepath.Join(folder, "hooks"), Log: log.Logger(slog.LevelInfo),
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := hook.Run(ctx); err != nil {
			t.Fatal(err)
		}
	}()
	if strings.Contains(log.String(), "damaged") {
		t.Fatalf("log: %s", &log)
	}
	claimed := positions{}
	for _, s := range hook.Status().Streams {
		claimed[s.Stream] = s.Stored
	}
	for stream, seq := range said {
		if claimed[stream] < seq {
			t.Errorf("%s was said to be stored up to %d; the ledger has %d", stream, seq, claimed[stream])
		}
	}
	claimed.areIn(t, have)
}
