package persist_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/bus"
	"github.com/wattline/wattline/internal/journal"
	"github.com/wattline/wattline/internal/packed"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/store/archive"
	"github.com/wattline/wattline/internal/strictjson"
	"github.com/wattline/wattline/internal/testserver"
)

const patience = 30 * time.Second

// running is something that runs until it is stopped.
type running struct{ stop func() }

func run(t *testing.T, part func(context.Context) error) running {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- part(ctx) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return running{stop}
}

func connect(t *testing.T, url, instance string) (*bus.Bus, running) {
	t.Helper()
	b, err := bus.New(bus.Options{Brokers: []string{url}, Instance: instance})
	if err != nil {
		t.Fatal(err)
	}
	return b, run(t, b.Run)
}

// collect is a collector without plugs: its journal, its answers, and a reading
// every few milliseconds until the context ends.
func collect(t *testing.T, b *bus.Bus, j *journal.Journal) func(context.Context) error {
	t.Helper()
	b.Announce(wattline.RoleCollector)
	b.AnnounceStream(func() (string, uint64) { return j.Stream(), j.LastSeq() })
	_, err := b.Respond(bus.RespondOptions{
		Filter: wattline.Topic{Kind: wattline.TopicQuery, Component: wattline.RoleCollector, Instance: b.Instance()},
	}, func(ctx context.Context, r bus.Request) (any, error) {
		var query wattline.ReplayQuery
		if err := strictjson.Decode(r.Envelope.Body, &query); err != nil {
			return nil, err
		}
		return j.Page(ctx, query)
	})
	if err != nil {
		t.Fatal(err)
	}
	_, err = b.Subscribe(bus.SubscribeOptions{
		Filter: wattline.Topic{Kind: wattline.TopicStored, Stream: j.Stream()}, Name: "stored",
	}, func(ctx context.Context, m bus.Message) {
		var stored wattline.Stored
		err := strictjson.Decode(m.Payload, &stored)
		if err == nil {
			err = j.Stored(ctx, m.Topic.Hook, stored.Seq)
		}
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	j.OnCommit(func(readings []wattline.Reading) {
		pack := wattline.Pack{From: readings[0].Seq, Packed: packed.Append(nil, readings)}
		_ = b.Publish(context.Background(), wattline.Topic{Kind: wattline.TopicPack, Site: "hq", Stream: readings[0].Stream}, pack)
	})
	return func(ctx context.Context) error {
		for n := 1; ctx.Err() == nil; n++ {
			device := fmt.Sprintf("desk-%d", n%3)
			_, err := j.Append(context.Background(), wattline.Reading{
				Device: device, Time: wattline.At(time.Now()), PowerW: wattline.Milli(n), Relay: wattline.RelayOn,
			})
			if err != nil {
				return err
			}
			time.Sleep(2 * time.Millisecond)
		}
		return nil
	}
}

// shaky is an archive that fails while it is told to.
type shaky struct {
	*archive.Archive
	down atomic.Bool
}

func (s *shaky) Write(ctx context.Context, readings []wattline.Reading) error {
	if s.down.Load() {
		return &store.UnavailableError{Err: errors.New("down")}
	}
	return s.Archive.Write(ctx, readings)
}

func TestThroughMosquittoIntoTheArchive(t *testing.T) {
	broker := testserver.Mosquitto(t, testserver.MosquittoOptions{})
	folder := t.TempDir()
	opened, err := archive.Open(t.Context(), archive.Options{Dir: filepath.Join(folder, "archive")})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = opened.Close() })
	kept := &shaky{Archive: opened}
	j, err := journal.Open(t.Context(), journal.Options{
		Path: filepath.Join(folder, "journal.sqlite"), WaitFor: []string{"archive"}, CommitInterval: 2 * time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = j.Close() })

	began := time.Now()
	collectorBus, _ := connect(t, broker.URL(), "collector-1")
	collecting := run(t, collect(t, collectorBus, j))
	startHook := func() (hook, connection running) {
		b, connection := connect(t, broker.URL(), "hook-1")
		h, err := persist.New(t.Context(), persist.Options{
			Name: "archive", Bus: b, Store: kept, Dir: filepath.Join(folder, "hooks"),
			Grace: 100 * time.Millisecond, BatchInterval: 50 * time.Millisecond,
		})
		if err != nil {
			t.Fatal(err)
		}
		return run(t, h.Run), connection
	}
	// after waits until so many more readings were taken, and, if stored is
	// wanted, until all of those were stored.
	after := func(more uint64, stored bool) {
		t.Helper()
		target := j.LastSeq() + more
		testserver.Eventually(t, patience, func() error {
			if last := j.LastSeq(); last < target {
				return fmt.Errorf("%d readings of %d", last, target)
			}
			if first := j.Status().First; stored && first <= target {
				return fmt.Errorf("the journal begins at %d, before %d", first, target)
			}
			return nil
		})
	}

	hook, connection := startHook()
	after(100, true)
	kept.down.Store(true)
	after(200, false)
	kept.down.Store(false)
	after(50, true)
	broker.Kill()
	after(200, false)
	broker.Start()
	after(50, true)
	hook.stop()
	connection.stop()
	after(200, false)
	startHook()
	after(50, true)
	collecting.stop()

	last := j.LastSeq()
	testserver.Eventually(t, patience, func() error {
		if first := j.Status().First; first != last+1 {
			return fmt.Errorf("the journal begins at %d, its last is %d", first, last)
		}
		return nil
	})
	readings := everythingIn(t, opened, began)
	slices.SortFunc(readings, func(a, b wattline.Reading) int { return int(a.PowerW - b.PowerW) })
	var got []wattline.Milli
	for _, r := range readings {
		got = append(got, r.PowerW)
	}
	var want []wattline.Milli
	for n := range last {
		want = append(want, wattline.Milli(n+1))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("the store has not every reading once: %s", diff)
	}
}

func everythingIn(t *testing.T, s store.Store, from time.Time) (all []wattline.Reading) {
	t.Helper()
	const limit = 500
	query := store.Query{
		Devices: []string{"desk-0", "desk-1", "desk-2"}, From: from.Add(-time.Minute), To: time.Now().Add(time.Minute), Limit: limit,
	}
	for {
		page, err := s.Readings(t.Context(), query)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page...)
		if len(page) < limit {
			return all
		}
		newest := page[len(page)-1]
		query.After = store.Position{Device: newest.Device, Time: newest.Time.Time}
	}
}
