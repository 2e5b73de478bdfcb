package archive

import "fmt"

const (
	// reserveBytes is left free on the disk, or reserveShare of it if that is less.
	// The TSDB writes chunks and blocks in its own time, of what it has taken before,
	// and ends the process where there is no room for a chunk.
	reserveBytes = 256 << 20
	reserveShare = 16

	megabyte = 1 << 20
)

// checkRoom is an error while the disk has no room for more than the reserve. Where
// the room is not known there is taken to be enough.
func (a *Archive) checkRoom() error {
	free, total, err := a.options.room(a.options.Dir)
	if err != nil {
		return nil //nolint:nilerr // the write itself will tell
	}
	if reserve := min(reserveBytes, total/reserveShare); free < reserve {
		return unavailable(fmt.Errorf("the disk of the archive is full: %d MB are left, and it takes nothing with less than %d MB: make room on the disk of %s",
			free/megabyte, reserve/megabyte, a.options.Dir))
	}
	return nil
}
