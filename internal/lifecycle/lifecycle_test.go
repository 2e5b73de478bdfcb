package lifecycle_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline/internal/lifecycle"
)

func TestPartsEndInTheOppositeOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var ended []string
		stack := lifecycle.New(slog.New(slog.DiscardHandler))
		stack.Defer("file", func() error { ended = append(ended, "file"); return nil })
		for _, name := range []string{"sink", "source"} {
			stack.Go(name, func(ctx context.Context) error {
				<-ctx.Done()
				time.Sleep(time.Second)
				ended = append(ended, name)
				return ctx.Err()
			})
		}
		if err := stack.Stop(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(ended, []string{"source", "sink", "file"}) {
			t.Error(ended)
		}
	})
}

func TestAPartThatEndsByItselfIsNamed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, result := range map[string]error{"with an error": errors.New("disk on fire"), "without one": nil} {
			stack := lifecycle.New(slog.New(slog.DiscardHandler))
			stack.Go("other", func(ctx context.Context) error { <-ctx.Done(); return nil })
			stack.Go("journal", func(context.Context) error { return result })
			<-stack.Failed()
			if err := stack.Cause(); err == nil || !strings.HasPrefix(err.Error(), "journal: ") {
				t.Errorf("%s: %v", name, err)
			}
			if err := stack.Stop(); !errors.Is(err, result) {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}

func TestAPartThatHangsIsLeftBehind(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		stack := lifecycle.New(slog.New(slog.DiscardHandler))
		ended := false
		stack.Defer("sink", func() error { ended = true; return nil })
		stack.Go("hang", func(context.Context) error { <-release; return nil })
		err := stack.Stop()
		if err == nil || !strings.Contains(err.Error(), "hang has not ended") || !ended {
			t.Error(err, ended)
		}
		close(release)
	})
}
