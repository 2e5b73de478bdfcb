package storetest

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

func (s *suite) saysWhatIsWrong(t *testing.T) {
	readings := map[string]func(*store.Query){
		"no devices":       func(q *store.Query) { q.Devices = nil },
		"an id that is no": func(q *store.Query) { q.Devices = []string{`"); drop`} },
		"unsorted devices": func(q *store.Query) { q.Devices = []string{"b", "a"} },
		"a device twice":   func(q *store.Query) { q.Devices = []string{"a", "a"} },
		"to before from":   func(q *store.Query) { q.To = q.From.Add(-time.Second) },
		"an empty range":   func(q *store.Query) { q.To = q.From },
		"the year 1900":    func(q *store.Query) { q.From = q.From.AddDate(-126, 0, 0) },
		"the year 9999":    func(q *store.Query) { q.To = q.To.AddDate(7973, 0, 0) },
		"no limit":         func(q *store.Query) { q.Limit = 0 },
		"too high a limit": func(q *store.Query) { q.Limit = store.MaxLimit + 1 },
	}
	for name, spoil := range readings {
		t.Run(name, func(t *testing.T) {
			query := all("a", "b")
			spoil(&query)
			_, got := s.tested.Readings(t.Context(), query)
			_, want := s.model.Readings(t.Context(), query)
			sameInvalid(t, want, got)
		})
	}
	summaries := map[string]func(*store.SummaryQuery){
		"no span":         func(q *store.SummaryQuery) { q.Every = 0 },
		"an odd span":     func(q *store.SummaryQuery) { q.Every = 20 * time.Minute },
		"a device twice":  func(q *store.SummaryQuery) { q.Devices = []string{"a", "b", "a"} },
		"to before from":  func(q *store.SummaryQuery) { q.To = q.From.Add(-time.Second) },
		"too many spans":  func(q *store.SummaryQuery) { q.To = q.From.AddDate(40, 0, 0) },
		"no devices":      func(q *store.SummaryQuery) { q.Devices = nil },
		"a device with a": func(q *store.SummaryQuery) { q.Devices = []string{"a/b"} },
	}
	for name, spoil := range summaries {
		t.Run("summaries of "+name, func(t *testing.T) {
			query := store.SummaryQuery{Devices: []string{"a"}, From: base(), To: base().AddDate(0, 0, 1), Every: store.QuarterHour}
			spoil(&query)
			_, got := s.tested.Summaries(t.Context(), query)
			_, want := s.model.Summaries(t.Context(), query)
			sameInvalid(t, want, got)
		})
	}
}

func sameInvalid(t *testing.T, want, got error) {
	t.Helper()
	if wattline.AsError(want) == nil || wattline.AsError(want).Code != wattline.CodeInvalid {
		t.Fatalf("the model says %v", want)
	}
	if got == nil || got.Error() != want.Error() {
		t.Errorf("want %v, got %v", want, got)
	}
}

func (s *suite) endsWithContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, call := range map[string]func() error{
		"write":    func() error { return s.tested.Write(ctx, []wattline.Reading{plain("ended", base())}) },
		"readings": func() error { _, err := s.tested.Readings(ctx, all("ended")); return err },
		"summaries": func() error {
			_, err := s.tested.Summaries(ctx, store.SummaryQuery{Devices: []string{"ended"}, From: base(), To: base().Add(time.Hour), Every: time.Hour})
			return err
		},
		"ping": func() error { return s.tested.Ping(ctx) },
	} {
		if err := call(); !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func (s *suite) isSafe(t *testing.T) {
	const writers, batchesEach, size = 4, 5, 20
	var group sync.WaitGroup
	var devices []string
	for w := range writers {
		device := fmt.Sprintf("safe-%d", w)
		devices = append(devices, device)
		group.Go(func() {
			for b := range batchesEach {
				var batch []wattline.Reading
				for i := range size {
					batch = append(batch, plain(device, base().Add(time.Duration(b*size+i)*poll)))
				}
				if err := s.tested.Write(t.Context(), batch); err != nil {
					t.Errorf("write: %v", err)
				}
			}
		})
		group.Go(func() {
			for range batchesEach {
				if _, err := s.tested.Readings(t.Context(), all(device)); err != nil {
					t.Errorf("readings: %v", err)
				}
			}
		})
	}
	group.Wait()
	got, err := s.tested.Readings(t.Context(), all(devices...))
	if err != nil || len(got) != writers*batchesEach*size {
		t.Errorf("%d readings: %v", len(got), err)
	}
}

func (s *suite) takesNothing(t *testing.T) { s.write(t.Context(), t, nil) }

func (s *suite) isWell(t *testing.T) {
	if err := s.tested.Ping(t.Context()); err != nil {
		t.Errorf("ping: %v", err)
	}
}
