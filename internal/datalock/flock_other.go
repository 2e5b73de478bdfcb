//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package datalock

import "os"

// lockFile takes no lock: these systems have no flock.
func lockFile(*os.File) error { return nil }
