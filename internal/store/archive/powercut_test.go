package archive_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/powercuttest"
	"github.com/wattline/wattline/internal/store/archive"
)

// childBatches names how many batches a child writes before it ends.
const childBatches = "WATTLINE_TEST_ARCHIVE_BATCHES"

// TestNothingAcknowledgedIsMissingAfterAnyPowerCut opens what the disk may hold
// after a power failure at any moment of writing.
func TestNothingAcknowledgedIsMissingAfterAnyPowerCut(t *testing.T) {
	cuts := 60
	if testing.Short() {
		cuts = 15
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "0")
	cmd.Env = append(os.Environ(), childFolder+"="+dir, childBatches+"=6")
	powercuttest.Record(t, cmd, dir).Cuts(t, cuts, rand.New(rand.NewPCG(seed, 0)), func(cut powercuttest.Cut) {
		var expected []wattline.Reading
		for _, line := range cut.Said {
			n, err := strconv.Atoi(line)
			if err != nil {
				t.Fatal(err)
			}
			expected = append(expected, crashBatch(n)...)
		}
		inFlight := crashBatch(len(cut.Said))
		slices.SortFunc(expected, func(x, y wattline.Reading) int { return x.Time.Compare(y.Time.Time) })
		a := open(t, archive.Options{Dir: cut.Folder})
		got := slices.DeleteFunc(read(t, a, crashDevice), func(r wattline.Reading) bool { return slices.Contains(inFlight, r) })
		if !slices.Equal(expected, got) {
			t.Errorf("after batch %d: %s", len(cut.Said)-1, difference(expected, got))
		}
		closeIt(t, a)
	})
}
