package testserver

import (
	"fmt"
	"testing"
	"time"
)

const (
	shortestPause = time.Millisecond
	longestPause  = 50 * time.Millisecond
)

// Eventually calls check until it returns nil, at first every millisecond and
// then less and less often. After within it fails the test with check's last
// error. A check that hangs is not cut short: give it a deadline of its own.
func Eventually(t testing.TB, within time.Duration, check func() error) {
	t.Helper()
	if err := poll(within, check); err != nil {
		t.Fatal(err)
	}
}

func poll(within time.Duration, check func() error) error {
	deadline := time.Now().Add(within)
	for pause := shortestPause; ; pause = min(2*pause, longestPause) {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("still not so after %s: %w", within, err)
		}
		time.Sleep(pause)
	}
}
