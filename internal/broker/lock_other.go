//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package broker

import "os"

// lockFile takes no lock: these systems have no flock.
func lockFile(*os.File) error { return nil }
