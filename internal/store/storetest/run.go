package storetest

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/internal/store"
)

// Run holds a store to the contract. It opens one empty store, which keeps
// readings for ever, and closes it at the end.
func Run(t *testing.T, open func(*testing.T) store.Store) {
	t.Helper()
	tested := open(t)
	t.Cleanup(func() {
		if err := tested.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	s := &suite{tested: tested, model: NewMemory()}
	for _, promise := range []struct {
		name string
		test func(*testing.T)
	}{
		{"answers as the model does, whatever the readings and the questions", s.answersAsTheModel},
		{"summarizes as the model does, while quarter-hours are kept up to date and made anew", s.summarizesMeanwhile},
		{"makes quarter-hours anew and says what it did", s.rebuilds},
		{"names its devices", s.namesDevices},
		{"gives every value back to the last digit", s.givesValuesBack},
		{"keeps one of two readings that differ in all but device and time, and keeps it whole", s.keepsOne},
		{"takes readings however late", s.takesLate},
		{"refuses what cannot be, and keeps the rest of the batch", s.refuses},
		{"gives every reading exactly once, page by page", s.pages},
		{"finds the last reading before a range, however old", s.findsBefore},
		{"says what is wrong with a question", s.saysWhatIsWrong},
		{"ends with its context", s.endsWithContext},
		{"is safe for concurrent use", s.isSafe},
		{"takes an empty batch", s.takesNothing},
		{"says that it is well", s.isWell},
	} {
		t.Run(promise.name, promise.test)
	}
}

type suite struct {
	tested store.Store
	model  *Memory
	rounds atomic.Int64
}

// fatalizer is what testing.T and rapid.T have in common.
type fatalizer interface {
	Helper()
	Fatalf(format string, args ...any)
}

// write writes a batch to both and compares what they say.
func (s *suite) write(ctx context.Context, t fatalizer, readings []wattline.Reading) {
	t.Helper()
	got, want := s.tested.Write(ctx, readings), s.model.Write(ctx, readings)
	if diff := cmp.Diff(refusedIn(want), refusedIn(got)); diff != "" {
		t.Fatalf("write (-want +got):\n%s\n%v", diff, got)
	}
}

// refusedIn is the refused readings that an error names; other errors stay as
// they are.
func refusedIn(err error) any {
	if refused, ok := errors.AsType[*store.RefusedError](err); ok {
		return refused.Readings
	}
	if err != nil {
		return err.Error()
	}
	return nil
}

func (s *suite) compareReadings(ctx context.Context, t fatalizer, query store.Query) []wattline.Reading {
	t.Helper()
	got, err := s.tested.Readings(ctx, query)
	if err != nil {
		t.Fatalf("readings %+v: %v", query, err)
	}
	want, err := s.model.Readings(ctx, query)
	if err != nil {
		t.Fatalf("readings %+v of the model: %v", query, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("readings %+v (-want +got):\n%s", query, diff)
	}
	return got
}

func (s *suite) compareSummaries(ctx context.Context, t fatalizer, query store.SummaryQuery) []store.Series {
	t.Helper()
	got, err := s.tested.Summaries(ctx, query)
	if err != nil {
		t.Fatalf("summaries %+v: %v", query, err)
	}
	want, err := s.model.Summaries(ctx, query)
	if err != nil {
		t.Fatalf("summaries %+v of the model: %v", query, err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("summaries %+v (-want +got):\n%s", query, diff)
	}
	return got
}

func (s *suite) answersAsTheModel(t *testing.T) {
	ctx := t.Context()
	rapid.Check(t, func(t *rapid.T) {
		devices, readings := s.histories(t)
		for _, batch := range Batches(t, readings) {
			s.write(ctx, t, batch)
		}
		for range 4 {
			s.compareReadings(ctx, t, readingsQuestion(t, devices, readings))
			s.compareSummaries(ctx, t, SummaryQuestion(t, devices, readings))
		}
	})
}

// histories draws some devices that no other round of the test uses, and what they
// measured.
func (s *suite) histories(t *rapid.T) (devices []string, readings []wattline.Reading) {
	devices = deviceNames(t, s.rounds.Add(1))
	for _, device := range devices {
		readings = append(readings, History(t, device)...)
	}
	return devices, readings
}
