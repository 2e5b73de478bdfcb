package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"

	"github.com/prometheus/prometheus/tsdb/wlog"
)

// The TSDB's folders inside its own.
const (
	walFolder   = "wal"
	wblFolder   = wlog.WblDirName
	chunkFolder = "chunks_head"
)

// logs are the TSDB's two write-ahead logs: of samples in order, and of late
// ones. The TSDB writes them at a commit without syncing them, and syncs a
// segment only some time after the next one was begun.
type logs struct {
	inOrder  syncer
	late     syncer
	failures *failures
}

func newLogs(options Options, failures *failures) *logs {
	fsync := options.fsync
	if fsync == nil {
		fsync = (*os.File).Sync
	}
	return &logs{
		inOrder:  syncer{dir: filepath.Join(options.Dir, walFolder), fsync: fsync},
		late:     syncer{dir: filepath.Join(options.Dir, wblFolder), fsync: fsync},
		failures: failures,
	}
}

// sync returns when all that was committed before is on disk.
func (l *logs) sync() error {
	if err := l.failures.ofLateLog(); err != nil {
		return err
	}
	if err := l.inOrder.sync(); err != nil {
		return err
	}
	return l.late.sync()
}

func (l *logs) close() error { return errors.Join(l.inOrder.close(), l.late.close()) }

// syncer syncs the segments of one log: all that it has not seen replaced by a
// later one.
type syncer struct {
	dir    string
	fsync  func(*os.File) error
	index  int
	file   *os.File // the segment with that index
	length int64    // what of it is synced
}

func (s *syncer) sync() error {
	segments, err := s.pending()
	if err != nil {
		return fmt.Errorf("list the segments of %s: %w", s.dir, err)
	}
	begun := false
	for _, index := range segments {
		if s.file == nil || index != s.index {
			moved, err := s.move(index)
			if err != nil {
				return err
			}
			if !moved {
				continue
			}
			begun = true
		}
		if err := s.syncSegment(); err != nil {
			return fmt.Errorf("sync %s: %w", s.file.Name(), err)
		}
	}
	if begun {
		return syncFolder(s.dir, s.fsync)
	}
	return nil
}

// pending are the segments from the one that is open on. There is hardly ever a
// next one; it is asked for by name, because the log numbers them without gaps. It
// removes them from the lowest on: while the open one is there, no later one was.
func (s *syncer) pending() ([]int, error) {
	if s.file != nil && isGone(wlog.SegmentName(s.dir, s.index+1)) && !isGone(wlog.SegmentName(s.dir, s.index)) {
		return []int{s.index}, nil
	}
	return segmentsFrom(s.dir, s.index)
}

func isGone(path string) bool {
	_, err := os.Lstat(path)
	return errors.Is(err, fs.ErrNotExist)
}

// syncSegment syncs the open segment, which nothing but growth changes.
func (s *syncer) syncSegment() error {
	info, err := s.file.Stat()
	if err != nil || info.Size() == s.length {
		return err
	}
	if err := s.fsync(s.file); err != nil {
		return err
	}
	s.length = info.Size()
	return nil
}

// move goes on to a later segment. One that was removed meanwhile is no longer
// needed: the TSDB removes a segment when its samples are in a synced block.
func (s *syncer) move(index int) (bool, error) {
	// Some systems sync only what is open for writing.
	next, err := os.OpenFile(wlog.SegmentName(s.dir, index), os.O_RDWR, 0)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("open a segment to sync it: %w", err)
	}
	if err := s.close(); err != nil {
		return false, errors.Join(err, next.Close())
	}
	s.file, s.index, s.length = next, index, -1
	return true, nil
}

func (s *syncer) close() error {
	if s.file == nil {
		return nil
	}
	file := s.file
	s.file = nil
	return file.Close()
}

// segmentsFrom lists the numbers of a log's segments from one on, ascending.
func segmentsFrom(dir string, from int) ([]int, error) {
	folder, err := os.Open(dir)
	if err != nil {
		return nil, err
	}
	names, err := folder.Readdirnames(-1)
	if err := errors.Join(err, folder.Close()); err != nil {
		return nil, err
	}
	var segments []int
	for _, name := range names {
		if index, err := strconv.Atoi(name); err == nil && index >= from {
			segments = append(segments, index)
		}
	}
	slices.Sort(segments)
	return segments, nil
}

// syncFolder makes names in a folder survive a power cut.
func syncFolder(path string, fsync func(*os.File) error) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(fsync(folder), folder.Close())
}
