package persist_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
)

func TestManyStreams(t *testing.T) {
	bubble(t, "are bounded; those that no collector names go first", func(t *testing.T) {
		o := begin(t, func(o *persist.Options) { o.MaxStreams = 5 })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		for n := range 50 {
			r := wattline.Reading{
				Device: "d", Time: wattline.At(time.Now()), Relay: wattline.RelayOn,
				Stream: fmt.Sprintf("noise-%d", n), Seq: 1_000_000,
			}
			o.bus.deliver("d", r)
			time.Sleep(time.Second)
		}
		o.bus.publish(c, true)
		time.Sleep(5 * time.Second)
		o.complete(t, c)
		if status := o.hook.Status(); len(status.Streams) != 5 || o.store.count() != 52 {
			t.Errorf("%d streams are followed, %d readings stored", len(status.Streams), o.store.count())
		}
		o.bus.mu.Lock()
		defer o.bus.mu.Unlock()
		if len(o.bus.retained) != 5 {
			t.Errorf("%d retained topics", len(o.bus.retained))
		}
	})
	bubble(t, "that nobody names any more are forgotten, what they lacked is lost", func(t *testing.T) {
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo); o.ForgetAfter = time.Hour })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, true)
		o.bus.publish(c, false)
		o.bus.change(func() { c.online = false })
		o.bus.tell(&collector{instance: "c1", stream: "s1", online: true, all: c.all})
		o.bus.tell(c)
		time.Sleep(59 * time.Minute)
		if len(o.hook.Status().Streams) != 1 {
			t.Error("forgotten too early")
		}
		time.Sleep(2 * time.Minute)
		if len(o.hook.Status().Streams) != 0 || !strings.Contains(log.String(), "readings=1") {
			t.Errorf("%+v, log: %s", o.hook.Status(), &log)
		}
	})
}

func TestTwoHooksInOneProcess(t *testing.T) {
	bubble(t, "do not disturb one another", func(t *testing.T) {
		o := begin(t, nil)
		second := newStore()
		second.set(func([]wattline.Reading) error { return &store.UnavailableError{Err: errors.New("down")} })
		other := runner{t: t, options: persist.Options{Name: "influx", Bus: o.bus, Store: second, Dir: o.options.Dir}}
		o.bus.mu.Lock()
		o.bus.store = newStore() // promises of two hooks cannot be checked against one store
		o.bus.mu.Unlock()
		other.start()
		defer other.stop()
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		for range 100 {
			o.bus.publish(c, true)
		}
		time.Sleep(time.Minute)
		o.complete(t, c)
		if n := o.bus.stored("influx", "s1"); n != 0 {
			t.Errorf("the other has told that %d is stored", n)
		}
		second.set(nil)
		time.Sleep(time.Minute)
		if n := o.bus.stored("influx", "s1"); n != 100 || second.count() != 100 {
			t.Errorf("the other has stored %d, %d", n, second.count())
		}
		o.bus.mu.Lock()
		o.bus.untrue = nil
		o.bus.mu.Unlock()
	})
}

func TestConcurrentUse(t *testing.T) {
	o := &office{bus: newBus(newStore())}
	o.store = o.bus.store
	hook, err := persist.New(t.Context(), persist.Options{Name: "archive", Bus: o.bus, Store: o.store, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	all.Go(func() {
		if err := hook.Run(ctx); err != nil {
			t.Error(err)
		}
	})
	for n := range 4 {
		all.Go(func() {
			c := o.bus.add(&collector{instance: fmt.Sprintf("c%d", n), stream: fmt.Sprintf("s%d", n)})
			for i := range 500 {
				o.bus.publish(c, i%7 != 0)
				hook.Status()
			}
			o.bus.tell(c)
		})
	}
	time.AfterFunc(200*time.Millisecond, cancel)
	all.Wait()
}
