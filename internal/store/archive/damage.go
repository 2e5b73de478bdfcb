package archive

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/oklog/ulid/v2"
	"github.com/prometheus/prometheus/tsdb"
	"github.com/prometheus/prometheus/tsdb/wlog"
)

const (
	damagedFolder = "damaged"
	// logsPrefix begins the names of what linkLogs keeps, of which there are at
	// most keptLogs.
	logsPrefix = "logs-"
	keptLogs   = 3
)

// setAsideBlocks moves away the blocks that cannot be opened. The TSDB would not
// start with one, or pass over it without a word if only its description is gone.
func (a *Archive) setAsideBlocks() {
	for _, dir := range a.blocks() {
		block, err := tsdb.OpenBlock(slog.New(slog.DiscardHandler), dir, nil, nil)
		if err == nil {
			err = block.Close()
		}
		if err != nil && !isPassing(err) {
			a.setAside(dir, err)
		}
	}
}

// setAsideCheckpoint moves the logs away if the beginning of the one in order, a
// checkpoint, cannot be read. It names the series; the TSDB would mend it by
// cutting off the log that follows, which is whole, at each start again.
func (a *Archive) setAsideCheckpoint() {
	dir, _, err := wlog.LastCheckpoint(filepath.Join(a.options.Dir, walFolder))
	if err != nil {
		return // there is none, or opening it will say so
	}
	segments, err := wlog.NewSegmentsReader(dir)
	if err == nil {
		reader := wlog.NewReader(segments)
		for reader.Next() {
			continue
		}
		err = errors.Join(reader.Err(), segments.Close())
	}
	if err != nil && !isPassing(err) {
		a.setAsideLogs(err)
	}
}

// setAsideLogs moves both logs away: the late one means nothing without the one
// in order, which names the series.
func (a *Archive) setAsideLogs(cause error) bool {
	moved := false
	for _, name := range []string{walFolder, wblFolder} {
		moved = a.setAside(filepath.Join(a.options.Dir, name), cause) || moved
	}
	return moved
}

// blocks lists the folders of the TSDB's blocks.
func (a *Archive) blocks() []string {
	entries, err := os.ReadDir(a.options.Dir)
	if err != nil {
		return nil // opening it will say so
	}
	var dirs []string
	for _, entry := range entries {
		if _, err := ulid.ParseStrict(entry.Name()); err == nil && entry.IsDir() {
			dirs = append(dirs, filepath.Join(a.options.Dir, entry.Name()))
		}
	}
	return dirs
}

// setAside moves a file or folder of the TSDB to the folder of what is damaged.
func (a *Archive) setAside(path string, cause error) bool {
	aside := a.damaged(filepath.Base(path) + "-")
	err := os.MkdirAll(filepath.Dir(aside), 0o700)
	if err == nil {
		err = os.Rename(path, aside)
	}
	if errors.Is(err, fs.ErrNotExist) {
		return false
	}
	a.metrics.damaged.Inc()
	if err != nil {
		a.log.Error("cannot set aside what is damaged in the archive", "path", path, "cause", cause, "error", err)
		return false
	}
	a.log.Error("set aside what is damaged in the archive", "path", path, "now", aside, "cause", cause)
	return true
}

// linkLogs keeps the logs as they are before the TSDB mends them, which it does
// by throwing away what comes after a tear. It costs nothing but names. Where a
// file system cannot do that, there is no copy.
func (a *Archive) linkLogs() string {
	kept := a.damaged(logsPrefix)
	for _, name := range []string{walFolder, wblFolder} {
		segments, err := segmentsFrom(filepath.Join(a.options.Dir, name), 0)
		if err != nil || len(segments) == 0 || os.MkdirAll(filepath.Join(kept, name), 0o700) != nil {
			continue
		}
		for _, index := range segments {
			segment := fmt.Sprintf("%08d", index)
			if err := os.Link(filepath.Join(a.options.Dir, name, segment), filepath.Join(kept, name, segment)); err != nil {
				a.log.Debug("cannot keep a log of the archive", "segment", segment, "error", err)
			}
		}
	}
	return kept
}

// dropLinks forgets what linkLogs kept, and the oldest of what it kept before.
func (a *Archive) dropLinks(kept string) {
	err := os.RemoveAll(kept)
	old, _ := filepath.Glob(filepath.Join(a.options.Dir, damagedFolder, logsPrefix+"*"))
	slices.SortFunc(old, func(x, y string) int { return strings.Compare(y, x) })
	for _, path := range old[min(keptLogs, len(old)):] {
		err = errors.Join(err, os.RemoveAll(path))
	}
	// The folder goes with the last thing in it.
	_ = os.Remove(filepath.Join(a.options.Dir, damagedFolder))
	if err != nil {
		a.log.Warn("cannot remove old logs of the archive", "error", err)
	}
}

// damaged is a new path in the folder of what is damaged.
func (a *Archive) damaged(name string) string {
	return filepath.Join(a.options.Dir, damagedFolder, name+time.Now().UTC().Format("20060102T150405.000000000Z"))
}

// isPassing tells errors of the machine from damage of the files.
func isPassing(err error) bool {
	for _, passing := range []error{
		fs.ErrPermission, syscall.ENOSPC, syscall.EDQUOT, syscall.EROFS, syscall.EMFILE, syscall.ENFILE,
		syscall.ENOMEM, syscall.EIO, context.Canceled, context.DeadlineExceeded,
	} {
		if errors.Is(err, passing) {
			return true
		}
	}
	return false
}

// isHeld tells that a lock is another's.
func isHeld(err error) bool {
	return errors.Is(err, syscall.EWOULDBLOCK) || errors.Is(err, syscall.EAGAIN)
}
