package chaos_test

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// disk is a folder of little room, if we may mount one.
type disk struct {
	t   *testing.T
	dir string
	// mounted: it has an end. Else it is a plain folder, which never fills.
	mounted bool
}

// diskSize has room for the journal of the longest outage.
const diskSize = "32m"

// needMount is what is needed to fill a disk.
const needMount = "run as root, or under unshare --user --map-root-user --mount"

func newDisk(t *testing.T, dir string) *disk {
	t.Helper()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	d := &disk{t: t, dir: dir}
	if err := syscall.Mount("wattline-chaos", dir, "tmpfs", 0, "size="+diskSize); err == nil {
		d.mounted = true
		t.Cleanup(func() {
			if t.Failed() {
				_ = os.CopyFS(dir+".kept", os.DirFS(dir)) // it goes with the mount
			}
			_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		})
	}
	return d
}

func (d *disk) ballast() string { return filepath.Join(d.dir, "ballast") }

// fill leaves no room.
func (d *disk) fill() {
	d.t.Helper()
	if !d.mounted {
		return
	}
	file, err := os.Create(d.ballast())
	if err != nil && !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatal(err)
	}
	defer file.Close()
	for block := make([]byte, 64<<10); err == nil; {
		_, err = file.Write(block)
	}
	if !errors.Is(err, syscall.ENOSPC) {
		d.t.Fatal(err)
	}
}

// empty gives the room back.
func (d *disk) empty() {
	d.t.Helper()
	if err := os.Remove(d.ballast()); err != nil && !errors.Is(err, os.ErrNotExist) {
		d.t.Fatal(err)
	}
}
