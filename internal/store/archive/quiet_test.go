package archive_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/testserver"
)

func TestWhatClosingCancelledIsNoError(t *testing.T) {
	for name, c := range map[string]struct {
		err  error
		says bool
	}{
		"a compaction that failed":      {errors.New("no space left on device"), true},
		"a compaction that was stopped": {fmt.Errorf("compact [a b]: %w", context.Canceled), false},
	} {
		t.Run(name, func(t *testing.T) {
			said := &testserver.Text{}
			log := slog.New(archive.Quiet(said.Logger(slog.LevelWarn).Handler())).With("dir", "x")
			log.Error("compaction failed", "err", c.err)
			if got := said.String(); (got != "") != c.says {
				t.Errorf("it says %q", got)
			}
		})
	}
}
