package broker

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

const lockName = "broker.lock"

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked")

// lockDir makes the folder, where it is missing, and takes it for this broker
// alone. The lock ends with the process, however that ends. Closing the file
// gives it back.
func lockDir(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the broker's data folder: %w", err)
	}
	path := filepath.Join(dir, lockName)
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the broker's lock: %w", err)
	}
	if err := lockFile(file); err != nil {
		holder := holderOf(file)
		_ = file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("the broker's data folder %s is in use by another broker%s; "+
				"stop that or choose another folder", dir, holder)
		}
		return nil, fmt.Errorf("lock the broker's data folder %s: %w", dir, err)
	}
	if err := writeHolder(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write the broker's lock: %w", err)
	}
	return file, nil
}

// writeHolder leaves the process id for whoever meets the lock.
func writeHolder(file *os.File) error {
	if err := file.Truncate(0); err != nil {
		return err
	}
	_, err := file.WriteAt(fmt.Appendf(nil, "%d\n", os.Getpid()), 0)
	return err
}

// holderOf names the holder of a lock in words, as far as it is known.
func holderOf(file *os.File) string {
	text, err := io.ReadAll(io.LimitReader(file, 20))
	pid := strings.TrimSpace(string(text))
	if err != nil || pid == "" {
		return ""
	}
	return " (process " + pid + ")"
}
