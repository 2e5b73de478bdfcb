//go:build !linux

package chaos_test

import (
	"os"
	"testing"
)

// disk is a plain folder: only Linux has a way to mount one that fills.
type disk struct {
	dir     string
	mounted bool
}

const needMount = "run on Linux, as root"

func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return &disk{dir: dir}
}

func (*disk) fill()  {}
func (*disk) empty() {}
