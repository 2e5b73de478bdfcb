package persist_test

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
)

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
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
	bubble(t, "of a stream whose journal is gone are counted once, though the broker keeps its last reading", func(t *testing.T) {
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
		c := o.bus.add(&collector{instance: "c1", stream: "s1"})
		o.bus.publish(c, false)
		last := o.bus.publish(c, true)
		o.bus.add(&collector{instance: "c1", stream: "s2"})
		for range 3 {
			time.Sleep(time.Minute)
			o.bus.deliver(last.Device, last)
		}
		time.Sleep(time.Minute)
		if lost := o.hook.Status().Lost; lost != 1 || strings.Count(log.String(), "no longer has the journal") != 1 {
			t.Errorf("%d lost; log: %s", lost, log.String())
		}
	})
	bubble(t, "are asked for again, and complained of, where a collector talks nonsense", func(t *testing.T) {
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
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
