// Package files changes files so that a power cut leaves them whole.
package files

import (
	"errors"
	"os"
	"path/filepath"
)

// Replace replaces a file as a whole, so that whoever reads it sees the old or the
// new, and a power cut leaves one of them. One that was there keeps its mode and its
// owner: another program may have to read it. A new one is for the folder's owner alone, so
// that root can write it for a service.
func Replace(path string, data []byte) error {
	folder, name := filepath.Split(path)
	temporary, err := os.CreateTemp(folder, name+".*") // 0600
	if err != nil {
		return err
	}
	_, err = temporary.Write(data)
	err = errors.Join(err, inherit(temporary, path), temporary.Sync(), temporary.Close())
	if err == nil {
		err = os.Rename(temporary.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary.Name()))
	}
	return SyncFolder(filepath.Dir(path))
}

// inherit gives a file the mode and the owner of the one at a path, or else the owner
// of the folder.
func inherit(file *os.File, path string) error {
	info, err := os.Stat(path)
	if err == nil {
		takeOwner(file, info)
		return file.Chmod(info.Mode().Perm())
	}
	if info, err = os.Stat(filepath.Dir(path)); err == nil {
		takeOwner(file, info)
	}
	return err
}

// SyncFolder makes the names in a folder survive a power cut: of files that are new in
// it, renamed or removed.
func SyncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
