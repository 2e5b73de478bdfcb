package archive_test

import (
	"errors"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/testserver"
)

// limitFiles bounds the size of every file that this process writes, as a full disk
// would, until lift is called.
func limitFiles(t *testing.T, bytes int64) (lift func()) {
	t.Helper()
	signal.Ignore(syscall.SIGXFSZ)
	var was syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &syscall.Rlimit{Cur: uint64(bytes), Max: was.Max}); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &was); err != nil {
			t.Fatal(err)
		}
	}
}

// TestWhatIsAcknowledgedAfterAFullDiskIsThereAfterARestart has the log end in the
// middle of a record for a while.
func TestWhatIsAcknowledgedAfterAFullDiskIsThereAfterARestart(t *testing.T) {
	dir := t.TempDir()
	a := open(t, archive.Options{Dir: dir})
	write(t, a, span("a", 0, 1000))
	info, err := os.Stat(filepath.Join(dir, "wal", "00000000"))
	if err != nil {
		t.Fatal(err)
	}
	const pageAndSome = 40_000
	lift := limitFiles(t, info.Size()+pageAndSome)
	err = a.Write(t.Context(), span("a", 1000, 4000))
	lift()
	if err == nil {
		t.Fatal("the disk was not full")
	}
	testserver.Eventually(t, time.Minute, func() error { return a.Write(t.Context(), span("a", 1000, 4000)) })
	write(t, a, span("b", 4000, 5000))
	closeIt(t, a)
	a = open(t, archive.Options{Dir: dir})
	if a, b := len(read(t, a, "a")), len(read(t, a, "b")); a != 4000 || b != 1000 {
		t.Errorf("%d of 4000 and %d of 1000 readings are there", a, b)
	}
	closeIt(t, a)
}

// TestTheArchiveLeavesRoomForWhatItHasTaken: the TSDB would end the process for want
// of it, in a goroutine of its own.
func TestTheArchiveLeavesRoomForWhatItHasTaken(t *testing.T) {
	const gigabyte = 1 << 30
	free, total := uint64(10*gigabyte), uint64(100*gigabyte)
	a := open(t, archive.WithRoom(archive.Options{Dir: t.TempDir()}, func() (uint64, uint64) { return free, total }))
	defer closeIt(t, a)
	write(t, a, span("a", 0, 100))
	for name, c := range map[string]struct {
		free, total uint64
		takes       bool
	}{
		"a large disk":                  {300 << 20, 100 * gigabyte, true},
		"a large disk that is full":     {200 << 20, 100 * gigabyte, false},
		"a small disk":                  {3 << 20, 32 << 20, true},
		"a small disk that is full":     {1 << 20, 32 << 20, false},
		"a disk of which nothing known": {0, 0, true},
	} {
		t.Run(name, func(t *testing.T) {
			free, total = c.free, c.total
			unavailable := func(err error) bool {
				_, is := errors.AsType[*store.UnavailableError](err)
				return is
			}
			if err := a.Write(t.Context(), span("a", 100, 200)); c.takes != (err == nil) || !c.takes && !unavailable(err) {
				t.Errorf("a write: %v", err)
			}
			if err := a.Ping(t.Context()); c.takes != (err == nil) || !c.takes && !unavailable(err) {
				t.Errorf("is it there: %v", err)
			}
			if n := len(read(t, a, "a")); n < 100 {
				t.Errorf("%d readings can be read", n)
			}
		})
	}
}
