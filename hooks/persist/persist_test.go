package persist_test

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
)

func TestLiveReadings(t *testing.T) {
	bubble(t, "are written at once when it was quiet, and told to be stored", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		time.Sleep(100 * time.Millisecond)
		synctest.Wait()
		o.complete(t, c)
	})
	bubble(t, "are written in batches of an interval when there are many", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 100 {
			o.bus.publish(c, true)
			time.Sleep(50 * time.Millisecond)
		}
		time.Sleep(time.Second)
		synctest.Wait()
		o.complete(t, c)
		if n := len(o.store.batches()); n > 8 {
			t.Errorf("%d writes in six seconds", n)
		}
	})
	bubble(t, "are written in batches of a size when there are very many", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.BatchReadings = 10; o.BatchInterval = time.Hour })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 100 {
			o.bus.publish(c, true)
		}
		synctest.Wait()
		o.complete(t, c)
		for _, n := range o.store.batches() {
			if n > 10 {
				t.Errorf("a batch of %d", n)
			}
		}
	})
	bubble(t, "of somebody else's collector are stored without a number", func(t *testing.T) {
		o := begin(t, nil)
		foreign := wattline.Reading{Device: "desk-9", Time: wattline.At(time.Now()), Relay: wattline.RelayOff}
		o.bus.deliver("desk-9", foreign)
		time.Sleep(time.Second)
		if !o.store.has(foreign) {
			t.Error("it is not in the store")
		}
	})
	bubble(t, "that come again are not written again", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		r := o.bus.publish(c, true)
		o.bus.deliver(r.Device, r)
		time.Sleep(3 * time.Second)
		o.bus.deliver(r.Device, r)
		time.Sleep(3 * time.Second)
		if len(o.store.batches()) != 1 || o.store.batches()[0] != 1 {
			t.Errorf("batches %v", o.store.batches())
		}
	})
	bubble(t, "that are not valid are never stored, and logged once a minute", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		good := wattline.Reading{Device: "desk-9", Time: wattline.At(time.Now()), Relay: wattline.RelayOff}
		bad := good
		bad.Relay = ""
		for range 10 {
			o.bus.deliver("desk-9", "nonsense")
			o.bus.deliver("desk-9", bad)
			o.bus.deliver("desk-8", good)
		}
		time.Sleep(time.Second)
		if len(o.store.batches()) != 0 || strings.Count(log.String(), "not a valid reading") != 1 {
			t.Errorf("batches %v, log %s", o.store.batches(), &log)
		}
		time.Sleep(time.Minute)
		o.bus.deliver("desk-8", good)
		if strings.Count(log.String(), "not a valid reading") != 2 {
			t.Error("not logged a minute later")
		}
	})
	bubble(t, "with a number beyond all bounds are stored and asked for no more", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		r := wattline.Reading{Device: "d", Time: wattline.At(time.Now()), Relay: wattline.RelayOn, Stream: "s1", Seq: 1<<64 - 1}
		o.bus.deliver("d", r)
		time.Sleep(time.Minute)
		if !o.store.has(r) || o.bus.asked(c) != 0 {
			t.Errorf("asked %d times", o.bus.asked(c))
		}
	})
}

func TestGaps(t *testing.T) {
	bubble(t, "are asked for at once after a start", func(t *testing.T) {
		o := begin(t, nil)
		c := &collector{instance: "c1", stream: "s1"}
		for range 2500 {
			o.bus.publish(c, false)
		}
		o.bus.add(c)
		time.Sleep(10 * time.Millisecond)
		synctest.Wait()
		o.complete(t, c)
		if o.bus.asked(c) != 3 {
			t.Errorf("asked %d times", o.bus.asked(c))
		}
	})
	bubble(t, "in the middle are asked for after a grace, and only they", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for n := range 100 {
			o.bus.publish(c, n < 20 || n >= 30)
		}
		time.Sleep(persist.DefaultGrace / 2)
		if o.bus.asked(c) != 0 {
			t.Error("asked too early")
		}
		time.Sleep(2 * persist.DefaultGrace)
		o.complete(t, c)
		written := 0
		for _, n := range o.store.batches() {
			written += n
		}
		if o.bus.asked(c) != 1 || written != 100 {
			t.Errorf("asked %d times, %d readings written", o.bus.asked(c), written)
		}
	})
	bubble(t, "at the end are seen by the presence of the collector", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, false)
		o.bus.tell(c)
		time.Sleep(3 * persist.DefaultGrace)
		o.complete(t, c)
	})
	bubble(t, "that memory made are filled while live readings go on", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.MaxPending = 50 })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.store.set(func([]wattline.Reading) error { return &store.UnavailableError{Err: errors.New("down")} })
		for range 1000 {
			o.bus.publish(c, true)
			time.Sleep(10 * time.Millisecond)
		}
		if n := o.hook.Status().Pending; n > 50 {
			t.Errorf("%d readings in memory", n)
		}
		o.store.set(nil)
		for range 500 {
			o.bus.publish(c, true)
			time.Sleep(20 * time.Millisecond)
		}
		time.Sleep(10 * time.Second)
		o.complete(t, c)
	})
	bubble(t, "that the journal has dropped are counted as lost, and it goes on", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for n := range 100 {
			o.bus.publish(c, n < 10)
		}
		o.bus.change(func() { c.first = 61 })
		o.bus.tell(c)
		time.Sleep(time.Minute)
		if got := o.bus.stored("archive", "s1"); got != 100 || o.store.count() != 50 {
			t.Errorf("stored %d, %d in the store", got, o.store.count())
		}
		if !strings.Contains(log.String(), "readings=50") || strings.Count(log.String(), "are lost") != 1 {
			t.Errorf("log: %s", &log)
		}
	})
	bubble(t, "before the beginning are no loss to a new hook", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		c := &collector{instance: "c1", stream: "s1"}
		for range 10_000 {
			o.bus.publish(c, false)
		}
		c.answer = func(q wattline.ReplayQuery) (wattline.ReplayPage, error) { c.first = 9_501; return c.page(q) }
		o.bus.add(c)
		time.Sleep(time.Minute)
		if o.store.count() != 500 || strings.Contains(log.String(), "lost") || !strings.Contains(log.String(), "first=9501") {
			t.Errorf("%d in the store, log: %s", o.store.count(), &log)
		}
		if asked := o.bus.asked(c); o.hook.Status().Lost != 0 || asked > 2 {
			t.Errorf("%d are said to be lost, it was asked %d times", o.hook.Status().Lost, asked)
		}
	})
	bubble(t, "are asked for again when the collector or the broker was away", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		o.bus.publish(c, false)
		o.bus.publish(c, true)
		o.bus.change(func() {
			c.answer = func(wattline.ReplayQuery) (wattline.ReplayPage, error) {
				return wattline.ReplayPage{}, wattline.Errorf(wattline.CodeTimeout, "silent")
			}
		})
		time.Sleep(10 * time.Minute)
		if o.bus.asked(c) < 10 || o.bus.asked(c) > 100 {
			t.Errorf("asked %d times in ten minutes", o.bus.asked(c))
		}
		o.bus.change(func() { c.online = false })
		o.bus.tell(c)
		asked := o.bus.asked(c)
		time.Sleep(10 * time.Minute)
		if o.bus.asked(c) != asked {
			t.Error("asked while nobody was there")
		}
		o.bus.change(func() { c.answer, c.online = nil, true })
		o.bus.tell(c)
		time.Sleep(time.Second)
		o.complete(t, c)
	})
	bubble(t, "of a stream whose journal is gone are lost, unless it comes back", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		for range 5 {
			o.bus.publish(c, false)
		}
		o.bus.tell(c)
		o.bus.add(&collector{instance: "c1", stream: "s2"})
		time.Sleep(time.Minute)
		if !strings.Contains(log.String(), "no longer has the journal") || !strings.Contains(log.String(), "readings=5") {
			t.Errorf("log: %s", &log)
		}
		if o.bus.stored("archive", "s1") != 1 {
			t.Errorf("stored is %d", o.bus.stored("archive", "s1"))
		}
		o.bus.mu.Lock()
		o.bus.collectors["c1"] = c
		o.bus.mu.Unlock()
		o.bus.tell(c)
		time.Sleep(time.Minute)
		o.complete(t, c)
	})
	bubble(t, "are asked for again, and complained of, where a collector talks nonsense", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = logTo(&log) })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for n := range 10 {
			o.bus.publish(c, n != 4)
		}
		for name, answer := range map[string]func(q wattline.ReplayQuery) (wattline.ReplayPage, error){
			"nothing": func(q wattline.ReplayQuery) (wattline.ReplayPage, error) {
				return wattline.ReplayPage{Stream: q.Stream, First: 1, Last: 10}, nil
			},
			"an end before what it published": func(q wattline.ReplayQuery) (wattline.ReplayPage, error) {
				return wattline.ReplayPage{Stream: q.Stream, First: 1, Last: 2}, nil
			},
			"another stream": func(wattline.ReplayQuery) (wattline.ReplayPage, error) {
				return wattline.ReplayPage{Stream: "other", First: 11, Last: 10}, nil
			},
		} {
			o.bus.change(func() { c.asked, c.answer = 0, answer })
			time.Sleep(10 * time.Minute)
			if o.bus.asked(c) < 5 || o.bus.asked(c) > 100 {
				t.Errorf("%s: asked %d times", name, o.bus.asked(c))
			}
			if o.bus.stored("archive", "s1") != 4 {
				t.Errorf("%s: stored %d", name, o.bus.stored("archive", "s1"))
			}
		}
		if n := strings.Count(log.String(), "answer cannot be used"); n < 10 || n > 31 {
			t.Errorf("logged %d times in half an hour", n)
		}
		o.bus.change(func() { c.answer = nil })
		time.Sleep(time.Minute)
		o.complete(t, c)
	})
	bubble(t, "of many collectors are filled a few at a time, all in turn", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.Replays = 2 })
		var all []*collector
		for n := range 8 {
			c := &collector{instance: fmt.Sprintf("c%d", n), stream: fmt.Sprintf("s%d", n)}
			for range 1200 {
				o.bus.publish(c, false)
			}
			all = append(all, o.bus.add(c))
		}
		time.Sleep(time.Minute)
		for _, c := range all {
			o.complete(t, c)
		}
	})
}

func TestRestart(t *testing.T) {
	bubble(t, "goes on where it was, without reading anything twice", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for n := range 100 {
			o.bus.publish(c, n != 50)
		}
		time.Sleep(time.Second) // the gap is not asked for yet
		o.stop()
		for range 50 {
			o.bus.publish(c, true)
		}
		o.bus.mu.Lock()
		o.bus.hears, o.bus.retained = nil, map[wattline.Topic]uint64{}
		o.bus.mu.Unlock()
		o.store.forgetBatches()
		o.start()
		time.Sleep(time.Minute)
		o.complete(t, c)
		written := 0
		for _, n := range o.store.batches() {
			written += n
		}
		if written != 51 {
			t.Errorf("%d readings were written after the restart", written)
		}
	})
	bubble(t, "writes what is in memory when it stops", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.BatchInterval = time.Hour })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		time.Sleep(time.Second)
		for range 2500 {
			o.bus.publish(c, true)
		}
		o.stop()
		o.complete(t, c)
		o.start()
	})
	bubble(t, "stops in time when the store is down", func(t *testing.T) {
		var log logBuffer
		o := begin(t, func(o *persist.Options) { o.Log = slog.New(slog.NewTextHandler(&log, nil)) })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.store.set(func([]wattline.Reading) error { return errHang })
		for range 100 {
			o.bus.publish(c, true)
		}
		time.Sleep(time.Second)
		began := time.Now()
		o.stop()
		if took := time.Since(began); took > persist.DefaultStopTimeout+time.Second {
			t.Errorf("it took %v", took)
		}
		if !strings.Contains(log.String(), "readings=100") {
			t.Errorf("log: %s", &log)
		}
		o.store.set(nil)
		o.start()
		time.Sleep(time.Minute)
		o.complete(t, c)
	})
	bubble(t, "with a damaged ledger asks for everything again", func(t *testing.T) {
		o := begin(t, nil)
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 100 {
			o.bus.publish(c, true)
		}
		time.Sleep(time.Second)
		o.stop()
		if err := os.WriteFile(filepath.Join(o.options.Dir, "archive.sqlite"), []byte(strings.Repeat("x", 9999)), 0o600); err != nil {
			t.Fatal(err)
		}
		o.start()
		time.Sleep(time.Minute)
		o.complete(t, c)
	})
}

func TestNewRefusesOptions(t *testing.T) {
	b, s := newBus(nil), newStore()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, options := range map[string]persist.Options{
		"no name":                    {Bus: b, Store: s, Dir: t.TempDir()},
		"a name with a slash":        {Name: "a/b", Bus: b, Store: s, Dir: t.TempDir()},
		"no bus":                     {Name: "archive", Store: s, Dir: t.TempDir()},
		"no store":                   {Name: "archive", Bus: b, Dir: t.TempDir()},
		"no folder":                  {Name: "archive", Bus: b, Store: s},
		"a folder that cannot exist": {Name: "archive", Bus: b, Store: s, Dir: filepath.Join(file, "x")},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := persist.New(t.Context(), options); err == nil {
				t.Error("it was made")
			}
		})
	}
}
