package persist_test

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/wattline/wattline"
	"github.com/wattline/wattline/hooks/persist"
	"github.com/wattline/wattline/internal/store"
)

// chaos is an office in which everything goes down in any order. What must hold
// throughout: what was said to be stored is in the store. What must hold in the
// end: everything that a collector did not drop is in the store.
type chaos struct {
	office
	t          *rapid.T
	collectors []*collector
	copies     int
}

func TestNothingIsLostWhateverGoesDown(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		folder := memoryFolder(rt)
		defer os.RemoveAll(folder)
		var failure any
		synctest.Test(t, func(*testing.T) {
			x := newChaos(rt, folder)
			defer func() { // rapid wants its panic in its own goroutine
				failure = recover()
				x.stop()
			}()
			rt.Repeat(map[string]func(*rapid.T){
				"":                    func(t *rapid.T) { x.honest(t) },
				"publish":             x.publish,
				"wait":                x.wait,
				"store fails":         x.storeFails,
				"store works":         func(*rapid.T) { x.store.set(nil) },
				"broker goes down":    func(*rapid.T) { x.setBroker(true) },
				"broker is back":      func(*rapid.T) { x.setBroker(false) },
				"collector goes away": x.collectorLeaves,
				"collector is back":   x.collectorReturns,
				"hook restarts":       x.restart,
				"hook is killed":      x.kill,
			})
			x.end()
		})
		if fmt.Sprintf("%T", failure) == "rapid.invalidData" {
			panic(failure) // from a line of its own: rapid tells failures apart by it
		}
		if failure != nil {
			panic(failure)
		}
	})
}

func newChaos(t *rapid.T, folder string) *chaos {
	s := newStore()
	x := &chaos{t: t, office: office{store: s, bus: newBus(s)}}
	x.runner = runner{t: t, options: persist.Options{
		Name: "archive", Bus: x.bus, Store: s, Dir: filepath.Join(folder, "0"),
		BatchReadings: 20, MaxPending: 60, Replays: 2,
	}}
	for n := range 3 {
		c := &collector{instance: fmt.Sprintf("c%d", n), stream: fmt.Sprintf("s%d", n), packs: n == 0}
		x.collectors = append(x.collectors, x.bus.add(c))
	}
	x.start()
	return x
}

func (x *chaos) one(t *rapid.T) *collector {
	return rapid.SampledFrom(x.collectors).Draw(t, "collector")
}

func (x *chaos) publish(t *rapid.T) {
	c := x.one(t)
	arrives := rapid.Uint64().Draw(t, "arrives") | rapid.Uint64().Draw(t, "arrives too")
	readings := rapid.IntRange(1, 50).Draw(t, "readings")
	if c.packs {
		x.bus.pack(c, readings, c.online && arrives&1 == 1)
		return
	}
	for n := range readings {
		x.bus.publish(c, c.online && arrives>>n&1 == 1)
	}
}

func (x *chaos) wait(t *rapid.T) {
	time.Sleep(time.Duration(rapid.SampledFrom([]int{1, 60, 1000, 5000, 60_000}).Draw(t, "ms")) * time.Millisecond)
	for _, c := range x.collectors {
		x.bus.tell(c)
	}
	synctest.Wait()
}

func (x *chaos) storeFails(t *rapid.T) {
	x.store.mu.Lock()
	x.store.half = rapid.Bool().Draw(t, "half")
	x.store.mu.Unlock()
	err := rapid.SampledFrom([]error{
		&store.UnavailableError{Err: errors.New("down")}, errors.New("strange"), errHang, store.ErrMisconfigured,
	}).Draw(t, "failure")
	x.store.set(func([]wattline.Reading) error { return err })
}

func (x *chaos) setBroker(down bool) {
	x.bus.mu.Lock()
	x.bus.down = down
	x.bus.mu.Unlock()
	for _, c := range x.collectors {
		x.bus.tell(c)
	}
}

func (x *chaos) setOnline(c *collector, online bool) {
	x.bus.mu.Lock()
	c.online = online
	x.bus.mu.Unlock()
	x.bus.tell(c)
}

func (x *chaos) collectorLeaves(t *rapid.T)  { x.setOnline(x.one(t), false) }
func (x *chaos) collectorReturns(t *rapid.T) { x.setOnline(x.one(t), true) }

func (x *chaos) restart(*rapid.T) {
	x.stop()
	x.forgetListeners()
	x.start()
}

func (x *chaos) forgetListeners() {
	x.bus.mu.Lock()
	x.bus.hears = nil
	x.bus.mu.Unlock()
}

// kill goes on with what was on disk at this moment; whatever the old hook does
// afterwards reaches neither the store nor a collector.
func (x *chaos) kill(t *rapid.T) {
	x.copies++
	next := filepath.Join(filepath.Dir(x.options.Dir), fmt.Sprint(x.copies))
	if err := os.CopyFS(next, os.DirFS(x.options.Dir)); err != nil {
		t.Fatal(err)
	}
	x.store.mu.Lock()
	fail := x.store.fail
	x.store.fail = func([]wattline.Reading) error { return errHang }
	x.store.half = false
	x.store.mu.Unlock()
	x.bus.mu.Lock()
	retained := maps.Clone(x.bus.retained)
	x.bus.mu.Unlock()
	x.stop()
	x.store.set(fail)
	x.bus.mu.Lock()
	x.bus.retained = retained
	x.bus.mu.Unlock()
	x.forgetListeners()
	x.options.Dir = next
	x.start()
}

// end lets everything recover and looks at the result.
func (x *chaos) end() {
	x.store.set(nil)
	x.setBroker(false)
	for _, c := range x.collectors {
		x.setOnline(c, true)
	}
	for range 20 {
		time.Sleep(10 * time.Second)
		for _, c := range x.collectors {
			x.bus.tell(c)
		}
	}
	synctest.Wait()
	total := 0
	for _, c := range x.collectors {
		x.complete(x.t, c)
		total += len(c.all)
	}
	if x.store.count() != total {
		x.t.Fatalf("%d readings in the store of %d", x.store.count(), total)
	}
	for _, s := range x.hook.Status().Streams {
		if s.Behind != 0 || s.BehindS != 0 {
			x.t.Fatalf("it says to be behind: %+v", s)
		}
	}
}
