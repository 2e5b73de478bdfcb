package persist_test

import (
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
	"github.com/wattline/wattline/internal/testserver"
)

const month = 30 * 24 * time.Hour

// byClock is a store that refuses what its own clock says is of the future.
func (o *office) byClock() {
	o.store.set(refusing(func(r wattline.Reading) string { return store.Refusal(r, time.Now(), 0) }))
}

func TestReadingsOfTheFuture(t *testing.T) {
	bubble(t, "by a clock that most collectors contradict are kept until it is set", func(t *testing.T) {
		var log testserver.Text
		o := begin(t, func(o *persist.Options) { o.Log = log.Logger(slog.LevelInfo) })
		o.byClock()
		right, alike := o.bus.add(&collector{instance: "c1", stream: "s1", ahead: month}), o.bus.add(&collector{instance: "c2", stream: "s2", ahead: month})
		behind := o.bus.add(&collector{instance: "c3", stream: "s3"})
		for range 50 {
			o.bus.publish(right, true)
			o.bus.publish(alike, false)
			o.bus.publish(behind, true)
			o.bus.tell(alike)
			time.Sleep(time.Minute)
		}
		if err := o.hook.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "2 of 3 collectors") {
			t.Errorf("ready: %v", err)
		}
		if !strings.Contains(log.String(), "its clock is behind") || o.letters(t, wattline.DeadLettersQuery{}).Total != 0 {
			t.Errorf("%d letters, log: %s", o.letters(t, wattline.DeadLettersQuery{}).Total, &log)
		}
		o.store.set(nil) // its clock is set
		time.Sleep(5 * time.Minute)
		for _, c := range []*collector{right, alike, behind} {
			o.complete(t, c)
		}
		if err := o.hook.Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
	bubble(t, "of the one collector whose clock is ahead are dead letters, and the others' go on", func(t *testing.T) {
		o := begin(t, nil)
		o.byClock()
		ahead, right := o.bus.add(&collector{instance: "c1", stream: "s1", ahead: month}), o.bus.add(&collector{instance: "c2", stream: "s2"})
		for range 10 {
			o.bus.publish(ahead, true)
			o.bus.publish(right, true)
			time.Sleep(time.Minute)
		}
		o.complete(t, right)
		if n := o.letters(t, wattline.DeadLettersQuery{}).Total; n != 10 || o.hook.Ready(t.Context()) != nil {
			t.Errorf("%d letters", n)
		}
		o.bus.mu.Lock()
		o.bus.untrue = nil // what was refused is not in the store, and should not be
		o.bus.mu.Unlock()
	})
	bubble(t, "of the only collector are dead letters once its clock was set", func(t *testing.T) {
		o := begin(t, nil)
		o.byClock()
		c := o.bus.add(&collector{instance: "c1", stream: "s1", ahead: month})
		for range 10 {
			o.bus.publish(c, true)
			time.Sleep(time.Minute)
		}
		if n := o.letters(t, wattline.DeadLettersQuery{}).Total; n != 0 {
			t.Errorf("%d letters while the clocks disagree", n)
		}
		o.bus.change(func() { c.ahead = 0 })
		o.bus.publish(c, true)
		time.Sleep(5 * time.Minute)
		if n := o.letters(t, wattline.DeadLettersQuery{}).Total; n != 10 || o.bus.stored("archive", "s1") != 11 {
			t.Errorf("%d letters, %d stored", n, o.bus.stored("archive", "s1"))
		}
		o.bus.mu.Lock()
		o.bus.untrue = nil
		o.bus.mu.Unlock()
	})
}
