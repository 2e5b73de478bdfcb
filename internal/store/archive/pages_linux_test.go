package archive_test

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/store/archive"
)

// mappedKB is how much of the samples in blocks is in this process's memory, after
// proc_pid_smaps(5).
func mappedKB(t *testing.T, dir string) (kilobytes int) {
	t.Helper()
	file, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	ours := false
	for lines := bufio.NewScanner(file); lines.Scan(); {
		line := lines.Text()
		if first, _, _ := strings.Cut(line, " "); strings.Contains(first, "-") { // addresses: the next file
			ours = strings.Contains(line, dir) && strings.Contains(line, "/chunks/")
		}
		var resident int
		if _, err := fmt.Sscanf(line, "Rss: %d kB", &resident); err == nil && ours {
			kilobytes += resident
		}
	}
	return kilobytes
}

func TestWhatWasReadDoesNotStayInMemory(t *testing.T) {
	dir := t.TempDir()
	a := open(t, archive.Options{Dir: dir})
	defer closeIt(t, a)
	readings := span("desk-1", 0, 5_000)
	write(t, a, readings)
	if err := a.Merge(t.Context()); err != nil || a.Blocks() == 0 {
		t.Fatal(err, a.Blocks())
	}
	want(t, a, "desk-1", readings)
	if mappedKB(t, dir) == 0 {
		t.Fatal("nothing of what was read is mapped")
	}
	if err := a.ReleasePages(); err != nil {
		t.Fatal(err)
	}
	if got := mappedKB(t, dir); got > 0 {
		t.Errorf("%d KB stay mapped", got)
	}
	want(t, a, "desk-1", readings)
}

// TestWhatIsReadMayBeReleasedMeanwhile has blocks come and go, too.
func TestWhatIsReadMayBeReleasedMeanwhile(t *testing.T) {
	a := open(t, archive.Options{Dir: t.TempDir()})
	defer closeIt(t, a)
	readings := span("desk-1", 0, 4_000)
	write(t, a, readings)
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	var all sync.WaitGroup
	again := func(do func()) {
		all.Go(func() {
			for ctx.Err() == nil {
				do()
			}
		})
	}
	again(func() { want(t, a, "desk-1", readings) })
	again(func() {
		if err := a.ReleasePages(); err != nil {
			t.Error(err)
		}
	})
	late := 0
	again(func() {
		late++
		write(t, a, span("desk-2", late, late+1))
		if err := a.Merge(t.Context()); err != nil {
			t.Error(err)
		}
	})
	all.Wait()
}
