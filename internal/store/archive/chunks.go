package archive

import (
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/tsdb/record"
	"github.com/prometheus/prometheus/tsdb/wlog"
	"github.com/prometheus/prometheus/util/compression"
)

// The late log is written anew beside the old one, which then makes way.
const (
	newLog = "wbl-new"
	oldLog = "wbl-old"
)

// forgetChunks makes the TSDB read everything from its logs.
//
// It keeps full chunks of what is in memory in files of their own, and marks in
// its late log that the samples up to there are in such a file. It syncs neither
// file nor marks, and marks chunks that it made ready for a block without naming
// the file. After a crash the files lack what the marks say is in them, and
// acknowledged readings would be gone. Its logs have all of it; so the files and
// the marks go.
//
// It returns where the late log is torn, if it is.
func (a *Archive) forgetChunks() (torn, err error) {
	if err := os.RemoveAll(filepath.Join(a.options.Dir, chunkFolder)); err != nil {
		return nil, err
	}
	log := filepath.Join(a.options.Dir, wblFolder)
	rewritten, old := filepath.Join(a.options.Dir, newLog), filepath.Join(a.options.Dir, oldLog)
	switch _, err := os.Stat(log); {
	case errors.Is(err, fs.ErrNotExist):
		// It may have stopped between the two renames: the new one is whole then.
		if err := os.Rename(rewritten, log); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
		return nil, os.RemoveAll(old)
	case err != nil:
		return nil, err
	}
	if err := errors.Join(os.RemoveAll(rewritten), os.RemoveAll(old)); err != nil {
		return nil, err
	}
	torn, err = a.copyWithoutMarks(log, rewritten)
	if err != nil {
		return nil, fmt.Errorf("write the late log anew: %w", err)
	}
	if err := syncFolder(rewritten, (*os.File).Sync); err != nil {
		return nil, err
	}
	// Removing a folder takes more than one step; taking its name away does not.
	if err := os.Rename(log, old); err != nil {
		return nil, err
	}
	if err := errors.Join(os.Rename(rewritten, log), syncFolder(a.options.Dir, (*os.File).Sync)); err != nil {
		return nil, err
	}
	return torn, os.RemoveAll(old)
}

// copyWithoutMarks copies a late log, up to a tear if it has one.
func (a *Archive) copyWithoutMarks(from, to string) (torn, err error) {
	segments, err := wlog.NewSegmentsReader(from)
	if err != nil {
		return nil, err
	}
	defer func() { _ = segments.Close() }()
	size := a.options.segmentBytes
	if size == 0 {
		size = wlog.DefaultSegmentSize
	}
	silent := slog.New(slog.DiscardHandler)
	log, err := wlog.NewSize(silent, prometheus.NewRegistry(), to, size, compression.Snappy)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, log.Close()) }()
	decoder := record.NewDecoder(labels.NewSymbolTable(), silent)
	reader := wlog.NewReader(segments)
	for reader.Next() {
		if decoder.Type(reader.Record()) == record.MmapMarkers {
			continue
		}
		if err := log.Log(reader.Record()); err != nil {
			return nil, err
		}
	}
	return reader.Err(), nil
}
