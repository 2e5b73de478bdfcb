package archive

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/prometheus/procfs"
	"github.com/prometheus/prometheus/tsdb"
	"golang.org/x/sys/unix"
)

// releasePages takes the pages of the blocks' samples out of this process's memory. They
// are mapped files: the kernel has them in its cache as long as there is room, and
// brings them back where they are read again (madvise(2), MADV_DONTNEED).
func releasePages(db *tsdb.DB) error {
	var files []string
	var held []io.Closer
	defer func() {
		for _, one := range held {
			_ = one.Close()
		}
	}()
	for _, block := range db.Blocks() {
		// While it is held, nothing else can come to be at its addresses.
		chunks, err := block.Chunks()
		if err != nil {
			continue // it is being deleted
		}
		held = append(held, chunks)
		files = append(files, "/"+block.Meta().ULID.String()+"/chunks/")
	}
	self, err := procfs.Self()
	if err != nil {
		return err
	}
	maps, err := self.ProcMaps()
	if err != nil {
		return err
	}
	for _, m := range maps {
		if m.Perms.Write || !slices.ContainsFunc(files, func(part string) bool { return strings.Contains(m.Pathname, part) }) {
			continue
		}
		// A huge page would bring two megabytes back for the sake of one sample. Not
		// every kernel has them.
		_ = advise(m, unix.MADV_NOHUGEPAGE)
		err = errors.Join(err, advise(m, unix.MADV_DONTNEED))
	}
	return err
}

func advise(m *procfs.ProcMap, advice uintptr) error {
	if _, _, failed := unix.Syscall(unix.SYS_MADVISE, m.StartAddr, m.EndAddr-m.StartAddr, advice); failed != 0 {
		return fmt.Errorf("release %s: %w", m.Pathname, failed)
	}
	return nil
}
