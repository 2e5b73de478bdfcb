package audit_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/audit"
	"github.com/wattline/wattline/internal/powercuttest"
)

// workPath names the variable that turns this test binary into a process that writes
// to an audit for a while and says what was acknowledged.
const workPath = "WATTLINE_TEST_AUDIT_WORK"

// workAndSay writes from several goroutines, and prunes. It ends without closing.
func workAndSay(path string) {
	must := func(err error) {
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	ctx := context.Background()
	l, err := audit.Open(ctx, audit.Options{Path: path, Retention: time.Nanosecond})
	must(err)
	var all sync.WaitGroup
	for n := range 3 {
		all.Go(func() {
			for i := range 10 {
				must(l.Write(ctx, entry("desk-1"), entry("desk-2")))
				if i == 5 && n == 0 {
					must(l.Prune(ctx, time.Now()))
				}
				head, err := l.Head(ctx)
				must(err)
				fmt.Println("head", head)
			}
		})
	}
	all.Wait()
}

// TestPowerFails lets an audit be written and verifies what the disk may hold after the
// power failed at any moment.
func TestPowerFails(t *testing.T) {
	const cuts = 40
	folder := t.TempDir()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), workPath+"="+filepath.Join(folder, audit.FileName))
	recording := powercuttest.Record(t, cmd, folder)
	recording.Cuts(t, cuts, rand.New(rand.NewPCG(seed, 0)), func(cut powercuttest.Cut) {
		path := audit.Path(cut.Folder)
		l, err := audit.Open(context.Background(), audit.Options{Path: path})
		if err != nil {
			t.Fatal(err)
		}
		write(t, l, entry("after"))
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
		var last audit.Head
		for _, line := range cut.Said {
			if text, is := strings.CutPrefix(line, "head "); is {
				head, err := audit.ParseHead(text)
				if err != nil {
					t.Fatal(err)
				}
				if head.Seq > last.Seq {
					last = head
				}
			}
		}
		var heads []audit.Head
		if last.Seq > 0 {
			heads = append(heads, last)
		}
		if report := verify(t, path, heads...); len(report.Faults) != 0 && !strings.Contains(report.Faults[0], "because of their age") {
			t.Errorf("acknowledged was %v: %q", last, report.Faults)
		}
	})
}
