//go:build darwin || dragonfly || freebsd || linux || netbsd || openbsd

package datalock

import (
	"errors"
	"os"
	"syscall"
)

// lockFile takes the lock at once or returns errLocked.
func lockFile(file *os.File) error {
	err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return errLocked
	}
	return err
}
