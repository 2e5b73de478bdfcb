// Package datalock keeps two processes from working on the same data.
package datalock

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// errLocked says that another process holds the lock.
var errLocked = errors.New("locked")

// Take makes the folder, where it is missing, and takes what an owner (broker,
// collector, …) keeps there for this process alone. The lock ends with the
// process, however that ends; closing it gives it back. A lock that is held is
// an error that names the process that holds it.
func Take(folder, owner string) (io.Closer, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, fmt.Errorf("make the %s's data folder: %w", owner, err)
	}
	file, err := os.OpenFile(filepath.Join(folder, owner+".lock"), os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open the %s's lock: %w", owner, err)
	}
	if err := lockPatiently(file); err != nil {
		holder := holderOf(file)
		_ = file.Close()
		if errors.Is(err, errLocked) {
			return nil, fmt.Errorf("the %[1]s's data folder %[2]s is in use by another %[1]s%[3]s; "+
				"stop that or choose another folder", owner, folder, holder)
		}
		return nil, fmt.Errorf("lock the %s's data folder %s: %w", owner, folder, err)
	}
	if err := writeHolder(file); err != nil {
		_ = file.Close()
		return nil, fmt.Errorf("write the %s's lock: %w", owner, err)
	}
	return file, nil
}

// A process that was killed a moment ago may hold its lock a moment longer.
const (
	patience = time.Second
	tryEvery = 50 * time.Millisecond
)

func lockPatiently(file *os.File) error {
	for began := time.Now(); ; time.Sleep(tryEvery) {
		err := lockFile(file)
		if !errors.Is(err, errLocked) || time.Since(began) > patience {
			return err
		}
	}
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
