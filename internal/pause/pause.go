// Package pause waits.
package pause

import (
	"context"
	"time"
)

// For waits for a length of time. If the context ends meanwhile, it returns at once with
// the context's error.
func For(ctx context.Context, length time.Duration) error {
	select {
	case <-time.After(length):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
