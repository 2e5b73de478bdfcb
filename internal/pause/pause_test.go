package pause_test

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline/internal/pause"
)

func TestAPauseLastsAsLongAsItShould(t *testing.T) {
	for name, test := range map[string]struct {
		length, until time.Duration // until the context ends
		lasts         time.Duration
		err           error
	}{
		"the whole length":            {time.Hour, 2 * time.Hour, time.Hour, nil},
		"until the context ends":      {time.Hour, time.Minute, time.Minute, context.DeadlineExceeded},
		"not after the context ended": {time.Hour, 0, 0, context.DeadlineExceeded},
		"not at all without a length": {0, time.Hour, 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), test.until)
				defer cancel()
				began := time.Now()
				if err := pause.For(ctx, test.length); !errors.Is(err, test.err) {
					t.Errorf("error %v, want %v", err, test.err)
				}
				if lasted := time.Since(began); lasted != test.lasts {
					t.Errorf("lasted %v, want %v", lasted, test.lasts)
				}
			})
		})
	}
}
