//go:build unix

package files

import (
	"os"
	"syscall"
)

// takeOwner gives a file the owner of another, which only root may.
func takeOwner(file *os.File, from os.FileInfo) {
	if owner, ok := from.Sys().(*syscall.Stat_t); ok {
		_ = file.Chown(int(owner.Uid), int(owner.Gid))
	}
}
