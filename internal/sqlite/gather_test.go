package sqlite_test

import (
	"testing"

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
