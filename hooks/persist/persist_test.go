package persist_test

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/testserver"
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
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
