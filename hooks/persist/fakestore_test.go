package persist_test

import (
	"context"
	"errors"
	"slices"
	"sync"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

type identity struct {
	device string
	time   int64
}

func identityOf(r wattline.Reading) identity { return identity{r.Device, r.Time.UnixMilli()} }

// fakeStore keeps readings, and fails as it is told.
type fakeStore struct {
	mu     sync.Mutex
	kept   map[identity]wattline.Reading
	writes []int // the sizes of the batches that it was given
	// fail decides about a batch; nil keeps it. half keeps one half of a batch
	// that fails.
	fail func(batch []wattline.Reading) error
	half bool
}

func newStore() *fakeStore { return &fakeStore{kept: map[identity]wattline.Reading{}} }

func (s *fakeStore) Write(ctx context.Context, batch []wattline.Reading) error {
	s.mu.Lock()
	fail := s.fail
	s.writes = append(s.writes, len(batch))
	s.mu.Unlock()
	var err error
	if fail != nil {
		err = fail(batch)
	}
	if errors.Is(err, errHang) {
		<-ctx.Done()
		err = ctx.Err()
	}
	what, _ := errors.AsType[*store.RefusedError](err)
	s.mu.Lock()
	defer s.mu.Unlock()
	for i, r := range batch {
		refused := what != nil && slices.ContainsFunc(what.Readings, func(one store.RefusedReading) bool { return one.Index == i })
		if refused || err != nil && what == nil && (!s.half || i%2 == 0) {
			continue
		}
		if _, had := s.kept[identityOf(r)]; !had {
			s.kept[identityOf(r)] = r
		}
	}
	return err
}

var errHang = errors.New("hang until the context ends")

func (s *fakeStore) set(fail func([]wattline.Reading) error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail = fail
}

func (s *fakeStore) has(r wattline.Reading) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	got, ok := s.kept[identityOf(r)]
	return ok && got.PowerW == r.PowerW
}

func (s *fakeStore) batches() []int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.writes)
}

func (s *fakeStore) forgetBatches() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes = nil
}

func (s *fakeStore) count() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return len(s.kept)
}
