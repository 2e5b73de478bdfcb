package alike_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"math"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/components/history"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/store/influx"
	"github.com/wattline/wattline/internal/store/storetest"
)

// installation is a history over a store.
type installation struct {
	name    string
	store   store.Store
	history *history.History
}

// patience is for a machine that does other things as well.
const patience = 5 * time.Minute

// stories is how many seeds there are, and each the number of questions that are put
// before and after a change.
const (
	stories = 4
	each    = 30
)

// installations are the model, which comes first, and those that are held to it.
func installations(t *testing.T) (all []installation) {
	t.Helper()
	kept, err := archive.Open(t.Context(), archive.Options{Dir: filepath.Join(t.TempDir(), "archive"), Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	server := shared.For(t)
	sent, err := influx.New(influx.Options{
		URL: server.URL(), Org: server.Org(), Bucket: server.NewBucket(), Quarters: server.NewBucket(), Token: server.Token(),
		Timeout: patience,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, one := range []installation{
		{name: "the model", store: storetest.NewMemory()}, {name: "the archive", store: kept}, {name: "InfluxDB", store: sent},
	} {
		one.history = history.New(history.Options{Store: one.store, Log: slog.New(slog.DiscardHandler), MaxReadings: 1500, RawAtOnce: 100})
		t.Cleanup(func() {
			if err := one.store.Close(); err != nil {
				t.Error(err)
			}
		})
		all = append(all, one)
	}
	return all
}

func TestEveryStoreGivesTheSameAnswers(t *testing.T) {
	all := installations(t)
	for seed := range uint64(stories) {
		t.Run(fmt.Sprintf("story %d", seed), func(t *testing.T) {
			s := newStory(seed)
			write(t, all, s.batches)
			put(t, all, s)
			rebuild(t, all, s)
			put(t, all, s)
			write(t, all, s.late)
			put(t, all, s)
		})
	}
}

func TestWhatIsNoNumberIsRefusedBeforeAnyStore(t *testing.T) {
	for name, document := range spoilt() {
		if r, err := decode(document); err == nil {
			t.Errorf("%s was let in as %+v", name, r)
		}
	}
}

// write gives every store the same batches and compares what they say.
func write(t *testing.T, all []installation, batches [][]wattline.Reading) {
	t.Helper()
	for _, batch := range batches {
		for _, one := range all {
			if err := one.store.Write(t.Context(), batch); err != nil {
				t.Fatalf("%s: %v", one.name, err)
			}
		}
	}
}

// rebuild makes the quarter-hours of the story anew, so that what follows is
// answered from them.
func rebuild(t *testing.T, all []installation, s *story) {
	t.Helper()
	query := wattline.RebuildQuery{Devices: s.devices, From: wattline.At(s.begins), To: wattline.At(s.ends)}
	days := map[int]bool{}
	for _, one := range all {
		query.Cursor = ""
		total := 0
		for {
			var page wattline.RebuildPage
			if reply := ask(t.Context(), one, asked{wattline.VerbRebuild, bodyOf(t, query)}); reply.err != nil {
				t.Fatalf("%s: %v", one.name, reply.err)
			} else if err := json.Unmarshal(reply.encoded, &page); err != nil {
				t.Fatal(err)
			}
			total += page.Days
			if query.Cursor = page.Next; query.Cursor == "" {
				break
			}
		}
		days[total] = true
	}
	if len(days) != 1 {
		t.Errorf("the stores differ in how many days they have: %v", days)
	}
}

func bodyOf(t *testing.T, query any) (body map[string]any) {
	t.Helper()
	encoded, err := json.Marshal(query)
	if err == nil {
		err = json.Unmarshal(encoded, &body)
	}
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// put asks all of them many questions, some of which have no answer.
func put(t *testing.T, all []installation, s *story) {
	t.Helper()
	questions := make([]asked, each)
	for i := range questions {
		questions[i] = s.question()
		if s.random.IntN(6) == 0 {
			questions[i] = s.spoil(questions[i])
		}
	}
	atOnce, ctx := errgroup.WithContext(t.Context())
	atOnce.SetLimit(4)
	for _, question := range questions {
		atOnce.Go(func() error { return compare(ctx, all, question) })
	}
	if err := atOnce.Wait(); err != nil {
		t.Fatal(err)
	}
}

// maxPages is how many pages of an answer are compared.
const maxPages = 5

// compare follows an answer through its pages.
func compare(ctx context.Context, all []installation, question asked) error {
	for range maxPages {
		model := ask(ctx, all[0], question)
		for _, one := range all[1:] {
			if err := model.differs(ask(ctx, one, question)); err != nil {
				return fmt.Errorf("%s: %s differs: %w", question, one.name, err)
			}
		}
		next, more := model.next()
		if !more {
			return nil
		}
		question.body["cursor"] = next
	}
	return nil
}

// reply is an answer as it would go out, or an error.
type reply struct {
	encoded []byte
	err     *wattline.Error
}

func ask(ctx context.Context, one installation, question asked) reply {
	body, err := json.Marshal(question.body)
	if err != nil {
		return reply{err: wattline.AsError(err)}
	}
	answer, err := one.history.Verbs()[question.verb](ctx, body)
	if err != nil {
		return reply{err: wattline.AsError(err)}
	}
	encoded, err := json.Marshal(answer)
	return reply{encoded, wattline.AsError(err)}
}

func (r reply) String() string {
	if r.err != nil {
		return "the error " + r.err.Error()
	}
	const enough = 2000
	return string(r.encoded[:min(len(r.encoded), enough)])
}

func (r reply) next() (cursor string, more bool) {
	var page struct {
		Next string `json:"next"`
	}
	if r.err != nil || json.Unmarshal(r.encoded, &page) != nil {
		return "", false
	}
	return page.Next, page.Next != ""
}

// differs tells in what another reply is not the same, numbers to 1e-9 and all
// else to the letter.
func (r reply) differs(other reply) error {
	if r.err != nil || other.err != nil {
		if fmt.Sprintf("%+v", r.err) != fmt.Sprintf("%+v", other.err) {
			return fmt.Errorf("want %s, got %s", r, other)
		}
		return nil
	}
	var want, got any
	if err := errors.Join(json.Unmarshal(r.encoded, &want), json.Unmarshal(other.encoded, &got)); err != nil {
		return err
	}
	return differs("", want, got)
}

func differs(path string, want, got any) error {
	switch want := want.(type) {
	case map[string]any:
		got, ok := got.(map[string]any)
		if !ok || len(got) != len(want) {
			return fmt.Errorf("%s: want %v, got %v", path, want, got)
		}
		for name := range want {
			if err := differs(path+"."+name, want[name], got[name]); err != nil {
				return err
			}
		}
		return nil
	case []any:
		got, ok := got.([]any)
		if !ok || len(got) != len(want) {
			return fmt.Errorf("%s: want %d, got %d", path, len(want), len(got))
		}
		for i := range want {
			if err := differs(fmt.Sprintf("%s[%d]", path, i), want[i], got[i]); err != nil {
				return err
			}
		}
		return nil
	case float64:
		if number, ok := got.(float64); ok && math.Abs(number-want) <= 1e-9*max(1, math.Abs(want)) {
			return nil
		}
	default:
		if want == got {
			return nil
		}
	}
	return fmt.Errorf("%s: want %v, got %v", path, want, got)
}
