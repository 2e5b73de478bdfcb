//go:build linux || darwin

package archive

import "golang.org/x/sys/unix"

// roomOn is how many bytes we may still use on the disk of a folder, and its size.
func roomOn(dir string) (free, total uint64, err error) {
	var disk unix.Statfs_t
	if err := unix.Statfs(dir, &disk); err != nil {
		return 0, 0, err
	}
	block := uint64(disk.Bsize)
	return disk.Bavail * block, disk.Blocks * block, nil
}
