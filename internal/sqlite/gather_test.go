package sqlite_test

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline/internal/sqlite"
)

func TestGather(t *testing.T) {
	queue := make(chan int, 5)
	for i := range cap(queue) {
		queue <- i
	}
	for _, test := range []struct {
		name  string
		batch []int
		most  int
		want  []int
	}{
		{"takes what waits behind the first, up to the most", []int{9}, 4, []int{9, 0, 1, 2}},
		{"takes nothing for a batch that is full", []int{9, 8}, 2, []int{9, 8}},
		{"ends with the queue", nil, 4, []int{3, 4}},
		{"waits for nothing", nil, 4, nil},
	} {
		t.Run(test.name, func(t *testing.T) {
			if diff := cmp.Diff(test.want, sqlite.Gather(test.batch, queue, test.most)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestGathererMakesBatches(t *testing.T) {
	const every = 50 * time.Millisecond
	batches := func(t *testing.T, do func(ctx context.Context, queue chan int, next func(first int) (took time.Duration, batch []int))) {
		synctest.Test(t, func(t *testing.T) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			queue := make(chan int, 10)
			g := sqlite.Gatherer[int]{Queue: queue, Most: 3, Every: every, Urgent: func(n int) bool { return n < 0 }}
			do(ctx, queue, func(first int) (time.Duration, []int) {
				began := time.Now()
				batch := g.Next(ctx, first)
				return time.Since(began), batch
			})
			cancel()
			queue <- 7
			if batch := g.Next(ctx, 6); len(batch) != 2 {
				t.Errorf("at the end %v", batch)
			}
		})
	}
	expect := func(t *testing.T, took, want time.Duration, batch, wanted []int) {
		t.Helper()
		if diff := cmp.Diff(wanted, batch); diff != "" || took != want {
			t.Errorf("after %v, want %v; %s", took, want, diff)
		}
	}
	t.Run("at once after a quiet time, and then one a time", func(t *testing.T) {
		batches(t, func(_ context.Context, queue chan int, next func(int) (time.Duration, []int)) {
			took, batch := next(1)
			expect(t, took, 0, batch, []int{1})
			time.AfterFunc(every/2, func() { queue <- 3 })
			took, batch = next(2)
			expect(t, took, every, batch, []int{2, 3})
			time.Sleep(every)
			took, batch = next(4)
			expect(t, took, 0, batch, []int{4})
		})
	})
	t.Run("at once where one is full, or something urgent comes", func(t *testing.T) {
		batches(t, func(_ context.Context, queue chan int, next func(int) (time.Duration, []int)) {
			next(1)
			queue <- 3
			queue <- 4
			took, batch := next(2)
			expect(t, took, 0, batch, []int{2, 3, 4})
			time.AfterFunc(every/2, func() { queue <- -6 })
			took, batch = next(5)
			expect(t, took, every/2, batch, []int{5, -6})
			took, batch = next(-7)
			expect(t, took, 0, batch, []int{-7})
		})
	})
}
