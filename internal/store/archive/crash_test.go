package archive_test

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store/archive"
)

// childFolder names the archive that a child of the test writes to.
const childFolder = "WATTLINE_TEST_ARCHIVE"

const crashDevice = "crash"

// daysLater is when all that is written by crashBatch is long over.
func daysLater() time.Time { return start.AddDate(0, 0, 3) }

// crashBatch is the nth batch of the child: some readings in order and some that
// are hours late, so that both logs are written.
func crashBatch(n int) []wattline.Reading {
	const size, lateness = 250, 3000
	var batch []wattline.Reading
	for i := range size {
		batch = append(batch, numbered(crashDevice, lateness+n*size+i))
	}
	for i := range size / 5 {
		late := numbered(crashDevice, n*size/5+i)
		late.Time = wattline.At(late.Time.Add(-9 * 24 * time.Hour))
		batch = append(batch, late)
	}
	return batch
}

// child writes batches from the one on that its last argument names, and says which
// are on disk, until it is killed. Quarter-hours are sealed meanwhile, all of which
// are long over.
func child(dir string) int {
	a, err := archive.Open(context.Background(), archive.WithSmallSegments(archive.Options{Dir: dir, Now: daysLater}))
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	go func() { _ = a.Upkeep(context.Background()) }()
	n, err := strconv.Atoi(os.Args[len(os.Args)-1])
	last, endless := strconv.Atoi(os.Getenv(childBatches))
	for ; err == nil && (endless != nil || n < last); n++ {
		if err = a.Write(context.Background(), crashBatch(n)); err == nil {
			_, err = fmt.Println(n)
		}
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

func TestNothingAcknowledgedIsMissingAfterAKillAndAnswersAreTrue(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	random := rand.New(rand.NewPCG(1, uint64(time.Now().UnixNano())))
	acknowledged := -1
	for range 12 {
		acknowledged = crash(t, dir, acknowledged, random)
		var expected []wattline.Reading
		for n := range acknowledged + 1 {
			expected = append(expected, crashBatch(n)...)
		}
		inFlight := crashBatch(acknowledged + 1)
		slices.SortFunc(expected, func(x, y wattline.Reading) int { return x.Time.Compare(y.Time.Time) })

		a := open(t, archive.Options{Dir: dir, Now: daysLater})
		got := slices.DeleteFunc(read(t, a, crashDevice), func(r wattline.Reading) bool { return slices.Contains(inFlight, r) })
		if !slices.Equal(expected, got) {
			t.Fatalf("after batch %d of a kill at random: %s", acknowledged, difference(expected, got))
		}
		asModel(t, a, crashDevice)
		sealed(t, a, daysLater().Add(-2*time.Hour))
		asModel(t, a, crashDevice)
		closeIt(t, a)
	}
	if acknowledged < 12 {
		t.Errorf("only %d batches were written", acknowledged)
	}
}

// difference tells which readings are missing or too many.
func difference(expected, got []wattline.Reading) string {
	var text strings.Builder
	for _, reading := range expected {
		if !slices.Contains(got, reading) {
			fmt.Fprintf(&text, "%v is missing\n", reading.Time)
		}
	}
	for _, reading := range got {
		if !slices.Contains(expected, reading) {
			fmt.Fprintf(&text, "%+v is too many\n", reading)
		}
	}
	return text.String()
}

// crash lets a child write for a moment, kills it, and returns the last batch
// that it had acknowledged.
func crash(t *testing.T, dir string, acknowledged int, random *rand.Rand) int {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], strconv.Itoa(acknowledged+1))
	cmd.Env = append(os.Environ(), childFolder+"="+dir)
	cmd.Stderr = os.Stderr
	said, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(said)
	killAfter := random.IntN(8)
	for n := 0; lines.Scan(); n++ {
		acknowledged, err = strconv.Atoi(lines.Text())
		if err != nil {
			t.Fatal(err)
		}
		if n == killAfter {
			// Anywhere in one of the next batches.
			time.AfterFunc(time.Duration(random.IntN(8000))*time.Microsecond, func() { _ = cmd.Process.Kill() })
		}
	}
	if err := cmd.Wait(); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("the child ended by itself: %v", err)
	}
	return acknowledged
}

func TestNothingAcknowledgedIsMissingAfterAPowerCut(t *testing.T) {
	dir, after := t.TempDir(), t.TempDir()
	synced := make(map[string]int64)
	var a *archive.Archive
	options := archive.WithSync(archive.Options{Dir: dir}, func(file *os.File) error {
		info, err := file.Stat()
		if err == nil && !info.IsDir() {
			synced[file.Name()] = info.Size()
		}
		return err
	})
	a = open(t, archive.WithSmallSegments(options))
	defer func() { closeIt(t, a) }()
	var expected []wattline.Reading
	for n := range 7 { // not enough for a block, which would end the logs
		write(t, a, crashBatch(n))
		expected = append(expected, crashBatch(n)...)
	}
	slices.SortFunc(expected, func(x, y wattline.Reading) int { return x.Time.Compare(y.Time.Time) })
	// Only what was synced is there after the cut; the TSDB's chunk files, which
	// it never waits for, are not.
	for path, length := range synced {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		name, err := filepath.Rel(dir, path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(filepath.Join(after, name)), 0o700); err != nil {
			t.Fatal(err)
		}
		overwrite(t, filepath.Join(after, name), string(text[:length]))
	}
	if len(synced) < 3 {
		t.Errorf("only %d segments", len(synced))
	}
	b := open(t, archive.Options{Dir: after})
	defer closeIt(t, b)
	want(t, b, crashDevice, expected)
}
